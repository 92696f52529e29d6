// SPDX-License-Identifier: MIT OR Apache-2.0
/* Maps by type, with every member the loader knows, and .values of both kinds. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

int leaf_six(struct __sk_buff *skb);
int leaf_seventeen(struct __sk_buff *skb);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 32);
	__uint(key_size, sizeof(__u32));
	__array(values, int (void *));
} table SEC(".maps") = {
	.values = {
		[17] = (void *)&leaf_seventeen,
		[6] = (void *)&leaf_six,
	},
};

struct inner_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, __u64);
} first SEC(".maps"), second SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 4);
	__type(key, __u32);
	__array(values, struct inner_map);
} outer SEC(".maps") = {
	.values = { [3] = &second, [1] = &first },
};

struct flow {
	__u32 src, dst;
	__u16 ports[2];
	__u8 protocol;
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(key_size, 8);
	__uint(value_size, 12);
	__uint(max_entries, 1000);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(numa_node, 0);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} routes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 77);
	__type(key, struct flow);
	__type(value, __u64[3]);
} flows SEC(".maps");

SEC("tc")
int leaf_six(struct __sk_buff *skb)
{
	return skb->len;
}

SEC("tc")
int leaf_seventeen(struct __sk_buff *skb)
{
	struct flow flow = {.protocol = 17};

	return bpf_map_lookup_elem(&flows, &flow) ? skb->mark : 17;
}

SEC("tc")
int entry(struct __sk_buff *skb)
{
	__u64 key = 0;

	if (bpf_map_lookup_elem(&routes, &key))
		return 9;
	if (!bpf_map_lookup_elem(&outer, &key))
		bpf_tail_call(skb, &table, skb->cb[0]);
	return -1;
}

char _license[] SEC("license") = "Dual BSD/GPL";
