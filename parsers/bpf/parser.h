/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What both editions of the parsers share: the state handed along in
 * skb->cb, the reasons and protocol slots, the maps, and the few verbs that
 * every program is written with (count, enter, jump, finish).
 *
 *     frame ─▶ packet_parser ─┬─ ipproto_jmp_table[6]  ─▶ parse_tcp
 *                 ▲           ├─ ipproto_jmp_table[17] ─▶ parse_udp ─┐
 *                 │           ├─ ipproto_jmp_table[47] ─▶ parse_gre ─┤
 *           (same text)       └─ ...                                 │
 *                 │                 port_jmp_table[53]   ─▶ parse_dns│
 *            parse_inner ◀──────────port_jmp_table[4789] ─▶ parse_vxlan
 *                          inner_jmp_table[0]
 *
 * A tail call never returns, so the programs form one path, and `skb->cb` is
 * all that one leaves for the next.
 */
#ifndef PARSER_H
#define PARSER_H

#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/pkt_cls.h>
#include <stdbool.h>
#include <stddef.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/*
 * The state in skb->cb: 20 bytes, five words, little-endian.
 *
 *            31           24 23           16 15            8 7             0
 *           ┌───────────────┬───────────────┬───────────────────────────────┐
 *    cb[0]  │    reason     │     layer     │            offset             │
 *           ├───────────────┴───────────────┼───────────────────────────────┤
 *    cb[1]  │            l3_off             │            l2_off             │
 *           ├───────────────────────────────┼───────────────────────────────┤
 *    cb[2]  │              end              │            l4_off             │
 *           ├───────────────┬───────────────┼───────────────┬───────────────┤
 *    cb[3]  │  ip_version   │   ip_proto    │     depth     │     hops      │
 *           ├───────────────┴───────────────┼───────────────┴───────────────┤
 *    cb[4]  │             dport             │             sport             │
 *           └───────────────────────────────┴───────────────────────────────┘
 *
 * Everything but `hops` describes the innermost packet entered: entering a
 * tunnel forgets the headers outside it. A header's offset is recorded once
 * the header has passed all its checks; `offset` is then the first byte behind
 * it. So after the run `offset` is where parsing stopped, and `reason` is why.
 */
struct parse_state {
	__u8 skb[offsetof(struct __sk_buff, cb)]; /* what precedes cb, by its own name */
	__u16 offset;     /* of the next header, from the start of the frame */
	__u8 layer;       /* enum parse_layer: what begins there, for parse_inner */
	__u8 reason;      /* enum parse_reason, written at the end of the run */
	__u16 l2_off;     /* OFF_NONE: no such header (yet) */
	__u16 l3_off;
	__u16 l4_off;
	__u16 end;        /* first byte that is not the innermost packet's */
	__u8 hops;        /* tail calls taken in this run, at most 33 */
	__u8 depth;       /* tunnels entered */
	__u8 ip_proto;    /* IPv4 protocol, or IPv6's last next header */
	__u8 ip_version;  /* 4, 6, or 0 while l3_off is not an IP header */
	__u16 sport;      /* host order; 0 where there are no ports */
	__u16 dport;
} __attribute__((preserve_static_offset));

_Static_assert(sizeof(struct parse_state) == offsetof(struct __sk_buff, hash),
	       "the state is skb->cb, no more and no less");

/*
 * The context as the parsers see it. It starts where __sk_buff does because
 * the verifier takes only loads and stores at a constant offset from r1 as it
 * came; the attribute keeps clang from computing &state->field in a register.
 */
#define STATE(skb) ((struct parse_state *)(skb))

enum { OFF_NONE = 0xffff };

/*
 * Headers are looked for in the first 32 KiB of a frame. The verifier gives a
 * packet pointer a range only while offset + size stays within 16 bits; one
 * bit fewer leaves room for every header that starts below the limit.
 */
enum { PARSE_MAX = 0x7fff };

enum parse_layer {
	LAYER_ETHERNET,
	LAYER_MPLS,
	LAYER_IPV4,
	LAYER_IPV6,
	LAYER_ARP,                  /* only behind Ethernet, never entered */
};

/*
 * How a run ended. The order carries the verdict: up to REASON_LAST_OK the
 * packet is accepted, up to REASON_LAST_UNKNOWN the parser has no opinion
 * (TC_ACT_UNSPEC: the next filter decides), the rest is dropped.
 * parsers/src/reason.rs holds the same list.
 */
enum parse_reason {
	REASON_PARSED,
	REASON_FRAGMENT,            /* not the first one: there is no L4 header */
	REASON_LAST_OK = REASON_FRAGMENT,

	REASON_UNKNOWN_LLC,         /* an 802.3 length instead of an EtherType */
	REASON_UNKNOWN_ETHERTYPE,
	REASON_UNKNOWN_MPLS,        /* payload is neither IPv4 nor IPv6 */
	REASON_UNKNOWN_IPPROTO,     /* empty slot of ipproto_jmp_table */
	REASON_UNKNOWN_GRE,         /* protocol type that is not entered */
	REASON_LAST_UNKNOWN = REASON_UNKNOWN_GRE,

