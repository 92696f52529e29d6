/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * For the programs whose only purpose is to be run on every engine and to be
 * compared with the kernel: what they find out goes into `results`, where each
 * slot is a running hash. One different value in one frame changes the slot
 * for good, and the slot's number says which check it was.
 */
#ifndef ORACLE_H
#define ORACLE_H

#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <stdbool.h>
#include <stddef.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

enum { RESULTS = 64 };

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, RESULTS);
	__type(key, __u32);
	__type(value, __u64);
} results SEC(".maps");

/* FNV-1a, a word at a time; plus one, so that a recorded 0 leaves a trace too. */
static __always_inline void record(__u32 slot, __u64 value)
{
	__u64 *result = bpf_map_lookup_elem(&results, &slot);

	if (result)
		*result = (*result ^ value) * 0x100000001b3ULL + 1;
}

/* The first `len` bytes of the packet, or NULL. */
static __always_inline __u8 *packet(struct __sk_buff *skb, __u32 len)
{
	__u8 *data = (__u8 *)(long)skb->data;

	return data + len <= (__u8 *)(long)skb->data_end ? data : NULL;
}

#endif /* ORACLE_H */
