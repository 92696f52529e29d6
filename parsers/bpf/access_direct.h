/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Reading the packet by direct access: one comparison with data_end proves a
 * whole header, and its fields are then plain loads from it.
 */
#ifndef ACCESS_DIRECT_H
#define ACCESS_DIRECT_H

#include "parser.h"

struct header {
	const __u8 *at;
};

/* The header of `len` bytes at `off`; false if the packet ends before it does. */
static __always_inline bool header(struct __sk_buff *skb, __u32 off, __u32 len,
				   struct header *h)
{
	if (off + len > STATE(skb)->end)
		return false;

	/* `end` is within the limit, so the mask only tells the verifier so. */
	h->at = (const __u8 *)(long)skb->data + (off & PARSE_MAX);
	return h->at + len <= (const __u8 *)(long)skb->data_end;
}

static __always_inline __u8 get8(const struct header *h, __u32 field)
{
	return h->at[field];
}

static __always_inline __u16 get16(const struct header *h, __u32 field)
{
	return bpf_ntohs(*(const __be16 *)(h->at + field));
}

static __always_inline __u32 get32(const struct header *h, __u32 field)
{
	return bpf_ntohl(*(const __be32 *)(h->at + field));
}

/* `words` times four bytes, as they are on the wire. */
static __always_inline void get_words(const struct header *h, __u32 field,
				      __be32 *to, __u32 words)
{
	__builtin_memcpy(to, h->at + field, words * 4);
}

#endif /* ACCESS_DIRECT_H */