	REASON_TRUNC_ETHERNET,      /* header not wholly inside the packet */
	REASON_TRUNC_VLAN,
	REASON_TRUNC_MPLS,
	REASON_TRUNC_ARP,
	REASON_TRUNC_IPV4,
	REASON_TRUNC_IPV6,
	REASON_TRUNC_IPV6_EXT,
	REASON_TRUNC_TCP,
	REASON_TRUNC_UDP,
	REASON_TRUNC_ICMP,
	REASON_TRUNC_ICMPV6,
	REASON_TRUNC_SCTP,
	REASON_TRUNC_GRE,
	REASON_TRUNC_VXLAN,
	REASON_TRUNC_DNS,
	REASON_TOO_MANY_VLAN,       /* more than VLAN_TAGS_MAX */
	REASON_TOO_MANY_MPLS,       /* more than MPLS_LABELS_MAX */
	REASON_TOO_MANY_IPV6_EXT,   /* more than IPV6_EXT_MAX */
	REASON_BAD_ARP,             /* address lengths contradict the types */
	REASON_BAD_IPV4_VERSION,
	REASON_BAD_IPV4_IHL,        /* fewer than 5 words */
	REASON_BAD_IPV4_LENGTH,     /* total length below the header's */
	REASON_BAD_IPV4_OPTIONS,
	REASON_BAD_IPV6_VERSION,
	REASON_BAD_IPV6_EXT,        /* misplaced hop-by-hop, or an AH too short */
	REASON_BAD_TCP_DOFF,        /* fewer than 5 words */
	REASON_BAD_TCP_OPTIONS,
	REASON_BAD_UDP_LENGTH,      /* 1 to 7 */
	REASON_BAD_SCTP_CHUNK,      /* shorter than its own header */
	REASON_BAD_GRE_VERSION,
	REASON_BAD_GRE_ROUTING,     /* RFC 1701 routing: to be discarded */
	REASON_BAD_VXLAN_FLAGS,     /* the I bit is not set */
	REASON_BAD_DNS_NAME,
	REASON_TAIL_CALL_LIMIT,     /* nested deeper than 33 tail calls reach */
	REASON_MAX,
};

/* Headers found whole and valid. parsers/src/proto.rs holds the same list. */
enum proto_slot {
	PROTO_ETHERNET,
	PROTO_VLAN,                 /* each tag, the one in metadata included */
	PROTO_MPLS,                 /* each label */
	PROTO_ARP,
	PROTO_IPV4,
	PROTO_IPV4_FRAG,            /* fragments, the first one included */
	PROTO_IPV6,
	PROTO_IPV6_EXT,             /* each extension header, fragment included */
	PROTO_IPV6_FRAG,
	PROTO_TCP,
	PROTO_UDP,
	PROTO_ICMP,
	PROTO_ICMPV6,
	PROTO_SCTP,
	PROTO_GRE,
	PROTO_IPIP,
	PROTO_IP6,
	PROTO_VXLAN,
	PROTO_DNS,
	PROTO_UNKNOWN,              /* the default path */
	PROTO_MAX,
};

/* Limits of the walks; each is beyond what is seen on a real wire. */
enum {
	VLAN_TAGS_MAX = 4,
	MPLS_LABELS_MAX = 8,
	IPV6_EXT_MAX = 8,
	OPTION_BYTES_MAX = 40,      /* 15 words of header less the first five */
	DNS_LABELS_MAX = 128,       /* a name of 255 bytes, RFC 1035 section 3.1 */
	TAIL_CALLS_MAX = 33,        /* the kernel's MAX_TAIL_CALL_CNT */
};

/* ------------------------------------------------------------------ maps */

struct counter {
	__u64 packets;
	__u64 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PROTO_MAX);
	__type(key, __u32);
	__type(value, struct counter);
} proto_counters SEC(".maps");

/* Every run adds one to exactly one slot, so the slots sum to the frames. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, REASON_MAX);
	__type(key, __u32);
	__type(value, __u64);
} parse_errors SEC(".maps");

struct flow_key {
	__be32 saddr[4];            /* IPv4 in the first word, the rest zero */
	__be32 daddr[4];
	__u16 sport;                /* host order */
	__u16 dport;
	__u8 ip_proto;
	__u8 ip_version;
	__u16 zero;                 /* keys are compared as bytes: no padding */
};

struct flow {
	__u64 packets;
	__u64 bytes;
	__u64 first_seen;           /* skb->tstamp: 0 where the hook has none */
	__u64 last_seen;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, struct flow_key);
	__type(value, struct flow);
} flows SEC(".maps");

