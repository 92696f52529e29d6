/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * From the first byte of a packet to its L4 header: Ethernet, VLAN tags, MPLS
 * labels, ARP, IPv4, IPv6 and its extension headers.
 *
 * Each function parses one header kind at state->offset, moves the offset
 * behind it, and returns REASON_PARSED to go on. Included after one of the
 * access_*.h headers, which say how a header is read.
 */
#ifndef LAYERS_H
#define LAYERS_H

#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#define FIELD8(h, type, member) get8(h, offsetof(type, member))
#define FIELD16(h, type, member) get16(h, offsetof(type, member))
#define FIELD32(h, type, member) get32(h, offsetof(type, member))

/* linux/if_arp.h drags libc in. */
struct arp_header {
	__be16 hrd;
	__be16 pro;
	__u8 hln;
	__u8 pln;
	__be16 op;
};

enum { ARP_HRD_ETHER = 1 };

struct vlan_tag {
	__be16 tci;
	__be16 encapsulated_proto;
};

/* Type, length, value: the form of the options of IPv4 and TCP alike. */
enum { OPTION_END = 0, OPTION_NOP = 1 };

struct option {
	__u32 kind;
	__u32 len;
	__u32 next;
};

/* The option at `off` in a list up to `end`; false if it does not fit. */
static __always_inline bool option(struct __sk_buff *skb, __u32 off, __u32 end,
				   struct option *o)
{
	struct header h;

	if (!header(skb, off, 1, &h))
		return false;
	o->kind = get8(&h, 0);
	o->len = 1;
	o->next = (off + 1) & PARSE_MAX;
	if (o->kind == OPTION_END || o->kind == OPTION_NOP)
		return true;

	if (off + 2 > end || !header(skb, off, 2, &h))
		return false;
	o->len = get8(&h, 1);
	/* The mask changes nothing below `end`; with it every turn of a walk
	 * looks the same to the verifier, whatever the path so far. */
	o->next = (off + o->len) & PARSE_MAX;
	return o->len >= 2 && off + o->len <= end;
}

/* Ethernet II and its tags, up to the EtherType of the payload. */
static __always_inline __u32 ethernet(struct __sk_buff *skb, __u32 tags, __u16 *ethertype)
{
	struct parse_state *state = STATE(skb);
	__u32 off = state->offset;
	struct header h;
	__u16 type;

	if (!header(skb, off, sizeof(struct ethhdr), &h))
		return REASON_TRUNC_ETHERNET;
	type = FIELD16(&h, struct ethhdr, h_proto);
	state->l2_off = off;
	state->offset = off += sizeof(struct ethhdr);
	count(skb, PROTO_ETHERNET);

	for (; type == ETH_P_8021Q || type == ETH_P_8021AD; tags++) {
		if (tags >= VLAN_TAGS_MAX)
			return REASON_TOO_MANY_VLAN;
		if (!header(skb, off, sizeof(struct vlan_tag), &h))
			return REASON_TRUNC_VLAN;
		type = FIELD16(&h, struct vlan_tag, encapsulated_proto);
		state->offset = off += sizeof(struct vlan_tag);
		count(skb, PROTO_VLAN);
	}

	*ethertype = type;
	return REASON_PARSED;
}

static __always_inline __u32 layer_of(__u16 ethertype, __u8 *layer)
{
	switch (ethertype) {
	case ETH_P_IP:
		*layer = LAYER_IPV4;
		return REASON_PARSED;
	case ETH_P_IPV6:
		*layer = LAYER_IPV6;
		return REASON_PARSED;
	case ETH_P_MPLS_UC:
	case ETH_P_MPLS_MC:
		*layer = LAYER_MPLS;
		return REASON_PARSED;
	case ETH_P_ARP:
		*layer = LAYER_ARP;
		return REASON_PARSED;
	}
	return ethertype < ETH_P_802_3_MIN ? REASON_UNKNOWN_LLC : REASON_UNKNOWN_ETHERTYPE;
}

/*
 * RFC 3032: labels up to the bottom of the stack. Nothing there names the
 * payload; its first nibble does, as every router guesses (RFC 4928).
 */
