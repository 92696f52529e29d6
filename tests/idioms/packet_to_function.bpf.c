// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Packet pointers as arguments of a static function that is not inlined, with
 * the comparison inside.
 *
 * The callee is verified at each call, with what its arguments are there. What
 * it proves about the caller's pointer the caller knows afterwards, if it still
 * has the pointer.
 */
#include "idiom.h"

static __noinline int protocol_of(struct ethhdr *eth, void *end)
{
	if ((void *)(eth + 1) > end)
		return -1;
	return bpf_ntohs(eth->h_proto);
}

static __noinline int ttl_of(void *ip, void *end, int protocol)
{
	if (protocol == ETH_P_IP && ip + sizeof(struct iphdr) <= end)
		return ((struct iphdr *)ip)->ttl;
	if (protocol == ETH_P_IPV6 && ip + sizeof(struct ipv6hdr) <= end)
		return ((struct ipv6hdr *)ip)->hop_limit;
	return -1;
}

SEC("tc")
int packet_to_function(struct __sk_buff *skb)
{
	void *data = start_of(skb), *end = end_of(skb);
	int protocol = protocol_of(data, end);

	return protocol << 8 ^ ttl_of(data + sizeof(struct ethhdr), end, protocol);
}
