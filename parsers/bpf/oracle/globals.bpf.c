// SPDX-License-Identifier: MIT OR Apache-2.0
/* Global data: .data, .bss and .rodata, scalars and arrays, read and written at computed places. */
#include "oracle.h"

char LICENSE[] SEC("license") = "MIT OR Apache-2.0";

/* .rodata: frozen, so the verifier knows its bytes and drops the dead branch. */
const volatile __u32 scale = 3;
const volatile bool disabled = false;
static const __u8 primes[16] = { 2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53 };

/* .data */
__u64 product = 1;
__s32 balance = -1000;
struct {
	__u8 tag;
	__u16 half;
	__u32 word;
	__u64 wide;
} mixed = { 0xff, 0xfffe, 0xfffffffd, 0xfffffffffffffffcULL };

/* .bss */
__u64 packets, bytes;
__u32 by_length[64];
static __u8 last_frame[64];

SEC("tc")
int globals(struct __sk_buff *skb)
{
	__u32 len = skb->len, bucket = len / 64;
	__u8 *data = packet(skb, 14);

	if (disabled)
		return TC_ACT_SHOT;
	if (!data)
		return TC_ACT_SHOT;

	packets++;
	bytes += len;
	balance += (__s32)(data[13] * scale) - 200;
	product = product * primes[data[5] & 15] + primes[data[11] & 15];
	by_length[bucket & 63]++;

	mixed.tag += data[0];
	mixed.half ^= *(__u16 *)(data + 6);
	mixed.word -= *(__u32 *)(data + 8);
	mixed.wide += product;

	last_frame[product & 63] = data[12];
	for (int i = 0; i < 14; i++)
		last_frame[(i + bucket) & 63] ^= data[i];
	return product ^ last_frame[len & 63];
}
