// SPDX-License-Identifier: MIT OR Apache-2.0
/* Maps by value: the old `struct bpf_map_def`. Also built without BTF. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct bpf_map_def_v0 {
	__u32 type, key_size, value_size, max_entries, map_flags;
};

struct bpf_map_def_v0 counters SEC("maps") = {
	.type = BPF_MAP_TYPE_ARRAY,
	.key_size = 4,
	.value_size = 8,
	.max_entries = 16,
};

struct bpf_map_def_v0 flows SEC("maps") = {
	.type = BPF_MAP_TYPE_HASH,
	.key_size = 8,
	.value_size = 16,
	.max_entries = 100,
	.map_flags = BPF_F_NO_PREALLOC,
};

static __attribute__((noinline)) int count(__u32 key)
{
	__u64 *value = bpf_map_lookup_elem(&counters, &key);

	if (value)
		*value += 1;
	return key;
}

SEC("classifier/count")
int classify(struct __sk_buff *skb)
{
	__u64 key = skb->hash;

	return bpf_map_lookup_elem(&flows, &key) ? 0 : count(skb->ifindex);
}

char _license[] SEC("license") = "GPL";
__u32 _version SEC("version") = 0x040f00;
