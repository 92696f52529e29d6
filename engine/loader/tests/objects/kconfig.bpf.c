// SPDX-License-Identifier: MIT OR Apache-2.0
/* Asks for the kernel's configuration. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern unsigned int CONFIG_HZ __kconfig;

SEC("tc")
int kconfig(struct __sk_buff *skb)
{
	return skb->len + CONFIG_HZ;
}

char _license[] SEC("license") = "GPL";
