// SPDX-License-Identifier: MIT OR Apache-2.0
/* Other types for core.bpf.c to be relocated against: fields moved, resized and gone. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct nested {
	__u64 inserted;
	__u32 numbers[8];
	union {
		struct {
			__u8 other;
			__u8 anonymous;
		};
		__u16 first;
	};
};

enum colour { RED = 1, GREEN = 77, BLUE = -9 };
enum wide { SMALL = 1, LARGE = 0x9988776655ULL };

struct sample {
	__u64 head;
	__u64 inserted;
	struct nested nested;
	__s16 below;
	__u32 low : 2;
	__u32 middle : 20;
	__s32 signed_bits : 5;
	enum colour colour;
	struct sample *next;
};

typedef struct {
	int x, y, z;
} point;

struct sample sample;
enum wide wide;
point origin;

SEC("tc")
int use(struct __sk_buff *skb)
{
	return skb->len + sample.low + origin.z + wide;
}

char _license[] SEC("license") = "GPL";
