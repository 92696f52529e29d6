/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Reading the packet by BPF_LD | BPF_ABS/IND, the instructions that eBPF kept
 * from classic BPF and the only ones there were when tail calls came in.
 *
 * A load outside the frame ends the program at once with r0 = 0, which nobody
 * could count. So header() compares with the length first, and no load fails.
 */
#ifndef ACCESS_LD_ABS_H
#define ACCESS_LD_ABS_H

#include "parser.h"

unsigned long long load_byte(void *skb, unsigned long long off) asm("llvm.bpf.load.byte");
unsigned long long load_half(void *skb, unsigned long long off) asm("llvm.bpf.load.half");
unsigned long long load_word(void *skb, unsigned long long off) asm("llvm.bpf.load.word");

struct header {
	struct __sk_buff *skb;
	__u32 off;
};

/* The header of `len` bytes at `off`; false if the packet ends before it does. */
static __always_inline bool header(struct __sk_buff *skb, __u32 off, __u32 len,
				   struct header *h)
{
	h->skb = skb;
	h->off = off;
	return off + len <= STATE(skb)->end;
}

static __always_inline __u8 get8(const struct header *h, __u32 field)
{
	return load_byte(h->skb, h->off + field);
}

static __always_inline __u16 get16(const struct header *h, __u32 field)
{
	return load_half(h->skb, h->off + field);
}

static __always_inline __u32 get32(const struct header *h, __u32 field)
{
	return load_word(h->skb, h->off + field);
}

/* `words` times four bytes, as they are on the wire. */
static __always_inline void get_words(const struct header *h, __u32 field,
				      __be32 *to, __u32 words)
{
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < words; i++)
		to[i] = bpf_htonl(get32(h, field + i * 4));
}

#endif /* ACCESS_LD_ABS_H */
