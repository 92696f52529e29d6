// SPDX-License-Identifier: MIT OR Apache-2.0
/* LRU maps, a trie, a queue, a stack, a bloom filter, maps of maps: what programs do with them, and what they answer. */
#include "oracle.h"

char LICENSE[] SEC("license") = "MIT OR Apache-2.0";

struct flow {
	__u32 packets;
	__u32 bytes;
	__u8 last[4];
};

/* Large enough that neither engine nor kernel evicts. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64);
	__type(value, struct flow);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_PERCPU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u32);
	__type(value, __u64);
} per_cpu SEC(".maps");

struct prefix {
	__u32 prefixlen;
	__u8 data[4];
};

/* Small: it fills up. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 100);
	__type(key, struct prefix);
	__type(value, __u32);
} routes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 7);
	__type(value, __u64);
} queue SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_STACK);
	__uint(max_entries, 7);
	__type(value, __u64);
} stack SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_BLOOM_FILTER);
	__uint(max_entries, 100000);
	__type(value, __u64);
} seen SEC(".maps");

struct inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} even SEC(".maps"), odd SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 3);
	__type(key, __u32);
	__array(values, struct inner);
} by_parity SEC(".maps") = {
	.values = { [0] = &even, [1] = &odd },
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, 3);
	__type(key, __u32);
	__array(values, struct inner);
} by_key SEC(".maps") = {
	.values = { [1] = &odd, [2] = &even },
};

static __always_inline void lru(__u8 *data, __u32 len)
{
	__u64 key = data[0] | data[6] << 8 | data[11] << 16;
	struct flow *flow = bpf_map_lookup_elem(&flows, &key);
	struct flow new = { .packets = 1, .bytes = len };
	__u32 small = data[5] & 31;
	__u64 one = 1, *count;

	if (flow) {
		flow->packets++;
		flow->bytes += len;
		record(0, flow->bytes);
	} else {
		record(1, bpf_map_update_elem(&flows, &key, &new, BPF_NOEXIST));
	}
	record(2, bpf_map_update_elem(&flows, &key, &new, data[7] & 7));
	if (data[8] & 1)
		record(3, bpf_map_delete_elem(&flows, &key));
	count = bpf_map_lookup_elem(&per_cpu, &small);
	if (count)
		(*count)++;
	else
		record(4, bpf_map_update_elem(&per_cpu, &small, &one, BPF_ANY));
}

static __always_inline void trie(__u8 *data)
{
	struct prefix prefix = { .prefixlen = data[5] % 34, .data = { data[0], data[6], data[10], data[11] } };
	__u32 value = data[4], *found;

	record(8, bpf_map_update_elem(&routes, &prefix, &value, data[7] & 3));
	if ((data[9] & 3) == 1)
		record(9, bpf_map_delete_elem(&routes, &prefix));
	prefix.prefixlen = 32;
	prefix.data[3] ^= data[8];
	found = bpf_map_lookup_elem(&routes, &prefix);
	record(10, found ? *found : ~0ULL);
}

static __always_inline void ends(__u8 *data)
{
	__u64 value = data[5] | data[11] << 8, got = 0;
	__u64 flags = data[4] & 3;

	record(16, bpf_map_push_elem(&queue, &value, flags));
	record(17, bpf_map_push_elem(&stack, &value, flags));
	if (data[11] & 1) {
		record(18, bpf_map_pop_elem(&queue, &got));
		record(19, got);
		record(20, bpf_map_pop_elem(&stack, &got));
		record(21, got);
	}
	record(22, bpf_map_peek_elem(&queue, &got));
	record(23, got);
	record(24, bpf_map_peek_elem(&stack, &got));
	record(25, got);
	record(26, bpf_map_push_elem(&seen, &value, BPF_ANY));
	record(27, bpf_map_peek_elem(&seen, &value));
	record(28, bpf_map_push_elem(&seen, &value, BPF_EXIST));
}

static __always_inline void in_maps(__u8 *data)
{
	__u32 outer = data[5] & 3, slot = data[11] & 7;
	void *map = bpf_map_lookup_elem(&by_parity, &outer);
	__u64 *value, new = data[0];

	record(32, map != NULL);
	if (map) {
		value = bpf_map_lookup_elem(map, &slot);
		if (value)
			record(33, ++*value);
	}
	map = bpf_map_lookup_elem(&by_key, &outer);
	record(34, map != NULL);
	if (map) {
		record(35, bpf_map_update_elem(map, &slot, &new, data[4] & 3));
		value = bpf_map_lookup_elem(map, &slot);
		record(36, value ? *value : ~0ULL);
	}
}

SEC("tc")
int map_kinds(struct __sk_buff *skb)
{
	__u8 *data = packet(skb, 14);

	if (!data)
		return TC_ACT_SHOT;
	lru(data, skb->len);
	trie(data);
	ends(data);
	in_maps(data);
	return TC_ACT_OK;
}
