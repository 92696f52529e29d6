// SPDX-License-Identifier: MIT OR Apache-2.0
/* The arithmetic of cpu v3 on operands out of the packet, zero and the extremes among them. */
#include "oracle.h"
#include "alu.h"

char LICENSE[] SEC("license") = "MIT OR Apache-2.0";

static __noinline __u64 arithmetic(__u64 a, __u64 b)
{
	record(0, ALU64("+=", a, b));
	record(1, ALU64("-=", a, b));
	record(2, ALU64("*=", a, b));
	record(3, ALU64("/=", a, b));
	record(4, ALU64("%%=", a, b));
	record(5, ALU64("&=", a, b));
	record(6, ALU64("|=", a, b));
	record(7, ALU64("^=", a, b));
	record(8, ALU64("<<=", a, b));
	record(9, ALU64(">>=", a, b));
	record(10, ALU64("s>>=", a, b));
	record(11, ALU32("+=", a, b));
	record(12, ALU32("-=", a, b));
	record(13, ALU32("*=", a, b));
	record(14, ALU32("/=", a, b));
	record(15, ALU32("%%=", a, b));
	record(16, ALU32("&=", a, b));
	record(17, ALU32("|=", a, b));
	record(18, ALU32("^=", a, b));
	record(19, ALU32("<<=", a, b));
	record(20, ALU32(">>=", a, b));
	record(21, ALU32("s>>=", a, b));
	return 0;
}

static __noinline __u64 constants(__u64 a)
{
	record(22, ALU64_K("+=", a, -1));
	record(23, ALU64_K("*=", a, -0x80000000));
	record(24, ALU64_K("/=", a, -3));
	record(25, ALU64_K("%%=", a, 1000));
	record(26, ALU64_K("&=", a, -16));
	record(27, ALU64_K("<<=", a, 63));
	record(28, ALU64_K(">>=", a, 33));
	record(29, ALU64_K("s>>=", a, 63));
	record(30, ALU32_K("+=", a, 0x7fffffff));
	record(31, ALU32_K("*=", a, -7));
	record(32, ALU32_K("/=", a, -3));
	record(33, ALU32_K("%%=", a, 255));
	record(34, ALU32_K("|=", a, -0x80000000));
	record(35, ALU32_K("<<=", a, 31));
	record(36, ALU32_K(">>=", a, 1));
	record(37, ALU32_K("s>>=", a, 31));
	return 0;
}

static __noinline __u64 unary(__u64 a)
{
	record(38, UNARY("%0 = -%0", a));
	record(39, UNARY32("%0 = -%0", a));
	record(40, UNARY("%0 = be16 %0", a));
	record(41, UNARY("%0 = be32 %0", a));
	record(42, UNARY("%0 = be64 %0", a));
	record(43, UNARY("%0 = le16 %0", a));
	record(44, UNARY("%0 = le32 %0", a));
	record(45, UNARY("%0 = le64 %0", a));
	record(46, UNARY32("%0 = %0", a));
	return 0;
}

/* Every comparison, in both widths: 22 bits of outcome. */
#define BRANCH(bit, op, cast) outcome |= (__u64)((cast)a op (cast)b) << (bit)

static __noinline __u64 comparisons(__u64 a, __u64 b)
{
	__u64 outcome = 0;

	BRANCH(0, ==, __u64);
	BRANCH(1, >, __u64);
	BRANCH(2, >=, __u64);
	BRANCH(3, <, __u64);
	BRANCH(4, <=, __u64);
	BRANCH(5, >, __s64);
	BRANCH(6, >=, __s64);
	BRANCH(7, <, __s64);
	BRANCH(8, <=, __s64);
	BRANCH(9, ==, __u32);
	BRANCH(10, >, __u32);
	BRANCH(11, <=, __u32);
	BRANCH(12, >, __s32);
	BRANCH(13, <=, __s32);
	if (a & b)
		outcome |= 1 << 14;
	if ((__u32)a & (__u32)b)
		outcome |= 1 << 15;
	return outcome;
}

SEC("tc")
int alu(struct __sk_buff *skb)
{
	__u8 *data = packet(skb, 14);
	__u64 a, b;

	if (!data)
		return TC_ACT_SHOT;
	a = *(__u64 *)data;
	b = *(__u64 *)(data + 6);

	/* The packet's words as they are, then narrowed to what makes trouble. */
	arithmetic(a, b);
	arithmetic(a, b & 0xff);
	arithmetic(a, 0);
	arithmetic(1ULL << 63, ~0ULL);
	arithmetic(0x80000000, ~0ULL);
	arithmetic(b, a >> 32 << 32);
	constants(a);
	constants(~0ULL);
	unary(a);
	unary(b);
	record(47, comparisons(a, b));
	record(48, comparisons(b, b));
	record(49, comparisons(a | 1ULL << 63, b & 0xff));
	return a * b >> 32;
}
