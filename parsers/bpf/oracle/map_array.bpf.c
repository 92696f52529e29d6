// SPDX-License-Identifier: MIT OR Apache-2.0
/* Array and per-CPU array: lookup, update and delete with every flag, and what they answer. */
#include "oracle.h"

char LICENSE[] SEC("license") = "MIT OR Apache-2.0";

enum { ENTRIES = 8 };

/* 12 bytes: the stride is not the size. */
struct value {
	__u32 a;
	__u32 b;
	__u32 c;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ENTRIES);
	__type(key, __u32);
	__type(value, struct value);
} array SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, ENTRIES);
	__type(key, __u32);
	__type(value, struct value);
} percpu_array SEC(".maps");

static __always_inline void exercise(void *map, __u32 slot, __u32 key, struct value *value,
				     __u64 flags)
{
	struct value *found = bpf_map_lookup_elem(map, &key);

	record(slot, found ? found->a + ((__u64)found->c << 32) : ~0ULL);
	record(slot + 1, bpf_map_update_elem(map, &key, value, flags));
	record(slot + 2, bpf_map_delete_elem(map, &key));
	found = bpf_map_lookup_elem(map, &key);
	if (found)
		found->b += found->a;
}

SEC("tc")
int map_array(struct __sk_buff *skb)
{
	__u8 *data = packet(skb, 14);
	struct value value;

	if (!data)
		return TC_ACT_SHOT;
	value.a = *(__u32 *)data;
	value.b = data[4];
	value.c = skb->len;

	/* Keys 0 to 15: half of them are out of range. */
	for (__u64 flags = 0; flags < 9; flags++) {
		exercise(&array, 0, (data[5] + flags) & 15, &value, flags);
		exercise(&percpu_array, 4, (data[11] + flags) & 15, &value, flags);
	}
	return TC_ACT_OK;
}
