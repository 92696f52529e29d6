// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * A cursor in a structure on the stack, whose address goes from function to
 * function.
 *
 * The pointers in it are spilled and filled by callees through an address in
 * the caller's frame; what is known about them has to survive that.
 */
#include "idiom.h"

struct cursor {
	void *data;
	void *data_end;
	__u32 off;
};

/* The next `len` bytes, or NULL. */
static __always_inline void *take(struct cursor *cursor, __u32 len)
{
	void *at;

	/* What no packet has: it keeps the offset within what comparisons can prove. */
	if (cursor->off > 0x3fff)
		return NULL;
	at = cursor->data + cursor->off;
	if (at + len > cursor->data_end)
		return NULL;
	cursor->off += len;
	return at;
}

static __noinline int parse_ethernet(struct cursor *cursor)
{
	struct ethhdr *eth = take(cursor, sizeof(*eth));

	return eth ? bpf_ntohs(eth->h_proto) : -1;
}

static __noinline int parse_ipv4(struct cursor *cursor)
{
	struct iphdr *ip = take(cursor, sizeof(*ip));

	if (!ip || ip->ihl < 5)
		return -1;
	cursor->off += ip->ihl * 4 - sizeof(*ip);
	return ip->protocol;
}

static __noinline int parse_ports(struct cursor *cursor)
{
	struct udphdr *ports = take(cursor, sizeof(*ports));

	return ports ? ports->source ^ ports->dest : -1;
}

SEC("tc")
int cursor_on_stack(struct __sk_buff *skb)
{
	struct cursor cursor = { .data = start_of(skb), .data_end = end_of(skb) };
	int protocol;

	if (parse_ethernet(&cursor) != ETH_P_IP)
		return TC_ACT_UNSPEC;
	protocol = parse_ipv4(&cursor);
	if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)
		return cursor.off;
	return parse_ports(&cursor) << 8 | cursor.off;
}
