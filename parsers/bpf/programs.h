/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The programs: the two ways into the parser, and one program for each
 * protocol behind a jump table. Each is a function that parses and gives a
 * reason, and a SEC("tc") program that ends the run with it.
 */
#ifndef PROGRAMS_H
#define PROGRAMS_H

#include <linux/tcp.h>
#include <linux/udp.h>

char LICENSE[] SEC("license") = "MIT OR Apache-2.0";

/* A frame from the wire. Its outer VLAN tag may already be in the metadata. */
SEC("tc")
int packet_parser(struct __sk_buff *skb)
{
	__u32 tags = 0;

	start(skb);
	if (skb->vlan_present) {
		count(skb, PROTO_VLAN);
		tags = 1;
	}
	return finish(skb, packet(skb, LAYER_ETHERNET, tags));
}

/* The packet inside a tunnel, beginning where and with what the state says. */
SEC("tc")
int parse_inner(struct __sk_buff *skb)
{
	forget(skb);
	STATE(skb)->depth++;
	return finish(skb, packet(skb, STATE(skb)->layer, 0));
}

static __always_inline void miss(void)
{
	__u32 zero = 0;
	__u64 *misses = bpf_map_lookup_elem(&flow_misses, &zero);

	if (misses)
		++*misses;
}

static __always_inline struct flow *flow_of(struct __sk_buff *skb, struct flow_key *key)
{
	struct flow *flow = bpf_map_lookup_elem(&flows, key);

	if (!flow) {
		struct flow first = { .first_seen = skb->tstamp };

		/* Another CPU may insert it first; NOEXIST keeps its counts. */
		bpf_map_update_elem(&flows, key, &first, BPF_NOEXIST);
		flow = bpf_map_lookup_elem(&flows, key);
	}
	return flow;
}

/* One packet more of the flow that the state's addresses and ports name. */
static __always_inline void count_flow(struct __sk_buff *skb)
{
	struct parse_state *state = STATE(skb);
	struct flow_key key = {
		.sport = state->sport,
		.dport = state->dport,
		.ip_proto = state->ip_proto,
		.ip_version = state->ip_version,
	};
	struct flow *flow;
	struct header ip;

	if (state->ip_version == 4) {
		if (!header(skb, state->l3_off, sizeof(struct iphdr), &ip))
			return;
		get_words(&ip, offsetof(struct iphdr, saddr), key.saddr, 1);
		get_words(&ip, offsetof(struct iphdr, daddr), key.daddr, 1);
	} else {
		if (!header(skb, state->l3_off, sizeof(struct ipv6hdr), &ip))
			return;
		get_words(&ip, offsetof(struct ipv6hdr, saddr), key.saddr, 4);
		get_words(&ip, offsetof(struct ipv6hdr, daddr), key.daddr, 4);
	}

	flow = flow_of(skb, &key);
	if (!flow) {
		miss();
		return;
	}
	__sync_fetch_and_add(&flow->packets, 1);
	__sync_fetch_and_add(&flow->bytes, skb->len);
	flow->last_seen = skb->tstamp;
}

/* RFC 9293 section 3.2, RFC 7323, RFC 2018: the options of fixed lengths. */
static __always_inline bool tcp_option_fits(const struct option *o)
{
	switch (o->kind) {
	case 2: /* maximum segment size */
		return o->len == 4;
	case 3: /* window scale */
		return o->len == 3;
	case 4: /* SACK permitted */
		return o->len == 2;
	case 5: /* SACK: one to four blocks */
		return o->len == 10 || o->len == 18 || o->len == 26 || o->len == 34;
	case 8: /* timestamps */
		return o->len == 10;
	}
	return true;
}

static __always_inline bool tcp_options(struct __sk_buff *skb, __u32 off, __u32 end)
{
	struct option o;

	for (int i = 0; i < OPTION_BYTES_MAX && off < end; i++) {
		if (!option(skb, off, end, &o) || !tcp_option_fits(&o))
			return false;
		if (o.kind == OPTION_END)
			break;
		off = o.next;
	}
	return true;
}

static __always_inline __u32 tcp(struct __sk_buff *skb)
{
	struct parse_state *state = STATE(skb);
	__u32 off = state->offset, len;
	struct header h;

	if (!header(skb, off, sizeof(struct tcphdr), &h))
		return REASON_TRUNC_TCP;
	state->sport = FIELD16(&h, struct tcphdr, source);
	state->dport = FIELD16(&h, struct tcphdr, dest);
	len = (get8(&h, 12) >> 4) * 4;
	if (len < sizeof(struct tcphdr))
		return REASON_BAD_TCP_DOFF;
	if (off + len > state->end)
		return REASON_TRUNC_TCP;
	if (!tcp_options(skb, off + sizeof(struct tcphdr), off + len))
		return REASON_BAD_TCP_OPTIONS;

	state->l4_off = off;
	state->offset = off + len;
	count(skb, PROTO_TCP);
	count_flow(skb);
	return REASON_PARSED;
}

