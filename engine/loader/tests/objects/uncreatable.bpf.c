// SPDX-License-Identifier: MIT OR Apache-2.0
/* A map that the kernel does not create: then nothing of the object can be loaded. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_CLONE);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u32);
} strange SEC(".maps");

SEC("tc")
int one(struct __sk_buff *skb)
{
	return skb->len;
}

char _license[] SEC("license") = "GPL";
