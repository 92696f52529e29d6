// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Division and remainder by what only the packet knows. A divisor of 0 is no
 * error to BPF, the quotient is 0 then; in C it is undefined, so the programs
 * test all the same.
 *
 * Up to v3 there is no signed division, and clang says so; the sign is then the
 * program's to take care of. The verifier knows nothing of a remainder; clang
 * knows that it is smaller than the divisor and removes a test that says so,
 * unless it goes through barrier_var() first.
 */
#include "idiom.h"

enum { SLOTS = 7 };

__u64 by_remainder[SLOTS];

SEC("tc")
int division(struct __sk_buff *skb)
{
	__u32 len = skb->len, protocol = skb->protocol;
	__u64 wide = (__u64)len << 32 | protocol;
	__u64 slot = protocol % SLOTS;

	barrier_var(slot);
	if (slot < SLOTS)
		by_remainder[slot] += wide / (len + 1);
	if (!protocol)
		return TC_ACT_SHOT;
	return len * 1000 / protocol + wide % protocol;
}

SEC("tc")
int signed_division(struct __sk_buff *skb)
{
	__s32 from_mean = (__s32)skb->len - 200, by = (__s32)skb->protocol - 1024;

	if (!by)
		return 0;
#if __BPF_CPU_VERSION__ >= 4
	return from_mean / by * 16 + from_mean % by;
#else
	__u32 magnitude = from_mean < 0 ? -from_mean : from_mean;
	__u32 divisor = by < 0 ? -by : by;
	__s32 quotient = magnitude / divisor, rest = magnitude % divisor;

	return ((from_mean < 0) != (by < 0) ? -quotient : quotient) * 16 + (from_mean < 0 ? -rest : rest);
#endif
}