SEC("tc")
int parse_tcp(struct __sk_buff *skb)
{
	return finish(skb, tcp(skb));
}

/* System ports (RFC 6335): what comes from one is the answer of its service. */
enum { SYSTEM_PORT_MAX = 1023 };

static __always_inline __u32 udp(struct __sk_buff *skb)
{
	struct parse_state *state = STATE(skb);
	__u32 off = state->offset, len;
	struct header h;

	if (!header(skb, off, sizeof(struct udphdr), &h))
		return REASON_TRUNC_UDP;
	state->sport = FIELD16(&h, struct udphdr, source);
	state->dport = FIELD16(&h, struct udphdr, dest);
	len = FIELD16(&h, struct udphdr, len);
	/* 0 is a jumbogram (RFC 2675), or offload. */
	if (len && len < sizeof(struct udphdr))
		return REASON_BAD_UDP_LENGTH;
	if (len)
		shorten(skb, off + len);

	state->l4_off = off;
	state->offset = off + sizeof(struct udphdr);
	count(skb, PROTO_UDP);
	count_flow(skb);

	jump(skb, &port_jmp_table, state->dport);
	if (state->sport <= SYSTEM_PORT_MAX)
		jump(skb, &port_jmp_table, state->sport);
	return out_of_hops(skb) ? REASON_TAIL_CALL_LIMIT : REASON_PARSED;
}

SEC("tc")
int parse_udp(struct __sk_buff *skb)
{
	return finish(skb, udp(skb));
}

/* A header of fixed size with nothing behind it that would be walked. */
static __always_inline void leaf(struct __sk_buff *skb, __u32 len, __u32 proto)
{
	struct parse_state *state = STATE(skb);

	state->l4_off = state->offset;
	state->offset += len;
	count(skb, proto);
	count_flow(skb);
}

/* RFC 792: eight bytes, whatever the type. */
enum { ICMP_HEADER = 8 };

SEC("tc")
int parse_icmp(struct __sk_buff *skb)
{
	struct header h;

	if (!header(skb, STATE(skb)->offset, ICMP_HEADER, &h))
		return finish(skb, REASON_TRUNC_ICMP);
	leaf(skb, ICMP_HEADER, PROTO_ICMP);
	return finish(skb, REASON_PARSED);
}

/* RFC 4443 section 2.1: type, code and checksum are all that is common. */
enum { ICMPV6_HEADER = 4 };

SEC("tc")
int parse_icmpv6(struct __sk_buff *skb)
{
	struct header h;

	if (!header(skb, STATE(skb)->offset, ICMPV6_HEADER, &h))
		return finish(skb, REASON_TRUNC_ICMPV6);
	leaf(skb, ICMPV6_HEADER, PROTO_ICMPV6);
	return finish(skb, REASON_PARSED);
}

/* RFC 9260 section 3: the common header, and a chunk at least. */
struct sctp_packet {
	__be16 source;
	__be16 dest;
	__be32 vtag;
	__be32 checksum;
	__u8 chunk_type;
	__u8 chunk_flags;
	__be16 chunk_length;
};

enum { SCTP_HEADER = 12, SCTP_CHUNK_HEADER = 4 };

static __always_inline __u32 sctp(struct __sk_buff *skb)
{
	struct parse_state *state = STATE(skb);
	struct header h;

	if (!header(skb, state->offset, sizeof(struct sctp_packet), &h))
		return REASON_TRUNC_SCTP;
	state->sport = FIELD16(&h, struct sctp_packet, source);
	state->dport = FIELD16(&h, struct sctp_packet, dest);
	if (FIELD16(&h, struct sctp_packet, chunk_length) < SCTP_CHUNK_HEADER)
		return REASON_BAD_SCTP_CHUNK;
	leaf(skb, SCTP_HEADER, PROTO_SCTP);
	return REASON_PARSED;
}

SEC("tc")
int parse_sctp(struct __sk_buff *skb)
{
	return finish(skb, sctp(skb));
}

/*
 * RFC 2784 and 2890:
 *
 *     0                   1                   2                   3
 *     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *    |C|R|K|S|        reserved       | ver |      protocol type      |
 *    |     checksum, if C            |    reserved, if C             |
 *    |     key, if K                                                 |
 *    |     sequence number, if S                                     |
 */
