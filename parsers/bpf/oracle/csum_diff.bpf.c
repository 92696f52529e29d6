// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * csum_diff over stack and packet memory, fed into csum_replace. Its value as
 * such is not recorded: kernels before and after 6.13 return different
 * representatives of the same one's complement sum. What it does to a checksum
 * is the same.
 */
#include "oracle.h"
#include <linux/if_ether.h>
#include <linux/ip.h>

char LICENSE[] SEC("license") = "MIT OR Apache-2.0";

enum { IP_OFF = ETH_HLEN, CHECK_OFF = IP_OFF + offsetof(struct iphdr, check) };

SEC("tc")
int csum_diff(struct __sk_buff *skb)
{
	__be32 to[2] = { bpf_htonl(0xc0000201), bpf_htonl(0xc6336401) }, from[2];
	__s64 diff;
	__u8 *data;

	data = packet(skb, IP_OFF + sizeof(struct iphdr));
	if (!data || ((struct ethhdr *)data)->h_proto != bpf_htons(ETH_P_IP))
		return TC_ACT_UNSPEC;

	/* Both addresses at once, the old ones straight from the packet. */
	__builtin_memcpy(from, data + IP_OFF + 12, sizeof(from));
	diff = bpf_csum_diff((__be32 *)(data + IP_OFF + 12), sizeof(from), to, sizeof(to), 0);
	record(0, bpf_l3_csum_replace(skb, CHECK_OFF, 0, diff, 0));
	record(1, bpf_skb_store_bytes(skb, IP_OFF + 12, to, sizeof(to), 0));

	/* Pushing and pulling, chained by the seed: back to the old ones. */
	diff = bpf_csum_diff(NULL, 0, from, sizeof(from), 0);
	diff = bpf_csum_diff(to, sizeof(to), NULL, 0, diff);
	record(2, bpf_l3_csum_replace(skb, CHECK_OFF, 0, diff, 0));
	record(3, bpf_skb_store_bytes(skb, IP_OFF + 12, from, sizeof(from), 0));

	/* A checksum of 20 bytes is a checksum_loop of its own: see there. */
	data = packet(skb, IP_OFF + sizeof(struct iphdr));
	if (!data)
		return TC_ACT_SHOT;
	return bpf_ntohs(((struct iphdr *)(data + IP_OFF))->check);
}
