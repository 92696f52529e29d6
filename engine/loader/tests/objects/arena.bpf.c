// SPDX-License-Identifier: MIT OR Apache-2.0
/* A map of type arena. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, 33);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 10);
} arena SEC(".maps");

SEC("tc")
int use(struct __sk_buff *skb)
{
	__u32 key = skb->len;

	return bpf_map_lookup_elem(&arena, &key) != 0;
}

char _license[] SEC("license") = "GPL";
