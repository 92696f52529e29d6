// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * A switch over protocols, its cases sharing what comes after.
 *
 * There is no jump to a register, so clang makes a tree of comparisons of it,
 * signed ones to halve the range and equalities at the leaves. The tree is there
 * twice, once for each IP version; their leaves jump into each other's, and all
 * paths meet with the slot a constant of its own on each.
 */
#include "idiom.h"

__u64 counts[8];

static __always_inline int slot_of(__u8 protocol)
{
	switch (protocol) {
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return 1;
	case IPPROTO_TCP:
		return 2;
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
		return 3;
	case IPPROTO_GRE:
	case IPPROTO_IPIP:
	case IPPROTO_IPV6:
		return 4;
	case IPPROTO_SCTP:
		return 5;
	default:
		return 0;
	}
}

SEC("tc")
int protocol_switch(struct __sk_buff *skb)
{
	void *data = start_of(skb), *end = end_of(skb), *l3 = data + sizeof(struct ethhdr);
	int slot;

	if (l3 > end)
		return TC_ACT_SHOT;
	switch (((struct ethhdr *)data)->h_proto) {
	case bpf_htons(ETH_P_IP):
		if (l3 + sizeof(struct iphdr) > end)
			return TC_ACT_SHOT;
		slot = slot_of(((struct iphdr *)l3)->protocol);
		break;
	case bpf_htons(ETH_P_IPV6):
		if (l3 + sizeof(struct ipv6hdr) > end)
			return TC_ACT_SHOT;
		slot = slot_of(((struct ipv6hdr *)l3)->nexthdr);
		break;
	case bpf_htons(ETH_P_ARP):
		slot = 6;
		break;
	default:
		slot = 7;
	}
	counts[slot]++;
	return slot;
}
