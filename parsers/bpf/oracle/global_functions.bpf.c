// SPDX-License-Identifier: MIT OR Apache-2.0
/* Global functions, which are verified on their own: by the context, by scalars, by a pointer that may be NULL. */
#include "oracle.h"

char LICENSE[] SEC("license") = "MIT OR Apache-2.0";

struct tally {
	__u64 bytes;
	__u32 odd;
	__u32 even;
};

__noinline int fold(__u64 wide)
{
	return (wide >> 32) ^ wide;
}

__noinline int add(struct tally *tally, __u8 byte)
{
	if (!tally)
		return -1;
	tally->bytes = tally->bytes * 257 + byte;
	if (byte & 1)
		tally->odd++;
	else
		tally->even++;
	return fold(tally->bytes);
}

__noinline int tally_packet(struct __sk_buff *skb)
{
	struct tally tally = {};
	__u8 *data = packet(skb, 32);

	if (!data)
		return add(NULL, 0);
	for (int i = 0; i < 32; i++)
		record(i & 7, add(&tally, data[i]));
	record(8, tally.odd);
	record(9, tally.even);
	return fold(tally.bytes);
}

/* Changes the packet, so the caller's packet pointers are gone after it. */
__noinline int stamp(struct __sk_buff *skb, __u32 value)
{
	return bpf_skb_store_bytes(skb, 6, &value, sizeof(value), 0);
}

SEC("tc")
int global_functions(struct __sk_buff *skb)
{
	int folded = tally_packet(skb);

	record(10, stamp(skb, folded));
	return tally_packet(skb);
}
