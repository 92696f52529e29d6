// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * A cursor that moves over stacked VLAN tags, in a loop that is unrolled and
 * in one that is not.
 *
 * Unrolled, each round is code of its own and the cursor has a constant offset
 * in it. Rolled, the same instructions see the cursor at several offsets: the
 * verifier goes round as often as the program would, and has to tell a round
 * that made progress from one that did not.
 */
#include "idiom.h"

struct vlan_tag {
	__be16 tci;
	__be16 proto;
};

enum { TAGS_MAX = 4 };

static __always_inline bool is_tag(__be16 proto)
{
	return proto == bpf_htons(ETH_P_8021Q) || proto == bpf_htons(ETH_P_8021AD);
}

/* Takes a tag, if there is one; gives the protocol that follows. */
static __always_inline __be16 take_tag(void **cursor, void *end, __be16 proto)
{
	struct vlan_tag *tag = *cursor;

	if (!is_tag(proto) || (void *)(tag + 1) > end)
		return proto;
	*cursor = tag + 1;
	return tag->proto;
}

static __always_inline int result(struct __sk_buff *skb, void *cursor, __be16 proto)
{
	return bpf_ntohs(proto) << 8 | (cursor - start_of(skb));
}

SEC("tc")
int vlan_unrolled(struct __sk_buff *skb)
{
	struct ethhdr *eth = start_of(skb);
	void *cursor = eth + 1, *end = end_of(skb);
	__be16 proto;

	if (cursor > end)
		return TC_ACT_SHOT;
	proto = eth->h_proto;
#pragma clang loop unroll(full)
	for (int i = 0; i < TAGS_MAX; i++)
		proto = take_tag(&cursor, end, proto);
	return result(skb, cursor, proto);
}

SEC("tc")
int vlan_rolled(struct __sk_buff *skb)
{
	struct ethhdr *eth = start_of(skb);
	void *cursor = eth + 1, *end = end_of(skb);
	__be16 proto;

	if (cursor > end)
		return TC_ACT_SHOT;
	proto = eth->h_proto;
#pragma clang loop unroll(disable)
	for (int i = 0; i < TAGS_MAX; i++)
		proto = take_tag(&cursor, end, proto);
	return result(skb, cursor, proto);
}
