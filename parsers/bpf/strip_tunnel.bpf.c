// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Strips one tunnel header per pass and asks to be classified again.
 *
 *     pass 1   │Eth│ IPv4 │ UDP │VXLAN│Eth│ IPv4 │ GRE │ IPv6 │ TCP │...
 *     pass 2                          │Eth│ IPv4 │ GRE │ IPv6 │ TCP │...│ 0...
 *     pass 3                          │Eth│              IPv6 │ TCP │...│ 0...
 *     then     nothing to strip: TC_ACT_UNSPEC, and the next filter of the
 *              list (packet_parser, say) sees a plain frame
 *
 * The inner packet is moved to the front with load_bytes and store_bytes. The
 * frame keeps its length, as no helper here can shorten it; what is left over
 * is zeroed, or a truncated inner packet would find the outer one's bytes behind
 * it. `mark` counts the headers stripped, so it is still told when only the
 * inner frame is left; `tc_index` holds the bytes taken by the last pass.
 *
 * A tag in the bytes is no tunnel to it: at ingress the outer one is metadata.
 *
 * Put it in front of a list whose hook restarts on a program's RECLASSIFY. A
 * frame nested deeper than the hook's 16 restarts is dropped there.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>
#include <stddef.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "MIT OR Apache-2.0";

enum { VXLAN_PORT = 4789, VXLAN_HEADER = 8 };

/* RFC 2784 and 2890: four bytes, and four more for each of C, K and S. */
enum { GRE_CHECKSUM = 0x8000, GRE_KEY = 0x2000, GRE_SEQUENCE = 0x1000, GRE_REST = 0x4fff };

/* The largest frame that is moved: 1024 chunks of 64 bytes. */
enum { CHUNK = 64, CHUNKS_MAX = 1024 };

/* What a tunnel's headers lead to. A type of 0: not a tunnel we know. */
struct inner {
	__u32 off;
	__be16 type;            /* ETH_P_TEB: an Ethernet frame */
};

static __always_inline struct inner none(void)
{
	return (struct inner){};
}

static __always_inline struct inner gre(struct __sk_buff *skb, __u32 off)
{
	struct {
		__be16 flags;
		__be16 type;
	} gre;
	__u32 flags, len = sizeof(gre);

	if (bpf_skb_load_bytes(skb, off, &gre, sizeof(gre)))
		return none();
	flags = bpf_ntohs(gre.flags);
	if (flags & GRE_REST)
		return none();
	if (flags & GRE_CHECKSUM)
		len += 4;
	if (flags & GRE_KEY)
		len += 4;
	if (flags & GRE_SEQUENCE)
		len += 4;

	if (gre.type != bpf_htons(ETH_P_IP) && gre.type != bpf_htons(ETH_P_IPV6) &&
	    gre.type != bpf_htons(ETH_P_TEB))
		return none();
	return (struct inner){ off + len, gre.type };
}

static __always_inline struct inner vxlan(struct __sk_buff *skb, __u32 off)
{
	struct udphdr udp;

	if (bpf_skb_load_bytes(skb, off, &udp, sizeof(udp)) || udp.dest != bpf_htons(VXLAN_PORT))
		return none();
	return (struct inner){ off + sizeof(udp) + VXLAN_HEADER, bpf_htons(ETH_P_TEB) };
}

static __always_inline struct inner payload(struct __sk_buff *skb, __u32 off, __u8 proto)
{
	switch (proto) {
	case IPPROTO_IPIP:
		return (struct inner){ off, bpf_htons(ETH_P_IP) };
	case IPPROTO_IPV6:
		return (struct inner){ off, bpf_htons(ETH_P_IPV6) };
	case IPPROTO_GRE:
		return gre(skb, off);
	case IPPROTO_UDP:
		return vxlan(skb, off);
	}
	return none();
}

static __always_inline struct inner find_inner(struct __sk_buff *skb, __be16 type)
{
	struct ipv6hdr ip6;
	struct iphdr ip4;

	if (type == bpf_htons(ETH_P_IP)) {
		if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip4, sizeof(ip4)))
			return none();
		/* A fragment has no tunnel header, or not all of what is in it. */
		if (ip4.ihl < 5 || ip4.frag_off & bpf_htons(0x3fff))
			return none();
		return payload(skb, ETH_HLEN + ip4.ihl * 4, ip4.protocol);
	}
	if (type == bpf_htons(ETH_P_IPV6)) {
		if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip6, sizeof(ip6)))
			return none();
		return payload(skb, ETH_HLEN + sizeof(ip6), ip6.nexthdr);
	}
	return none();
}

/*
 * The next chunk of what is left before `end`. The barrier makes clang forget
 * the bounds, so that it keeps the tests the verifier reads them from.
 */
static __always_inline __u32 chunk_of(__u32 at, __u32 end)
{
	__u32 len = end - at;

	if (len > CHUNK)
		len = CHUNK;
	asm volatile("" : "+r"(len));
	return len;
}

/*
 * Moves the frame's bytes from `from` on to `to`, which is further in front.
 * Global, so that the loop is verified once and not for every way to get here.
 */
__noinline int move(struct __sk_buff *skb, __u32 to, __u32 from)
{
	__u8 chunk[CHUNK];
	__u32 end = skb->len;

	for (int i = 0; i < CHUNKS_MAX && from < end; i++) {
		__u32 len = chunk_of(from, end);
		long err;

		if (len < 1 || len > CHUNK)
			return -1;
		err = bpf_skb_load_bytes(skb, from, chunk, len);
		if (!err)
			err = bpf_skb_store_bytes(skb, to, chunk, len, BPF_F_INVALIDATE_HASH);
		if (err)
			return err;
		from += len;
		to += len;
	}
	return from < end ? -1 : 0;
}

/* Zeroes the frame's bytes from `from` on. */
__noinline int clear(struct __sk_buff *skb, __u32 from)
{
	__u8 zeros[CHUNK] = {};
	__u32 end = skb->len;

	for (int i = 0; i < CHUNKS_MAX && from < end; i++) {
		__u32 len = chunk_of(from, end);

		if (len < 1 || len > CHUNK || bpf_skb_store_bytes(skb, from, zeros, len, 0))
			return -1;
		from += len;
	}
	return from < end ? -1 : 0;
}

SEC("tc")
int strip_tunnel(struct __sk_buff *skb)
{
	struct inner inner;
	struct ethhdr eth;
	__u32 to;

	if (bpf_skb_load_bytes(skb, 0, &eth, sizeof(eth)))
		return TC_ACT_UNSPEC;
	inner = find_inner(skb, eth.h_proto);
	if (!inner.type || inner.off >= skb->len || skb->len > CHUNK * CHUNKS_MAX)
		return TC_ACT_UNSPEC;

	/* An inner frame takes the place of ours, an inner packet that of our payload. */
	to = inner.type == bpf_htons(ETH_P_TEB) ? 0 : ETH_HLEN;
	if (to && bpf_skb_store_bytes(skb, offsetof(struct ethhdr, h_proto), &inner.type,
				      sizeof(inner.type), 0))
		return TC_ACT_SHOT;
	if (move(skb, to, inner.off) || clear(skb, skb->len - (inner.off - to)))
		return TC_ACT_SHOT;

	skb->mark++;
	skb->tc_index = inner.off - to;
	return TC_ACT_RECLASSIFY;
}
