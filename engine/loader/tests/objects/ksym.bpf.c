// SPDX-License-Identifier: MIT OR Apache-2.0
/* Asks for the address of a kernel variable. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern const void jiffies __ksym;

SEC("tc")
int ksym(struct __sk_buff *skb)
{
	return skb->len + (int)(long)&jiffies;
}

char _license[] SEC("license") = "GPL";
