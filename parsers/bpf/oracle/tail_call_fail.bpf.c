// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Tail calls that fail, and one that does not: out of range, into empty slots,
 * with an index wider than 32 bits, and beyond the limit of 33.
 */
#include "oracle.h"

char LICENSE[] SEC("license") = "MIT OR Apache-2.0";

/* The helper with all 64 bits of its third register. */
static void (*tail_call_wide)(void *ctx, void *map, __u64 index) = (void *)BPF_FUNC_tail_call;

enum { SLOT_EMPTY, SLOT_SELF, SLOT_LEAF, SLOTS };

int again(struct __sk_buff *skb);
int leaf(struct __sk_buff *skb);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, SLOTS);
	__uint(key_size, sizeof(__u32));
	__array(values, int (struct __sk_buff *));
} table SEC(".maps") = {
	.values = {
		[SLOT_SELF] = &again,
		[SLOT_LEAF] = &leaf,
	},
};

/* How often each program began, in all frames together. */
__u64 entries, agains, leaves;

SEC("tc")
int leaf(struct __sk_buff *skb)
{
	leaves++;
	record(0, skb->mark);
	return 42 + skb->cb[0];
}

/* Runs until the budget is used up; failing calls on the way cost nothing. */
SEC("tc")
int again(struct __sk_buff *skb)
{
	agains++;
	skb->cb[0]++;
	tail_call_wide(skb, &table, SLOT_EMPTY);
	tail_call_wide(skb, &table, SLOTS);
	tail_call_wide(skb, &table, 0x80000000ULL + SLOT_LEAF);
	tail_call_wide(skb, &table, ~0ULL);
	tail_call_wide(skb, &table, SLOT_SELF);
	record(1, skb->cb[0]);
	/* At the limit even the leaf is out of reach. */
	tail_call_wide(skb, &table, SLOT_LEAF);
	return skb->cb[0];
}

SEC("tc")
int tail_call_fail(struct __sk_buff *skb)
{
	__u64 index = skb->len;

	entries++;
	skb->cb[0] = 0;
	skb->mark = index & 7;

	/* Index by index of the packet's length: 0 to 7, and with bit 32 set. */
	if (index & 8)
		tail_call_wide(skb, &table, (index & 7) | (index & 16) << 28);
	else
		bpf_tail_call(skb, &table, index & 7);
	record(2, index);
	return 1000 + (index & 7);
}
