// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * The walk over IPv6 extension headers: how long one is says the packet.
 *
 * The offset is a variable the verifier knows by its bounds only, and after
 * six headers these are 6 * 2048 + 40. They have to stay below 65536, or
 * comparisons with the end of the packet prove nothing any more; the loop's
 * bound sees to that, and nothing else does.
 */
#include "idiom.h"

enum { EXTENSIONS_MAX = 6 };

struct extension {
	__u8 next;
	/* In units of 8 bytes, the first 8 not counted (RFC 8200 section 4.3). */
	__u8 len;
	__u8 data[6];
};

static __always_inline bool is_extension(__u8 next)
{
	return next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_DSTOPTS;
}

SEC("tc")
int ipv6_extensions(struct __sk_buff *skb)
{
	void *data = start_of(skb), *end = end_of(skb);
	struct ethhdr *eth = data;
	struct ipv6hdr *ip = data + sizeof(*eth);
	__u32 off = sizeof(*eth) + sizeof(*ip);
	__u8 next;

	if ((void *)(ip + 1) > end || eth->h_proto != bpf_htons(ETH_P_IPV6))
		return TC_ACT_UNSPEC;
	next = ip->nexthdr;
	for (int i = 0; i < EXTENSIONS_MAX && is_extension(next); i++) {
		struct extension *extension = data + off;

		if ((void *)(extension + 1) > end)
			return TC_ACT_SHOT;
		next = extension->next;
		off += (extension->len + 1) * 8;
	}
	return next << 16 | off;
}