static __always_inline __u32 mpls(struct __sk_buff *skb, __u8 *layer)
{
	struct parse_state *state = STATE(skb);
	__u32 off = state->offset;
	bool bottom = false;
	struct header h;

	for (int i = 0; i < MPLS_LABELS_MAX && !bottom; i++) {
		if (!header(skb, off, 4, &h))
			return REASON_TRUNC_MPLS;
		bottom = get8(&h, 2) & 1;
		state->offset = off += 4;
		count(skb, PROTO_MPLS);
	}
	if (!bottom)
		return REASON_TOO_MANY_MPLS;

	if (!header(skb, off, 1, &h))
		return REASON_TRUNC_MPLS;
	switch (get8(&h, 0) >> 4) {
	case 4:
		*layer = LAYER_IPV4;
		return REASON_PARSED;
	case 6:
		*layer = LAYER_IPV6;
		return REASON_PARSED;
	}
	return REASON_UNKNOWN_MPLS;
}

/* RFC 826: the address lengths are in the packet, and must fit the types. */
static __always_inline __u32 arp(struct __sk_buff *skb)
{
	struct parse_state *state = STATE(skb);
	__u32 off = state->offset, hln, pln;
	struct header h;

	if (!header(skb, off, sizeof(struct arp_header), &h))
		return REASON_TRUNC_ARP;
	hln = FIELD8(&h, struct arp_header, hln);
	pln = FIELD8(&h, struct arp_header, pln);
	if (FIELD16(&h, struct arp_header, hrd) == ARP_HRD_ETHER && hln != ETH_ALEN)
		return REASON_BAD_ARP;
	if (FIELD16(&h, struct arp_header, pro) == ETH_P_IP && pln != 4)
		return REASON_BAD_ARP;
	if (off + sizeof(struct arp_header) + 2 * (hln + pln) > state->end)
		return REASON_TRUNC_ARP;

	state->l3_off = off;
	state->offset = off + sizeof(struct arp_header) + 2 * (hln + pln);
	count(skb, PROTO_ARP);
	return REASON_PARSED;
}

/* RFC 791: single bytes END and NOP, everything else with its length. */
static __always_inline bool ipv4_options(struct __sk_buff *skb, __u32 off, __u32 end)
{
	struct option o;

	for (int i = 0; i < OPTION_BYTES_MAX && off < end; i++) {
		if (!option(skb, off, end, &o))
			return false;
		if (o.kind == OPTION_END)
			break;
		off = o.next;
	}
	return true;
}

/* The default path is what remains when the table has no program. */
static __always_inline __u32 l4(struct __sk_buff *skb)
{
	jump(skb, &ipproto_jmp_table, STATE(skb)->ip_proto);
	return out_of_hops(skb) ? REASON_TAIL_CALL_LIMIT : REASON_UNKNOWN_IPPROTO;
}

enum { IPV4_MORE_FRAGMENTS = 0x2000, IPV4_FRAGMENT_OFFSET = 0x1fff };

static __always_inline __u32 ipv4(struct __sk_buff *skb)
{
	struct parse_state *state = STATE(skb);
	__u32 off = state->offset, version_ihl, len, total, fragment, proto;
	struct header ip;

	if (!header(skb, off, sizeof(struct iphdr), &ip))
		return REASON_TRUNC_IPV4;
	version_ihl = get8(&ip, 0);
	total = FIELD16(&ip, struct iphdr, tot_len);
	fragment = FIELD16(&ip, struct iphdr, frag_off);
	proto = FIELD8(&ip, struct iphdr, protocol);

	if (version_ihl >> 4 != 4)
		return REASON_BAD_IPV4_VERSION;
	len = (version_ihl & 0xf) * 4;
	if (len < sizeof(struct iphdr))
		return REASON_BAD_IPV4_IHL;
	/* 0 is what segmentation offload leaves for more than 64 KiB. */
	if (total && total < len)
		return REASON_BAD_IPV4_LENGTH;
	if (total)
		shorten(skb, off + total);
	if (off + len > state->end)
		return REASON_TRUNC_IPV4;
	if (!ipv4_options(skb, off + sizeof(struct iphdr), off + len))
		return REASON_BAD_IPV4_OPTIONS;

	state->l3_off = off;
	state->ip_version = 4;
	state->ip_proto = proto;
	state->offset = off + len;
	count(skb, PROTO_IPV4);

	if (fragment & (IPV4_MORE_FRAGMENTS | IPV4_FRAGMENT_OFFSET))
		count(skb, PROTO_IPV4_FRAG);
	if (fragment & IPV4_FRAGMENT_OFFSET)
		return REASON_FRAGMENT;
	return l4(skb);
}