enum {
	GRE_CHECKSUM = 0x8000,
	GRE_ROUTING = 0x4000,
	GRE_KEY = 0x2000,
	GRE_SEQUENCE = 0x1000,
	GRE_VERSION = 0x0007,
	GRE_PPTP = 1,               /* RFC 2637: carries PPP, which is not entered */
};

static __always_inline __u32 gre(struct __sk_buff *skb)
{
	struct parse_state *state = STATE(skb);
	__u32 off = state->offset, len = 4, flags, type;
	struct header h;

	if (!header(skb, off, len, &h))
		return REASON_TRUNC_GRE;
	flags = get16(&h, 0);
	type = get16(&h, 2);
	if ((flags & GRE_VERSION) > GRE_PPTP)
		return REASON_BAD_GRE_VERSION;
	if ((flags & GRE_VERSION) == GRE_PPTP)
		return REASON_UNKNOWN_GRE;
	if (flags & GRE_ROUTING)
		return REASON_BAD_GRE_ROUTING;

	if (flags & GRE_CHECKSUM)
		len += 4;
	if (flags & GRE_KEY)
		len += 4;
	if (flags & GRE_SEQUENCE)
		len += 4;
	if (off + len > state->end)
		return REASON_TRUNC_GRE;

	state->l4_off = off;
	state->offset = off + len;
	count(skb, PROTO_GRE);

	switch (type) {
	case ETH_P_TEB:
		return enter(skb, LAYER_ETHERNET);
	case ETH_P_IP:
		return enter(skb, LAYER_IPV4);
	case ETH_P_IPV6:
		return enter(skb, LAYER_IPV6);
	case ETH_P_MPLS_UC:
	case ETH_P_MPLS_MC:
		return enter(skb, LAYER_MPLS);
	}
	return REASON_UNKNOWN_GRE;
}

SEC("tc")
int parse_gre(struct __sk_buff *skb)
{
	return finish(skb, gre(skb));
}

/* RFC 2003: no header in between. */
SEC("tc")
int parse_ipip(struct __sk_buff *skb)
{
	count(skb, PROTO_IPIP);
	return finish(skb, enter(skb, LAYER_IPV4));
}

/* RFC 4213 (6in4) and RFC 2473 (6in6). */
SEC("tc")
int parse_ip6(struct __sk_buff *skb)
{
	count(skb, PROTO_IP6);
	return finish(skb, enter(skb, LAYER_IPV6));
}

/* RFC 7348 section 5. */
enum { VXLAN_HEADER = 8, VXLAN_VNI_VALID = 0x08 };

static __always_inline __u32 vxlan(struct __sk_buff *skb)
{
	struct parse_state *state = STATE(skb);
	struct header h;

	if (!header(skb, state->offset, VXLAN_HEADER, &h))
		return REASON_TRUNC_VXLAN;
	if (!(get8(&h, 0) & VXLAN_VNI_VALID))
		return REASON_BAD_VXLAN_FLAGS;
	state->offset += VXLAN_HEADER;
	count(skb, PROTO_VXLAN);
	return enter(skb, LAYER_ETHERNET);
}

SEC("tc")
int parse_vxlan(struct __sk_buff *skb)
{
	return finish(skb, vxlan(skb));
}

/* RFC 1035 section 4.1: the header, and the first question's name walked. */
enum {
	DNS_HEADER = 12,
	DNS_QDCOUNT = 4,
	DNS_QUESTION_TAIL = 4,      /* QTYPE, QCLASS */
	DNS_NAME_MAX = 255,
	DNS_LABEL_MAX = 63,         /* larger: a pointer, or reserved */
};

static __always_inline __u32 dns(struct __sk_buff *skb)
{
	struct parse_state *state = STATE(skb);
	__u32 off = state->offset, name = off + DNS_HEADER, label = 1;
	struct header h;

	if (!header(skb, off, DNS_HEADER, &h))
		return REASON_TRUNC_DNS;
	off = name;
	if (get16(&h, DNS_QDCOUNT)) {
		for (int i = 0; i < DNS_LABELS_MAX && label; i++) {
			if (!header(skb, off, 1, &h))
				return REASON_TRUNC_DNS;
			label = get8(&h, 0);
			/* A pointer can only point back, and there is no name yet. */
			if (label > DNS_LABEL_MAX)
				return REASON_BAD_DNS_NAME;
			off += 1 + label;
			if (off - name > DNS_NAME_MAX)
				return REASON_BAD_DNS_NAME;
		}
		off += DNS_QUESTION_TAIL;
		if (off > state->end)
			return REASON_TRUNC_DNS;
	}

	state->offset = off;
	count(skb, PROTO_DNS);
	return REASON_PARSED;
}

SEC("tc")
int parse_dns(struct __sk_buff *skb)
{
	return finish(skb, dns(skb));
}

#endif /* PROGRAMS_H */
