/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Single ALU instructions on run-time operands. Written as instructions,
 * because C leaves undefined what BPF defines: division by zero, shifts beyond
 * the width, overflow.
 */
#ifndef ALU_H
#define ALU_H

/*
 * dst OP src, in 64 bits (constraint r: a register) or in 32 (w: the lower half
 * of one, written with the upper half zeroed).
 */
#define ALU64(op, a, b)									\
	({										\
		__u64 dst = (a), src = (b);						\
		asm volatile("%0 " op " %1" : "+r"(dst) : "r"(src));			\
		dst;									\
	})

#define ALU32(op, a, b)									\
	({										\
		__u32 dst = (a), src = (b);						\
		asm volatile("%0 " op " %1" : "+w"(dst) : "w"(src));			\
		(__u64)dst;								\
	})

#define ALU64_K(op, a, k)								\
	({										\
		__u64 dst = (a);							\
		asm volatile("%0 " op " " #k : "+r"(dst));				\
		dst;									\
	})

#define ALU32_K(op, a, k)								\
	({										\
		__u32 dst = (a);							\
		asm volatile("%0 " op " " #k : "+w"(dst));				\
		(__u64)dst;								\
	})

/* An instruction with one operand, such as `r1 = be16 r1`. */
#define UNARY(text, a)									\
	({										\
		__u64 dst = (a);							\
		asm volatile(text : "+r"(dst));						\
		dst;									\
	})

#define UNARY32(text, a)								\
	({										\
		__u32 dst = (a);							\
		asm volatile(text : "+w"(dst));						\
		(__u64)dst;								\
	})

#endif /* ALU_H */
