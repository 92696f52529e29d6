// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * LD_ABS and LD_IND: at the edge of the packet, relative to the MAC and the
 * network header, and the loads that end the program (or the function they are
 * in) with 0.
 */
#include "oracle.h"
#include <linux/filter.h>

char LICENSE[] SEC("license") = "MIT OR Apache-2.0";

unsigned long long load_byte(void *skb, unsigned long long off) asm("llvm.bpf.load.byte");
unsigned long long load_half(void *skb, unsigned long long off) asm("llvm.bpf.load.half");
unsigned long long load_word(void *skb, unsigned long long off) asm("llvm.bpf.load.word");

/*
 * A failing load here ends this function, and its caller goes on with 0.
 * Global, because Linux 6.18 trips over its own check ("verifier bug: static
 * subprog unexpected regs") when the function is analysed inside its caller.
 */
__noinline int byte_at(struct __sk_buff *skb, __u32 off)
{
	return load_byte(skb, off) + 1;
}

SEC("tc")
int ld_abs(struct __sk_buff *skb)
{
	__u32 len = skb->len;

	record(0, load_byte(skb, 13));
	record(1, load_half(skb, 12));
	record(2, load_word(skb, 9));
	record(3, load_byte(skb, len - 1));
	record(4, load_half(skb, len - 2));
	record(5, load_word(skb, len - 4));

	record(6, load_byte(skb, SKF_LL_OFF + 6));
	record(7, load_half(skb, SKF_LL_OFF + 5));
	record(8, load_word(skb, SKF_LL_OFF + len - 4));
	if (len >= 18)
		record(9, load_word(skb, SKF_NET_OFF + len - 18));

	record(10, byte_at(skb, len - 1));
	record(11, byte_at(skb, len));
	record(12, byte_at(skb, SKF_AD_OFF));
	record(13, byte_at(skb, -1));
	record(14, byte_at(skb, SKF_LL_OFF + len));

	/* Each of these ends the program; which one is the packet's choice. */
	switch (load_byte(skb, len - 1) & 7) {
	case 0:
		return load_byte(skb, len) + 100;
	case 1:
		return load_half(skb, len - 1) + 100;
	case 2:
		return load_word(skb, len - 3) + 100;
	case 3:
		return load_byte(skb, SKF_NET_OFF + len) + 100;
	case 4:
		return load_word(skb, SKF_AD_OFF) + 100;
	case 5:
		return load_half(skb, 0x7fffffff) + 100;
	}
	return load_byte(skb, 0) + 100;
}
