// SPDX-License-Identifier: MIT OR Apache-2.0
/* Stores into the packet by direct access: every width, aligned and not. */
#include "oracle.h"
#include <linux/if_ether.h>
#include <linux/ip.h>

char LICENSE[] SEC("license") = "MIT OR Apache-2.0";

/* RFC 1624: HC' = ~(~HC + ~m + m'). */
static __always_inline __u16 update_checksum(__u16 check, __u16 from, __u16 to)
{
	__u32 sum = (__u16)~check + (__u16)~from + to;

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

SEC("tc")
int packet_store(struct __sk_buff *skb)
{
	struct ethhdr *eth = (void *)packet(skb, sizeof(*eth) + sizeof(struct iphdr));
	__u8 mac[ETH_ALEN], *data;

	if (!eth)
		return TC_ACT_SHOT;

	__builtin_memcpy(mac, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, mac, ETH_ALEN);

	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = (void *)(eth + 1);
		__be16 *ttl_protocol = (__be16 *)&ip->ttl;
		__u16 before = *ttl_protocol;

		ip->ttl--;
		ip->check = update_checksum(ip->check, before, *ttl_protocol);
	}

	data = packet(skb, 60);
	if (!data)
		return TC_ACT_OK;
	*(volatile __u64 *)(data + 41) = 0x0123456789abcdefULL;
	*(volatile __u32 *)(data + 49) ^= 0xdeadbeef;
	*(volatile __u16 *)(data + 53) += data[0];
	*(volatile __u8 *)(data + 59) = data[58] - data[57];
	return data[59];
}
