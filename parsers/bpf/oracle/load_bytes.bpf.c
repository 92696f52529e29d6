// SPDX-License-Identifier: MIT OR Apache-2.0
/* skb_load_bytes and its relative form: variable offsets and lengths, and the zero-filled buffer of an error. */
#include "oracle.h"

char LICENSE[] SEC("license") = "MIT OR Apache-2.0";

enum { BUFFER = 64 };

/* Not a checksum: every byte and its place count. */
static __always_inline __u64 digest(const __u8 *buffer)
{
	__u64 sum = 0;

	for (int i = 0; i < BUFFER; i++)
		sum = sum * 131 + buffer[i];
	return sum;
}

static __always_inline void fill(__u8 *buffer)
{
	__builtin_memset(buffer, 0xa5, BUFFER);
}

SEC("tc")
int load_bytes(struct __sk_buff *skb)
{
	__u8 buffer[BUFFER], seed[2] = {};
	__u32 off, len;

	record(0, bpf_skb_load_bytes(skb, skb->len - 2, seed, sizeof(seed)));
	len = (seed[0] & (BUFFER - 1)) + 1;
	off = seed[1];

	fill(buffer);
	record(1, bpf_skb_load_bytes(skb, off, buffer, len));
	record(2, digest(buffer));

	/* One byte too far, and as far as it goes. */
	fill(buffer);
	record(3, bpf_skb_load_bytes(skb, skb->len - len + 1, buffer, len));
	record(4, digest(buffer));
	record(5, bpf_skb_load_bytes(skb, skb->len - len, buffer, len));
	record(6, digest(buffer));
	fill(buffer);
	record(7, bpf_skb_load_bytes(skb, 0x80000000, buffer, len));
	record(8, digest(buffer));

	for (__u32 header = 0; header < 3; header++) {
		fill(buffer);
		record(9, bpf_skb_load_bytes_relative(skb, off, buffer, len, header));
		record(10, digest(buffer));
		fill(buffer);
		record(11, bpf_skb_load_bytes_relative(skb, 0x10000, buffer, len, header));
		record(12, digest(buffer));
	}
	return len;
}
