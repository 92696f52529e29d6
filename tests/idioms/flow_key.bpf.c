// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * A key that is a structure with padding, 16 bytes in all.
 *
 * A map compares bytes, so the padding must be written, which an initialiser
 * need not do: hence memset. clang keeps of its zeros the words that nothing
 * overwrites whole, so a slot of the stack is written as a word first and in
 * parts later, and read by the helper as one.
 */
#include "idiom.h"

struct flow {
	__be32 saddr;
	__be32 daddr;
	__be16 sport;
	__be16 dport;
	__u8 protocol;
	/* Three bytes of padding. */
} __attribute__((aligned(4)));

struct tally {
	__u64 frames;
	__u64 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct flow);
	__type(value, struct tally);
} flows SEC(".maps");

SEC("tc")
int flow_key(struct __sk_buff *skb)
{
	void *data = start_of(skb), *end = end_of(skb);
	struct iphdr *ip = data + sizeof(struct ethhdr);
	struct udphdr *ports = (void *)(ip + 1);
	struct tally *tally, first = { .frames = 1, .bytes = skb->len };
	struct flow flow;

	_Static_assert(sizeof(flow) == 16, "three bytes of padding");
	if ((void *)(ports + 1) > end || skb->protocol != bpf_htons(ETH_P_IP) || ip->ihl != 5)
		return TC_ACT_UNSPEC;
	__builtin_memset(&flow, 0, sizeof(flow));
	flow.saddr = ip->saddr;
	flow.daddr = ip->daddr;
	flow.protocol = ip->protocol;
	if (ip->protocol == IPPROTO_TCP || ip->protocol == IPPROTO_UDP) {
		flow.sport = ports->source;
		flow.dport = ports->dest;
	}
	tally = bpf_map_lookup_elem(&flows, &flow);
	if (!tally)
		return bpf_map_update_elem(&flows, &flow, &first, BPF_NOEXIST);
	tally->frames++;
	tally->bytes += skb->len;
	return tally->frames;
}
