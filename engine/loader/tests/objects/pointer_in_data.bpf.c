// SPDX-License-Identifier: MIT OR Apache-2.0
/* Data that holds an address. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

__u64 target = 3;
__u64 *pointer = &target;

SEC("tc")
int chase(struct __sk_buff *skb)
{
	return skb->len + *pointer;
}

char _license[] SEC("license") = "GPL";
