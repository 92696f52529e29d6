// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * The minimal parser chain: packet_parser finds the transport header and
 * tail-calls by protocol, parse_tcp and parse_udp look at ports and count.
 * one_program is the same logic without the tail call, empty is the price of
 * a run. The native code of src/native.rs does the same.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define PORT_REFUSED 22

int parse_tcp(struct __sk_buff *skb);
int parse_udp(struct __sk_buff *skb);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 256);
	__uint(key_size, sizeof(__u32));
	__array(values, int (void *));
} ipproto_jmp_table SEC(".maps") = {
	.values = {
		[IPPROTO_TCP] = (void *)&parse_tcp,
		[IPPROTO_UDP] = (void *)&parse_udp,
	},
};

enum counter { TCP, UDP, COUNTERS };

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

static __always_inline void bump(__u32 counter)
{
	__u64 *value = bpf_map_lookup_elem(&counters, &counter);

	if (value)
		*value += 1;
}

static __always_inline void *data(struct __sk_buff *skb)
{
	return (void *)(long)skb->data;
}

static __always_inline void *data_end(struct __sk_buff *skb)
{
	return (void *)(long)skb->data_end;
}

/* The protocol, and where its header starts; 0: neither IPv4 nor IPv6, or cut short. */
static __always_inline __u32 network(struct __sk_buff *skb, __u32 *offset)
{
	struct ethhdr *eth = data(skb);

	if ((void *)(eth + 1) > data_end(skb))
		return 0;
	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = (void *)(eth + 1);

		if ((void *)(ip + 1) > data_end(skb) || ip->ihl < 5)
			return 0;
		*offset = sizeof(*eth) + ip->ihl * 4;
		return ip->protocol;
	}
	if (eth->h_proto == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip6 = (void *)(eth + 1);

		if ((void *)(ip6 + 1) > data_end(skb))
			return 0;
		*offset = sizeof(*eth) + sizeof(*ip6);
		return ip6->nexthdr;
	}
	return 0;
}

static __always_inline int tcp(struct __sk_buff *skb, __u32 offset)
{
	struct tcphdr *tcp = data(skb) + offset;

	if ((void *)(tcp + 1) > data_end(skb))
		return TC_ACT_OK;
	bump(TCP);
	return tcp->dest == bpf_htons(PORT_REFUSED) ? TC_ACT_SHOT : TC_ACT_OK;
}

static __always_inline int udp(struct __sk_buff *skb, __u32 offset)
{
	struct udphdr *udp = data(skb) + offset;

	if ((void *)(udp + 1) > data_end(skb))
		return TC_ACT_OK;
	bump(UDP);
	return TC_ACT_OK;
}

/* IPv4 with options ends at 74, IPv6 at 54. */
#define OFFSET_MAX 127

SEC("tc")
int parse_tcp(struct __sk_buff *skb)
{
	return tcp(skb, skb->cb[0] & OFFSET_MAX);
}

SEC("tc")
int parse_udp(struct __sk_buff *skb)
{
	return udp(skb, skb->cb[0] & OFFSET_MAX);
}

SEC("tc")
int packet_parser(struct __sk_buff *skb)
{
	__u32 offset = 0;
	__u32 protocol = network(skb, &offset);

	skb->cb[0] = offset;
	bpf_tail_call(skb, &ipproto_jmp_table, protocol);
	return TC_ACT_OK;
}

SEC("tc")
int one_program(struct __sk_buff *skb)
{
	__u32 offset = 0;

	switch (network(skb, &offset)) {
	case IPPROTO_TCP:
		return tcp(skb, offset & OFFSET_MAX);
	case IPPROTO_UDP:
		return udp(skb, offset & OFFSET_MAX);
	default:
		return TC_ACT_OK;
	}
}

SEC("tc")
int empty(struct __sk_buff *skb __attribute__((unused)))
{
	return TC_ACT_OK;
}

char _license[] SEC("license") = "Dual MIT/GPL";
