// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * A source NAT by helpers: skb_store_bytes for address and port, l3 and
 * l4_csum_replace for the checksums over them, and every error they know.
 */
#include "oracle.h"
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/udp.h>

char LICENSE[] SEC("license") = "MIT OR Apache-2.0";

enum { IP_OFF = ETH_HLEN, L4_OFF = ETH_HLEN + sizeof(struct iphdr) };

static __always_inline void errors(struct __sk_buff *skb)
{
	__u8 byte = 0;

	record(10, bpf_skb_store_bytes(skb, 0, &byte, 1, 0x4));
	record(11, bpf_skb_store_bytes(skb, skb->len, &byte, 1, 0));
	record(12, bpf_skb_store_bytes(skb, 0x80000000, &byte, 1, 0));
	record(13, bpf_l3_csum_replace(skb, IP_OFF + 1, 1, 2, 2));
	record(14, bpf_l3_csum_replace(skb, 0x10000, 1, 2, 2));
	record(15, bpf_l3_csum_replace(skb, skb->len, 1, 2, 2));
	record(16, bpf_l3_csum_replace(skb, IP_OFF, 1, 2, 3));
	record(17, bpf_l3_csum_replace(skb, IP_OFF, 1, 2, 0));
	record(18, bpf_l3_csum_replace(skb, IP_OFF, 1, 2, 0x12));
	record(19, bpf_l4_csum_replace(skb, L4_OFF, 1, 2, 0x102));
	record(20, bpf_l4_csum_replace(skb, L4_OFF + 1, 1, 2, 2));
	record(21, bpf_l4_csum_replace(skb, skb->len, 1, 2, 4));
	record(22, bpf_l4_csum_replace(skb, L4_OFF, 1, 2, 1));
}

SEC("tc")
int nat_rewrite(struct __sk_buff *skb)
{
	__be32 from, to = bpf_htonl(0x0a640001);
	__be16 port_from, port_to = bpf_htons(61234);
	__u32 check_off, flags = 0;
	struct iphdr *ip;
	__u8 *data;
	long err;

	errors(skb);

	data = packet(skb, L4_OFF + 8);
	if (!data || ((struct ethhdr *)data)->h_proto != bpf_htons(ETH_P_IP))
		return TC_ACT_UNSPEC;
	ip = (struct iphdr *)(data + IP_OFF);
	if (ip->ihl != 5)
		return TC_ACT_UNSPEC;
	if (ip->protocol == IPPROTO_TCP) {
		check_off = L4_OFF + offsetof(struct tcphdr, check);
	} else if (ip->protocol == IPPROTO_UDP) {
		check_off = L4_OFF + offsetof(struct udphdr, check);
		flags = BPF_F_MARK_MANGLED_0;
	} else {
		return TC_ACT_UNSPEC;
	}
	from = ip->saddr;
	port_from = *(__be16 *)(data + L4_OFF);

	record(0, bpf_l4_csum_replace(skb, check_off, from, to,
				      BPF_F_PSEUDO_HDR | flags | sizeof(to)));
	record(1, bpf_l4_csum_replace(skb, check_off, port_from, port_to,
				      flags | sizeof(port_to)));
	record(2, bpf_l3_csum_replace(skb, IP_OFF + offsetof(struct iphdr, check),
				      from, to, sizeof(to)));
	record(3, bpf_skb_store_bytes(skb, IP_OFF + offsetof(struct iphdr, saddr),
				      &to, sizeof(to), 0));
	err = bpf_skb_store_bytes(skb, L4_OFF, &port_to, sizeof(port_to),
				  BPF_F_RECOMPUTE_CSUM | BPF_F_INVALIDATE_HASH);
	record(4, err);
	return err ? TC_ACT_SHOT : TC_ACT_OK;
}