/* Packets whose flow found no room in `flows`. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} flow_misses SEC(".maps");

int parse_tcp(struct __sk_buff *skb);
int parse_udp(struct __sk_buff *skb);
int parse_icmp(struct __sk_buff *skb);
int parse_icmpv6(struct __sk_buff *skb);
int parse_sctp(struct __sk_buff *skb);
int parse_gre(struct __sk_buff *skb);
int parse_ipip(struct __sk_buff *skb);
int parse_ip6(struct __sk_buff *skb);
int parse_vxlan(struct __sk_buff *skb);
int parse_dns(struct __sk_buff *skb);
int parse_inner(struct __sk_buff *skb);

/* Indexed by IP protocol; what has no slot here takes the default path. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 256);
	__uint(key_size, sizeof(__u32));
	__array(values, int (struct __sk_buff *));
} ipproto_jmp_table SEC(".maps") = {
	.values = {
		[IPPROTO_ICMP] = &parse_icmp,
		[IPPROTO_IPIP] = &parse_ipip,
		[IPPROTO_TCP] = &parse_tcp,
		[IPPROTO_UDP] = &parse_udp,
		[IPPROTO_IPV6] = &parse_ip6,
		[IPPROTO_GRE] = &parse_gre,
		[58 /* ICMPv6 */] = &parse_icmpv6,
		[IPPROTO_SCTP] = &parse_sctp,
	},
};

/*
 * Indexed by UDP port itself. 65536 slots are 512 KiB, of which only the ones
 * in use are ever touched; in return no port is spelled out in the code, and
 * `port_jmp_table[4790]=parse_vxlan` is all it takes to serve another one.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 65536);
	__uint(key_size, sizeof(__u32));
	__array(values, int (struct __sk_buff *));
} port_jmp_table SEC(".maps") = {
	.values = {
		[53] = &parse_dns,
		[4789] = &parse_vxlan,
	},
};

/*
 * The way back into the parser for the packet inside a tunnel.
 *
 * It leads to a program of its own and not to packet_parser: tc does not clear
 * skb->cb, so no mark left in it could tell a fresh frame from a re-entry.
 * Which of the two programs runs tells it for certain.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__array(values, int (struct __sk_buff *));
} inner_jmp_table SEC(".maps") = {
	.values = {
		[0] = &parse_inner,
	},
};

/* ----------------------------------------------------------------- verbs */

static __always_inline void count(struct __sk_buff *skb, __u32 proto)
{
	struct counter *counter = bpf_map_lookup_elem(&proto_counters, &proto);

	if (!counter)
		return;
	counter->packets++;
	counter->bytes += skb->len;
}

/* Ends the run: the reason is recorded and counted, and becomes the verdict. */
static __always_inline int finish(struct __sk_buff *skb, __u32 reason)
{
	__u64 *counter = bpf_map_lookup_elem(&parse_errors, &reason);

	if (counter)
		++*counter;
	STATE(skb)->reason = reason;

	if (reason <= REASON_LAST_OK)
		return TC_ACT_OK;
	if (reason <= REASON_LAST_UNKNOWN) {
		count(skb, PROTO_UNKNOWN);
		return TC_ACT_UNSPEC;
	}
	return TC_ACT_SHOT;
}

/* No header found yet in the packet that the state is about from here on. */
static __always_inline void forget(struct __sk_buff *skb)
{
	struct parse_state *state = STATE(skb);

	state->l2_off = OFF_NONE;
	state->l3_off = OFF_NONE;
	state->l4_off = OFF_NONE;
	state->ip_proto = 0;
	state->ip_version = 0;
	state->sport = 0;
	state->dport = 0;
}

/* A fresh frame, whatever was in cb before. */
static __always_inline void start(struct __sk_buff *skb)
{
	struct parse_state *state = STATE(skb);
	__u32 len = skb->len;

	forget(skb);
	state->offset = 0;
	state->layer = LAYER_ETHERNET;
	state->reason = REASON_PARSED;
	state->end = len < PARSE_MAX ? len : PARSE_MAX;
	state->hops = 0;
	state->depth = 0;
}

/*
 * A tail call. If it comes back, it failed: the slot is empty, or the 33 tail
 * calls of this run are used up, which out_of_hops() tells from the count.
 */
static __always_inline void jump(struct __sk_buff *skb, void *table, __u32 index)
{
	STATE(skb)->hops++;
	bpf_tail_call(skb, table, index);
	STATE(skb)->hops--;
}

/*
 * The kernel looks at the count before it looks at the slot. So beyond the
 * limit nobody knows whether the slot was populated, and the limit is the
 * reason either way.
 */
static __always_inline bool out_of_hops(struct __sk_buff *skb)
{
	return STATE(skb)->hops >= TAIL_CALLS_MAX;
}

/*
 * Into a tunnel: the packet of kind `layer` that begins at state->offset. The
 * state becomes the inner packet's once parse_inner runs. The one slot of the
 * table is always populated, so only the limit can keep it from running.
 */
static __always_inline __u32 enter(struct __sk_buff *skb, __u8 layer)
{
	STATE(skb)->layer = layer;
	jump(skb, &inner_jmp_table, 0);
	return REASON_TAIL_CALL_LIMIT;
}

/* An upper layer's length field can only shorten the packet. */
static __always_inline void shorten(struct __sk_buff *skb, __u32 end)
{
	if (end < STATE(skb)->end)
		STATE(skb)->end = end;
}

#endif /* PARSER_H */
