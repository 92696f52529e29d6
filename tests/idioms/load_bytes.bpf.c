// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Payload into a buffer, with a length known at run time: a helper takes it
 * only if it cannot exceed the buffer, and is not 0.
 *
 * `load_bytes_clamped` says so with comparisons. They hold for the register
 * they compare and its copies: a 64-bit length is one register, of a 32-bit one
 * v1 and v2 compare a copy shifted left and right, and pass the original, of
 * which nothing is known. barrier_var() keeps clang from joining the two
 * comparisons into one on a difference, for which the same holds.
 * `load_bytes_masked` says so with an AND; the mask bounds it above, the test
 * against 0 below.
 */
#include "idiom.h"

enum { PAYLOAD = 34, CLAMP = 512 };

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u8[CLAMP]);
} scratch SEC(".maps");

static __always_inline int sum_of(const __u8 *bytes, __u32 len)
{
	int sum = 0;

	for (__u32 i = 0; i < 32; i++)
		if (i < len)
			sum = sum * 31 + bytes[i];
	return sum;
}

SEC("tc")
int load_bytes_clamped(struct __sk_buff *skb)
{
	__u64 len = skb->len - PAYLOAD;
	__u32 zero = 0;
	__u8 *buffer = bpf_map_lookup_elem(&scratch, &zero);

	if (!buffer || skb->len <= PAYLOAD)
		return TC_ACT_SHOT;
	if (len > CLAMP)
		len = CLAMP;
	barrier_var(len);
	if (len < 1)
		return TC_ACT_SHOT;
	if (bpf_skb_load_bytes(skb, PAYLOAD, buffer, len))
		return TC_ACT_SHOT;
	return sum_of(buffer, len);
}

SEC("tc")
int load_bytes_masked(struct __sk_buff *skb)
{
	__u8 buffer[64] = {};
	__u32 len = skb->len & 63;

	if (len == 0)
		return TC_ACT_OK;
	if (bpf_skb_load_bytes(skb, 0, buffer, len))
		return TC_ACT_SHOT;
	return sum_of(buffer, len);
}
