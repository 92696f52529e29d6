// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Headers copied to the stack, changed there, and copied back.
 *
 * Nothing in a packet is aligned, so __builtin_memcpy becomes loads and stores
 * of bytes, which clang shifts together where the copy on the stack has words.
 * So many bytes are live at once that most of them are spilled, 8 bytes of stack
 * for each; and slots are written in one width and read in another.
 */
#include "idiom.h"

struct headers {
	struct ethhdr eth;
	struct iphdr ip;
} __attribute__((packed));

SEC("tc")
int headers_memcpy(struct __sk_buff *skb)
{
	void *data = start_of(skb), *end = end_of(skb);
	struct headers headers;
	__u8 mac[ETH_ALEN];

	if (data + sizeof(headers) > end)
		return TC_ACT_SHOT;
	__builtin_memcpy(&headers, data, sizeof(headers));
	__builtin_memcpy(mac, headers.eth.h_dest, ETH_ALEN);
	__builtin_memcpy(headers.eth.h_dest, headers.eth.h_source, ETH_ALEN);
	__builtin_memcpy(headers.eth.h_source, mac, ETH_ALEN);
	headers.ip.tos ^= headers.ip.ttl;
	__builtin_memcpy(data, &headers, sizeof(headers));
	return headers.ip.saddr ^ headers.ip.daddr ^ mac[5];
}
