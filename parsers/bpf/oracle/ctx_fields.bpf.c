// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * The context: loads of every width from the fields that allow them, narrow
 * ones with the kernel's quirks (a load as wide as the kernel's own field is
 * not shifted), and the stores that truncate.
 */
#include "oracle.h"

char LICENSE[] SEC("license") = "MIT OR Apache-2.0";

/* Written as instructions, for the offset and the width to be exactly these. */
#define LOAD(width, off)								\
	({										\
		__u64 loaded;								\
		asm volatile("%0 = *(" width " *)(%1 + %2)"				\
			     : "=r"(loaded)						\
			     : "r"(skb), "i"(off));					\
		loaded;									\
	})

#define STORE(width, off, value)							\
	asm volatile("*(" width " *)(%0 + %1) = %2"					\
		     :: "r"(skb), "i"(off), "r"((__u64)(value)) : "memory")

#define OFF(field) offsetof(struct __sk_buff, field)

/* A field by the word, by halves, by bytes: seven loads into one slot. */
#define RECORD_FIELD(slot, field)							\
	do {										\
		record(slot, LOAD("u32", OFF(field)));					\
		record(slot, LOAD("u16", OFF(field)));					\
		record(slot, LOAD("u16", OFF(field) + 2));				\
		record(slot, LOAD("u8", OFF(field)));					\
		record(slot, LOAD("u8", OFF(field) + 1));				\
		record(slot, LOAD("u8", OFF(field) + 2));				\
		record(slot, LOAD("u8", OFF(field) + 3));				\
	} while (0)

static __always_inline void record_all(struct __sk_buff *skb, __u32 slot)
{
	RECORD_FIELD(slot + 0, len);
	RECORD_FIELD(slot + 1, pkt_type);
	RECORD_FIELD(slot + 2, mark);
	RECORD_FIELD(slot + 3, queue_mapping);
	RECORD_FIELD(slot + 4, protocol);
	RECORD_FIELD(slot + 5, vlan_present);
	RECORD_FIELD(slot + 6, vlan_tci);
	RECORD_FIELD(slot + 7, vlan_proto);
	RECORD_FIELD(slot + 8, priority);
	RECORD_FIELD(slot + 9, ingress_ifindex);
	RECORD_FIELD(slot + 10, ifindex);
	RECORD_FIELD(slot + 11, tc_index);
	RECORD_FIELD(slot + 12, hash);
	RECORD_FIELD(slot + 13, tc_classid);
	RECORD_FIELD(slot + 14, napi_id);
	RECORD_FIELD(slot + 15, wire_len);
	RECORD_FIELD(slot + 16, gso_segs);
	RECORD_FIELD(slot + 17, gso_size);
	RECORD_FIELD(slot + 18, cb[0]);
	RECORD_FIELD(slot + 19, cb[4]);
	record(slot + 20, LOAD("u64", OFF(tstamp)));
	record(slot + 21, LOAD("u64", OFF(cb[0])));
	record(slot + 22, LOAD("u64", OFF(cb[2])));
	record(slot + 23, skb->data_end - skb->data);
}

SEC("tc")
int ctx_fields(struct __sk_buff *skb)
{
	__u8 *data = packet(skb, 14);
	__u64 value;

	if (!data)
		return TC_ACT_SHOT;
	value = *(__u64 *)(data + 4);
	record_all(skb, 0);

	STORE("u32", OFF(mark), value);
	STORE("u32", OFF(priority), value >> 32);
	STORE("u32", OFF(tc_index), value >> 8);
	STORE("u32", OFF(tc_classid), value >> 16);
	STORE("u32", OFF(queue_mapping), value & 0x1ffff);
	STORE("u64", OFF(tstamp), value);
	STORE("u64", OFF(cb[0]), value);
	STORE("u16", OFF(cb[1]), value >> 3);
	STORE("u64", OFF(cb[2]), ~value);
	STORE("u8", OFF(cb[3]) + 1, value >> 5);
	STORE("u32", OFF(cb[4]), value * 7);
	record_all(skb, 24);

	/* From 0xffff on, compared as 64 bits, queue_mapping ignores a store. */
	STORE("u32", OFF(queue_mapping), 0xfffe);
	record(48, LOAD("u32", OFF(queue_mapping)));
	STORE("u32", OFF(queue_mapping), 0xffff);
	record(49, LOAD("u32", OFF(queue_mapping)));
	STORE("u32", OFF(queue_mapping), 0x100000001ULL);
	record(50, LOAD("u32", OFF(queue_mapping)));
	return LOAD("u8", OFF(mark) + 1);
}
