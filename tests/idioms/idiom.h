/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Idioms of BPF C: how packet programs are written, one a file. clang makes of
 * each something of its own at every -mcpu, and the verifier has to follow.
 *
 * What a program finds out it returns, or leaves in a map; so a difference
 * between engines shows.
 */
#ifndef IDIOM_H
#define IDIOM_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stdbool.h>
#include <stddef.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* The context holds addresses in 32 bits; the verifier knows them for pointers. */
static __always_inline void *start_of(struct __sk_buff *skb)
{
	return (void *)(long)skb->data;
}

static __always_inline void *end_of(struct __sk_buff *skb)
{
	return (void *)(long)skb->data_end;
}

#endif /* IDIOM_H */
