// SPDX-License-Identifier: MIT OR Apache-2.0
/* The Internet checksum (RFC 1071) over the whole packet: a bounded loop with a moving packet pointer. */
#include "oracle.h"

char LICENSE[] SEC("license") = "MIT OR Apache-2.0";

/* Halves of the largest frame that BPF_PROG_TEST_RUN takes. */
enum { HALVES_MAX = 3712 / 2 };

SEC("tc")
int checksum_loop(struct __sk_buff *skb)
{
	__u8 *at = (__u8 *)(long)skb->data, *end = (__u8 *)(long)skb->data_end;
	__u64 sum = 0;
	int i;

	for (i = 0; i < HALVES_MAX; i++) {
		if (at + 2 > end)
			break;
		sum += *(__u16 *)at;
		at += 2;
	}
	if (at + 1 <= end)
		sum += *at;

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	record(0, sum);
	record(1, i);
	return (__u16)~sum;
}
