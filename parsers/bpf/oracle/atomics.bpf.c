// SPDX-License-Identifier: MIT OR Apache-2.0
/* Atomic operations on map values, 32 and 64 bits wide, with and without fetch. */
#include "oracle.h"

char LICENSE[] SEC("license") = "MIT OR Apache-2.0";

struct cell {
	__u64 wide;
	__u64 swapped;
	__u32 word;
	__u32 half_swapped;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, struct cell);
} cells SEC(".maps");

/* On the stack as well: nobody shares it, the meaning is the same. */
static __always_inline __u64 on_stack(__u64 value)
{
	volatile __u64 local = 7;

	record(20, __sync_fetch_and_add(&local, value));
	record(21, __sync_val_compare_and_swap(&local, value + 7, 1));
	return local;
}

SEC("tc")
int atomics(struct __sk_buff *skb)
{
	__u8 *data = packet(skb, 14);
	struct cell *cell;
	__u64 value;
	__u32 key;

	if (!data)
		return TC_ACT_SHOT;
	value = *(__u64 *)(data + 5);
	key = data[11] & 3;
	cell = bpf_map_lookup_elem(&cells, &key);
	if (!cell)
		return TC_ACT_SHOT;

	__sync_fetch_and_add(&cell->wide, value);
	__sync_fetch_and_add(&cell->word, value);
	record(0, __sync_fetch_and_add(&cell->wide, 3));
	record(1, __sync_fetch_and_or(&cell->wide, value & 0xff00ff00));
	record(2, __sync_fetch_and_and(&cell->wide, ~value | 0xff));
	record(3, __sync_fetch_and_xor(&cell->wide, value << 7));
	record(4, __sync_fetch_and_add(&cell->word, 5));
	record(5, __sync_fetch_and_or(&cell->word, value & 0xf0f0));
	record(6, __sync_fetch_and_and(&cell->word, ~value | 0xf));
	record(7, __sync_fetch_and_xor(&cell->word, value << 3));
	record(8, __sync_lock_test_and_set(&cell->swapped, value));
	record(9, __sync_lock_test_and_set(&cell->half_swapped, value));

	/* One that matches and one that does not, in both widths. */
	record(10, __sync_val_compare_and_swap(&cell->swapped, value, value + 1));
	record(11, __sync_val_compare_and_swap(&cell->swapped, value, value + 2));
	record(12, __sync_val_compare_and_swap(&cell->half_swapped, (__u32)value, (__u32)value + 1));
	record(13, __sync_val_compare_and_swap(&cell->half_swapped, (__u32)value, (__u32)value + 2));
	return on_stack(value);
}
