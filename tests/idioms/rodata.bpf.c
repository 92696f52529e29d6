// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Constants that whoever loads the program may set: `const volatile` lives in
 * a map that is frozen before the program is verified.
 *
 * So the verifier reads the values themselves, and a branch they decide is
 * followed on one side only. `dump_everything` has a branch no verifier would
 * accept; as the switch is off it is dead code and removed.
 */
#include "idiom.h"

const volatile bool dump = false;
const volatile __u32 min_len = 60;
/* Too many for a mask; only a verifier that knows the value can bound the index. */
const volatile __u32 slot = 5;
static const __u16 weights[8] = { 1, 2, 3, 5, 8, 13, 21, 34 };

static __always_inline int dump_everything(struct __sk_buff *skb)
{
	/* Unchecked, on purpose. */
	return *(int *)start_of(skb);
}

SEC("tc")
int rodata(struct __sk_buff *skb)
{
	const volatile __u16 *weight = weights;

	if (dump)
		return dump_everything(skb);
	if (skb->len < min_len)
		return TC_ACT_SHOT;
	return weight[slot] * skb->len + weight[skb->len & 7];
}
