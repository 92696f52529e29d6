// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Global functions: verified once, on their own, for any arguments of the
 * types they declare. Callers are held to the types and know nothing of the
 * result.
 *
 * A pointer may be NULL to the function, whoever calls it, so it tests; and
 * `decay` has to be right for every scalar there is.
 */
#include "idiom.h"

struct average {
	__u64 value;
	__u32 samples;
};

struct average lengths;

__noinline __u64 decay(__u64 value, __u32 shift)
{
	return value - (value >> (shift & 63));
}

__noinline int add_sample(struct average *average, __u32 sample)
{
	if (!average)
		return -1;
	average->value = decay(average->value, 3) + sample;
	average->samples++;
	return average->samples;
}

/* The context is known by its type. */
__noinline int sample_of(struct __sk_buff *skb)
{
	return skb->protocol == bpf_htons(ETH_P_IP) ? skb->len : 0;
}

SEC("tc")
int global_functions(struct __sk_buff *skb)
{
	struct average local = { .value = skb->len };

	if (add_sample(&lengths, sample_of(skb)) < 0)
		return TC_ACT_SHOT;
	add_sample(&local, 1);
	return lengths.value + local.value;
}
