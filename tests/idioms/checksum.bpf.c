// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * A sum over 16-bit words, each behind its own comparison with the end.
 *
 * Of pointer and counter clang keeps one in the first program and adds it to the
 * start of the packet in each round; in the second both move. Either way each
 * round is a state of its own, a hundred of them, and the verifier goes through
 * them one by one.
 */
#include "idiom.h"

enum { WORDS_MAX = 128 };

SEC("tc")
int checksum(struct __sk_buff *skb)
{
	__u16 *word = start_of(skb);
	void *end = end_of(skb);
	__u32 sum = 0;

	for (int i = 0; i < WORDS_MAX; i++) {
		if ((void *)(word + 1) > end)
			break;
		sum += *word++;
	}
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)~sum;
}

/* The IPv4 header's, whose length is in it: a pointer plus a variable plus the loop's. */
SEC("tc")
int ipv4_checksum(struct __sk_buff *skb)
{
	void *data = start_of(skb), *end = end_of(skb);
	struct iphdr *ip = data + sizeof(struct ethhdr);
	__u32 sum = 0, halves;

	if ((void *)(ip + 1) > end || skb->protocol != bpf_htons(ETH_P_IP))
		return TC_ACT_UNSPEC;
	halves = ip->ihl * 2;
	for (__u32 i = 0; i < 30; i++) {
		__u16 *half = (__u16 *)ip + i;

		if (i >= halves || (void *)(half + 1) > end)
			break;
		sum += *half;
	}
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)~(sum + (sum >> 16));
}
