// SPDX-License-Identifier: MIT OR Apache-2.0
/* Static functions: scalars, pointers to the caller's stack and to the packet, four frames deep. */
#include "oracle.h"

char LICENSE[] SEC("license") = "MIT OR Apache-2.0";

struct cursor {
	__u8 *at;
	__u8 *end;
	__u64 sum;
	__u32 words;
};

static __noinline __u32 rotate(__u32 value, __u32 bits)
{
	return value << (bits & 31) | value >> (-bits & 31);
}

/* Five arguments, which are all the registers there are. */
static __noinline __u64 mix(__u64 a, __u64 b, __u64 c, __u64 d, __u64 e)
{
	return (a * 31 + b) ^ (c * 17 - d) ^ rotate(e, a);
}

/* Advances a cursor on the caller's stack over a word of the packet. */
static __noinline bool next_word(struct cursor *cursor)
{
	__u8 *at = cursor->at;

	if (at + 4 > cursor->end)
		return false;
	cursor->sum = mix(cursor->sum, *(__u32 *)at, at[0], at[1], at[3]);
	cursor->words++;
	cursor->at = at + 4;
	return true;
}

static __noinline int walk(struct __sk_buff *skb, struct cursor *cursor)
{
	cursor->at = (__u8 *)(long)skb->data;
	cursor->end = (__u8 *)(long)skb->data_end;
	for (int i = 0; i < 16; i++)
		if (!next_word(cursor))
			return i;
	return 16;
}

static __noinline __u32 first_byte_of(__u8 *data, __u8 *end)
{
	return data + 1 <= end ? *data : 256;
}

SEC("tc")
int subprograms(struct __sk_buff *skb)
{
	struct cursor cursor = { .sum = skb->len };
	int words = walk(skb, &cursor);

	record(0, words);
	record(1, cursor.sum);
	record(2, cursor.words);
	record(3, first_byte_of((__u8 *)(long)skb->data, (__u8 *)(long)skb->data_end));
	return cursor.sum;
}
