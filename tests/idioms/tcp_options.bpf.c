// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * A scan of TCP options: the pointer moves by a length that the option itself
 * says, twenty times at most.
 *
 * After each round the pointer is a new one to the verifier (a variable was
 * added), and what was compared with the end before is worth nothing; so every
 * byte that is read has its comparison in the same round.
 */
#include "idiom.h"

enum {
	OPTIONS_MAX = 20,
	OPTION_END = 0,
	OPTION_NOP = 1,
	OPTION_MSS = 2,
};

/* The maximum segment size of a SYN, or 0. */
static __always_inline __u16 find_mss(__u8 *at, void *end, void *options_end)
{
	for (int i = 0; i < OPTIONS_MAX; i++) {
		__u8 len;

		if ((void *)(at + 1) > end || (void *)at >= options_end || *at == OPTION_END)
			return 0;
		if (*at == OPTION_NOP) {
			at++;
			continue;
		}
		if ((void *)(at + 4) > end)
			return 0;
		len = at[1];
		if (*at == OPTION_MSS && len == 4)
			return at[2] << 8 | at[3];
		if (len < 2)
			return 0;
		at += len;
	}
	return 0;
}

SEC("tc")
int tcp_options(struct __sk_buff *skb)
{
	void *data = start_of(skb), *end = end_of(skb);
	struct ethhdr *eth = data;
	struct iphdr *ip = data + sizeof(*eth);
	struct tcphdr *tcp;

	if ((void *)(ip + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP) || ip->protocol != IPPROTO_TCP)
		return TC_ACT_UNSPEC;
	tcp = (void *)ip + ip->ihl * 4;
	if ((void *)(tcp + 1) > end)
		return TC_ACT_SHOT;
	return find_mss((__u8 *)(tcp + 1), end, (void *)tcp + tcp->doff * 4);
}
