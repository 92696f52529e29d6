// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * The first program everybody writes: Ethernet, IPv4, TCP, each header behind
 * a comparison with the end of the packet.
 *
 * `ihl * 4` is a variable added to a packet pointer. clang masks the first byte,
 * tests it and shifts it, so the verifier knows it for 20 to 60; the pointer it
 * was added to needs a comparison of its own before it is read.
 */
#include "idiom.h"

SEC("tc")
int ipv4_tcp(struct __sk_buff *skb)
{
	void *data = start_of(skb), *end = end_of(skb);
	struct ethhdr *eth = data;
	struct iphdr *ip = data + sizeof(*eth);
	struct tcphdr *tcp;

	if ((void *)(ip + 1) > end)
		return TC_ACT_UNSPEC;
	if (eth->h_proto != bpf_htons(ETH_P_IP) || ip->protocol != IPPROTO_TCP)
		return TC_ACT_UNSPEC;
	if (ip->ihl < 5)
		return TC_ACT_SHOT;

	tcp = (void *)ip + ip->ihl * 4;
	if ((void *)(tcp + 1) > end)
		return TC_ACT_SHOT;
	return bpf_ntohs(tcp->source) << 16 | bpf_ntohs(tcp->dest);
}
