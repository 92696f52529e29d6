// SPDX-License-Identifier: MIT OR Apache-2.0
/* A static function in a program section: a subprogram, not a program (libbpf refuses it, cilium/ebpf does not). */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tcx/ingress") static __attribute__((noinline)) int beside(struct __sk_buff *skb)
{
	volatile int len = skb->len;

	return len;
}

SEC("tcx/ingress")
int entry(struct __sk_buff *skb)
{
	return beside(skb) + 1;
}

char _license[] SEC("license") = "GPL";
