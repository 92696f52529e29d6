// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * An array among the globals, with an index that is tested first.
 *
 * The arrays are the value of a map, and their address one instruction. What
 * clang tests is the length, not the index, and the index is what shifts (and at
 * v1 and v2 a mask) leave of it: the bound has to survive them. From v3 on the
 * test is of 32 bits, what is added of 64, and a signed index is extended by
 * shifting it left and right again, behind its tests.
 */
#include "idiom.h"

enum { BUCKETS = 16 };

__u64 frames[BUCKETS];
__u64 bytes[BUCKETS];
static __u32 last[BUCKETS];

SEC("tc")
int bss_array(struct __sk_buff *skb)
{
	__u32 bucket = skb->len >> 6;

	if (bucket >= BUCKETS)
		return TC_ACT_UNSPEC;
	frames[bucket]++;
	bytes[bucket] += skb->len;
	last[bucket] = skb->len;
	return frames[bucket] + last[bucket];
}

/* The index comes from the packet, and is signed: it needs two tests. */
SEC("tc")
int bss_array_signed(struct __sk_buff *skb)
{
	__s8 *data = start_of(skb);
	int bucket;

	if ((void *)(data + 1) > end_of(skb))
		return TC_ACT_SHOT;
	bucket = data[0];
	if (bucket < 0 || bucket >= BUCKETS)
		return TC_ACT_UNSPEC;
	frames[bucket] += 1000;
	return frames[bucket];
}
