// SPDX-License-Identifier: MIT OR Apache-2.0
/* A section whose name says no program type. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("parser")
int parse(struct __sk_buff *skb)
{
	return skb->len;
}

char _license[] SEC("license") = "GPL";
