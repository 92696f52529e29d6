// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * bpf_loop, whose body is a function, with a context on the caller's stack.
 *
 * The verifier does not count the rounds: it goes into the callback until
 * nothing new comes out. So what the callback changes in its context must not
 * be what bounds an access; `at` is held to the buffer in each round.
 */
#include "idiom.h"

struct histogram {
	__u32 at;
	__u32 zeros;
	__u8 bytes[64];
	__u64 sum;
};

static long add_byte(__u32 i, struct histogram *histogram)
{
	__u32 at = histogram->at;

	if (at >= sizeof(histogram->bytes))
		return 1;
	histogram->sum = histogram->sum * 31 + histogram->bytes[at] + i;
	if (!histogram->bytes[at])
		histogram->zeros++;
	histogram->at = at + 1;
	return 0;
}

SEC("tc")
int loop_callback(struct __sk_buff *skb)
{
	struct histogram histogram = {};
	long rounds;

	if (bpf_skb_load_bytes(skb, 0, histogram.bytes, ETH_HLEN))
		return TC_ACT_SHOT;
	rounds = bpf_loop(skb->len, add_byte, &histogram, 0);
	return histogram.sum ^ histogram.zeros << 8 ^ rounds;
}
