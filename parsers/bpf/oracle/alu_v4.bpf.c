// SPDX-License-Identifier: MIT OR Apache-2.0
/* What cpu v4 added: signed division, sign extension in moves and loads, byte swaps, long jumps, stores of constants. */
#include "oracle.h"
#include "alu.h"

char LICENSE[] SEC("license") = "MIT OR Apache-2.0";

static __noinline __u64 signed_division(__u64 a, __u64 b)
{
	record(0, ALU64("s/=", a, b));
	record(1, ALU64("s%%=", a, b));
	record(2, ALU32("s/=", a, b));
	record(3, ALU32("s%%=", a, b));
	record(4, ALU64_K("s/=", a, -1));
	record(5, ALU64_K("s%%=", a, -1));
	record(6, ALU32_K("s/=", a, -1));
	record(7, ALU32_K("s%%=", a, -7));
	record(8, ALU64_K("s/=", a, 10));
	return 0;
}

static __noinline __u64 sign_extension(__u64 a)
{
	record(9, UNARY("%0 = (s8)%0", a));
	record(10, UNARY("%0 = (s16)%0", a));
	record(11, UNARY("%0 = (s32)%0", a));
	record(12, UNARY32("%0 = (s8)%0", a));
	record(13, UNARY32("%0 = (s16)%0", a));
	record(14, UNARY("%0 = bswap16 %0", a));
	record(15, UNARY("%0 = bswap32 %0", a));
	record(16, UNARY("%0 = bswap64 %0", a));
	return 0;
}

#define LOAD_SIGNED(width, at)								\
	({										\
		__u64 loaded;								\
		asm volatile("%0 = *(" width " *)(%1 + 0)" : "=r"(loaded) : "r"(at));	\
		loaded;									\
	})

/* ST: constants of every width, into memory that is then read back. */
static __noinline __u64 constant_stores(void)
{
	__u64 memory[2] = { 0, 0 };

	asm volatile("*(u64 *)(%0 + 0) = -2\n\t"
		     "*(u32 *)(%0 + 8) = -3\n\t"
		     "*(u16 *)(%0 + 12) = 0x7654\n\t"
		     "*(u8 *)(%0 + 14) = 0x98\n\t"
		     :: "r"(memory) : "memory");
	return memory[0] ^ memory[1];
}

SEC("tc")
int alu_v4(struct __sk_buff *skb)
{
	__u8 *data = packet(skb, 14);
	__u64 a, b, taken;

	if (!data)
		return TC_ACT_SHOT;
	a = *(__u64 *)data;
	b = *(__u64 *)(data + 6);
	record(17, LOAD_SIGNED("s8", data + 1));
	record(18, LOAD_SIGNED("s16", data + 3));
	record(19, LOAD_SIGNED("s32", data + 5));

	signed_division(a, b);
	signed_division(a, (__s64)(__s8)b);
	signed_division(a, 0);
	signed_division(1ULL << 63, ~0ULL);
	signed_division(0x80000000, 0xffffffff);
	sign_extension(a);
	sign_extension(b);
	record(20, constant_stores());

	taken = b & 1;
	asm volatile("if %0 == 0 goto +1\n\t"
		     "gotol +1\n\t"
		     "%0 += 100\n\t"
		     "%0 += 2\n\t"
		     : "+r"(taken));
	record(21, taken);
	return (__s64)a / 1000;
}
