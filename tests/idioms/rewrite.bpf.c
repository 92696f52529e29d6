// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * A rewrite by helpers: the checksum first, then the field; and then every
 * packet pointer anew.
 *
 * A helper that changes the packet may move it, so pointers from before are
 * numbers afterwards, in registers and on the stack alike. clang knows as much:
 * the context is memory, a call may have changed it, and it reads `data` anew.
 */
#include "idiom.h"

enum {
	IP_AT = sizeof(struct ethhdr),
	CHECK_AT = IP_AT + offsetof(struct iphdr, check),
	TTL_AT = IP_AT + offsetof(struct iphdr, ttl),
	DADDR_AT = IP_AT + offsetof(struct iphdr, daddr),
};

/* The IPv4 header, of the packet as it is now. */
static __always_inline struct iphdr *ipv4(struct __sk_buff *skb)
{
	struct iphdr *ip = start_of(skb) + IP_AT;

	return (void *)(ip + 1) <= end_of(skb) ? ip : NULL;
}

SEC("tc")
int rewrite(struct __sk_buff *skb)
{
	const __be32 to = bpf_htonl(0xc0000201);
	struct iphdr *ip = ipv4(skb);
	__be32 from;

	if (!ip || skb->protocol != bpf_htons(ETH_P_IP))
		return TC_ACT_UNSPEC;
	from = ip->daddr;
	if (bpf_l3_csum_replace(skb, CHECK_AT, from, to, sizeof(to)))
		return TC_ACT_SHOT;
	if (bpf_skb_store_bytes(skb, DADDR_AT, &to, sizeof(to), BPF_F_RECOMPUTE_CSUM))
		return TC_ACT_SHOT;

	ip = ipv4(skb);
	if (!ip || ip->daddr != to)
		return TC_ACT_SHOT;
	/* Written directly this time. */
	if (ip->ttl > 1) {
		ip->ttl--;
		ip->check = bpf_htons(bpf_ntohs(ip->check) + 0x100);
	}
	return ip->check;
}