enum { NEXTHDR_HOP = 0, NEXTHDR_ROUTING = 43, NEXTHDR_FRAGMENT = 44,
       NEXTHDR_AUTH = 51, NEXTHDR_NONE = 59, NEXTHDR_DEST = 60 };

static __always_inline bool is_extension(__u32 next)
{
	return next == NEXTHDR_HOP || next == NEXTHDR_ROUTING || next == NEXTHDR_FRAGMENT ||
	       next == NEXTHDR_AUTH || next == NEXTHDR_DEST;
}

enum { FRAGMENT_OFFSET = 0xfff8 };

/* RFC 8200 section 4, and RFC 4302 for the authentication header. */
static __always_inline __u32 ipv6_extensions(struct __sk_buff *skb)
{
	struct parse_state *state = STATE(skb);
	__u32 next = state->ip_proto;
	struct header h;

	for (int i = 0; is_extension(next); i++) {
		__u32 off = state->offset, len;

		if (i >= IPV6_EXT_MAX)
			return REASON_TOO_MANY_IPV6_EXT;
		/* Hop-by-hop options come first or not at all. */
		if (next == NEXTHDR_HOP && i)
			return REASON_BAD_IPV6_EXT;
		if (!header(skb, off, 8, &h))
			return REASON_TRUNC_IPV6_EXT;

		/* Two units of length: 8 bytes less the first 8, 4 less the first 8. */
		len = get8(&h, 1);
		if (next == NEXTHDR_FRAGMENT)
			len = 8;
		else if (next != NEXTHDR_AUTH)
			len = (len + 1) * 8;
		else if (len)
			len = (len + 2) * 4;
		else
			return REASON_BAD_IPV6_EXT;
		if (off + len > state->end)
			return REASON_TRUNC_IPV6_EXT;

		state->ip_proto = get8(&h, 0);
		state->offset = off + len;
		count(skb, PROTO_IPV6_EXT);
		if (next == NEXTHDR_FRAGMENT) {
			count(skb, PROTO_IPV6_FRAG);
			if (get16(&h, 2) & FRAGMENT_OFFSET)
				return REASON_FRAGMENT;
		}
		next = state->ip_proto;
	}
	return REASON_PARSED;
}

static __always_inline __u32 ipv6(struct __sk_buff *skb)
{
	struct parse_state *state = STATE(skb);
	__u32 off = state->offset, payload, reason;
	struct header ip;

	if (!header(skb, off, sizeof(struct ipv6hdr), &ip))
		return REASON_TRUNC_IPV6;
	if (get8(&ip, 0) >> 4 != 6)
		return REASON_BAD_IPV6_VERSION;
	/* 0 is a jumbogram (RFC 2675), or offload: the frame's end holds. */
	payload = FIELD16(&ip, struct ipv6hdr, payload_len);
	if (payload)
		shorten(skb, off + sizeof(struct ipv6hdr) + payload);

	state->l3_off = off;
	state->ip_version = 6;
	state->ip_proto = FIELD8(&ip, struct ipv6hdr, nexthdr);
	state->offset = off + sizeof(struct ipv6hdr);
	count(skb, PROTO_IPV6);

	reason = ipv6_extensions(skb);
	if (reason != REASON_PARSED || state->ip_proto == NEXTHDR_NONE)
		return reason;
	return l4(skb);
}

/* A packet that begins with `layer`, `tags` of whose VLAN tags are gone before. */
static __always_inline __u32 packet(struct __sk_buff *skb, __u8 layer, __u32 tags)
{
	__u16 ethertype;
	__u32 reason;

	if (layer == LAYER_ETHERNET) {
		reason = ethernet(skb, tags, &ethertype);
		if (reason == REASON_PARSED)
			reason = layer_of(ethertype, &layer);
		if (reason != REASON_PARSED)
			return reason;
	}
	if (layer == LAYER_MPLS) {
		reason = mpls(skb, &layer);
		if (reason != REASON_PARSED)
			return reason;
	}
	if (layer == LAYER_ARP)
		return arp(skb);
	if (layer == LAYER_IPV4)
		return ipv4(skb);
	return ipv6(skb);
}

#endif /* LAYERS_H */
