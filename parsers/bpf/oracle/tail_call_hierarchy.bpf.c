// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Tail calls from functions. One replaces the function's frame only: what the
 * target returns is what the function returns, and the caller goes on. All
 * frames share the one budget of 33.
 *
 * The results are volatile: clang otherwise sees that a function returns a
 * constant and uses that, which a tail call makes untrue.
 */
#include "oracle.h"

char LICENSE[] SEC("license") = "MIT OR Apache-2.0";

enum { SLOT_SELF, SLOT_LEAF, SLOT_EMPTY, SLOTS };

int tail_call_hierarchy(struct __sk_buff *skb);
int leaf(struct __sk_buff *skb);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, SLOTS);
	__uint(key_size, sizeof(__u32));
	__array(values, int (struct __sk_buff *));
} table SEC(".maps") = {
	.values = {
		[SLOT_SELF] = &tail_call_hierarchy,
		[SLOT_LEAF] = &leaf,
	},
};

__u64 entries, leaves;

SEC("tc")
int leaf(struct __sk_buff *skb)
{
	leaves++;
	return skb->len & 0xff;
}

static __noinline int to_leaf(struct __sk_buff *skb)
{
	volatile int own = 1000;

	bpf_tail_call(skb, &table, SLOT_LEAF);
	return own;
}

static __noinline int to_self(struct __sk_buff *skb)
{
	volatile int own = 2000;

	bpf_tail_call(skb, &table, SLOT_SELF);
	return own;
}

static __noinline int to_nowhere(struct __sk_buff *skb)
{
	volatile int own = 3000;

	bpf_tail_call(skb, &table, SLOT_EMPTY);
	return own;
}

/* Two frames between the program and the tail call. */
static __noinline int to_leaf_deep(struct __sk_buff *skb)
{
	volatile int own = to_leaf(skb);

	return own + 10000;
}

SEC("tc")
int tail_call_hierarchy(struct __sk_buff *skb)
{
	volatile int sum = 0;

	entries++;
	sum += to_leaf(skb);
	sum += to_nowhere(skb);
	sum += to_self(skb);
	sum += to_leaf_deep(skb);
	sum += to_self(skb);
	record(0, sum);
	return sum;
}
