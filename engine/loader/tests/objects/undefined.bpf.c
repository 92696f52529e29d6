// SPDX-License-Identifier: MIT OR Apache-2.0
/* Calls a function of another object. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

int elsewhere(int x);

SEC("tc")
int undefined(struct __sk_buff *skb)
{
	return elsewhere(skb->len);
}

char _license[] SEC("license") = "GPL";
