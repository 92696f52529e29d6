// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * The same parsing on XDP, where `data` and `data_end` are all there is; and
 * the packet is swapped in place and sent back.
 *
 * The comparisons are written in four ways, and clang brings them all to one:
 * `pointer > end`, to the path on which nothing is known. The address of the
 * counter and the verdict are set on each path before it is taken, and meet at
 * the one `++` there is.
 */
#include "idiom.h"

__u64 verdicts[5];

static __always_inline int verdict(int action)
{
	if (action >= 0 && action < 5)
		verdicts[action]++;
	return action;
}

SEC("xdp")
int xdp_filter(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip;
	struct udphdr *udp;
	__u8 mac[ETH_ALEN];

	if (!((void *)(eth + 1) <= end))
		return verdict(XDP_ABORTED);
	if (eth->h_proto != bpf_htons(ETH_P_IP))
		return verdict(XDP_PASS);
	ip = (void *)(eth + 1);
	if (end < (void *)(ip + 1))
		return verdict(XDP_DROP);
	if (ip->protocol != IPPROTO_UDP || ip->ihl != 5)
		return verdict(XDP_PASS);
	udp = (void *)(ip + 1);
	if (end >= (void *)(udp + 1) && udp->dest == bpf_htons(7)) {
		__builtin_memcpy(mac, eth->h_dest, ETH_ALEN);
		__builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
		__builtin_memcpy(eth->h_source, mac, ETH_ALEN);
		return verdict(XDP_TX);
	}
	return verdict(XDP_PASS);
}
