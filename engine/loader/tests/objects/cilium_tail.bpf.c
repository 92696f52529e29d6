// SPDX-License-Identifier: MIT OR Apache-2.0
/* Cilium's way to fill a prog array: a declaration tag on the program. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 50);
	__type(key, __u32);
	__type(value, __u32);
} cilium_calls SEC(".maps");

__attribute__((btf_decl_tag("tail:cilium_calls/7"))) SEC("tc/tail")
int tail_handle(struct __sk_buff *skb)
{
	return skb->len;
}

SEC("tc/entry")
int cil_from_netdev(struct __sk_buff *skb)
{
	bpf_tail_call_static(skb, &cilium_calls, 7);
	return 2;
}

char _license[] SEC("license") = "Dual BSD/GPL";
