/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Arguments nobody would think of: xorshift over the runs of a program, the
 * same numbers on every engine because every engine has the same runs.
 */
#ifndef RANDOM_H
#define RANDOM_H

#include "oracle.h"

static __u64 state = 0x9e3779b97f4a7c15ULL;

static __always_inline __u32 draw(void)
{
	__u64 x = state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	state = x;
	return (x * 0x2545f4914f6cdd1dULL) >> 32;
}

/* Mostly in the range, sometimes anything. */
static __always_inline __u32 below(__u32 limit)
{
	__u32 r = draw();

	return r & 0xf ? (r >> 8) % limit : draw();
}

#endif /* RANDOM_H */
