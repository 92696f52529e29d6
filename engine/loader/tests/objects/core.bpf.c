// SPDX-License-Identifier: MIT OR Apache-2.0
/* Every kind of CO-RE relocation, against types of this object alone. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#define RELOCATED __attribute__((preserve_access_index))

struct nested {
	__u16 first;
	struct {
		__u8 anonymous;
		__u8 other;
	};
	__u32 numbers[5];
} RELOCATED;

enum colour { RED = 1, GREEN = 5, BLUE = -3 };
enum wide { SMALL = 1, LARGE = 0x123456789aULL };

struct sample {
	__u64 head;
	struct nested nested;
	__s16 below;
	__u32 low : 3;
	__u32 middle : 11;
	__s32 signed_bits : 9;
	enum colour colour;
	struct sample *next;
} RELOCATED;

/* What an older program thinks of struct sample. */
struct sample___old {
	__u64 head;
	__u64 gone;
	__s16 below;
} RELOCATED;

typedef struct {
	int x, y;
} point;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sample);
} samples SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u64);
} results SEC(".maps");

static __always_inline void put(__u32 index, __u64 value)
{
	bpf_map_update_elem(&results, &index, &value, 0);
}

SEC("tc")
int core(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct sample *s = bpf_map_lookup_elem(&samples, &zero);
	struct sample___old *old = (void *)s;

	if (!s)
		return 0;
	put(0, __builtin_preserve_field_info(s->nested.numbers[3], BPF_FIELD_BYTE_OFFSET));
	put(1, bpf_core_field_size(s->nested.numbers));
	put(2, bpf_core_field_exists(s->nested.other));
	put(3, bpf_core_field_exists(old->gone));
	put(4, __builtin_preserve_field_info(s->below, BPF_FIELD_SIGNED));
	put(5, BPF_CORE_READ_BITFIELD(s, middle));
	put(6, BPF_CORE_READ_BITFIELD(s, signed_bits));
	put(7, bpf_core_type_exists(struct sample));
	put(8, bpf_core_type_size(struct sample));
	put(9, bpf_core_type_id_local(struct sample));
	put(10, bpf_core_enum_value_exists(enum colour, GREEN));
	put(11, bpf_core_enum_value(enum colour, GREEN));
	put(12, bpf_core_enum_value(enum wide, LARGE));
	put(13, bpf_core_type_matches(struct sample));
	put(14, bpf_core_type_size(point));
	put(15, old->below);
	put(16, s->nested.numbers[2]);
	if (bpf_core_field_exists(old->gone))
		put(17, old->gone);
	s->nested.anonymous = 3;
	s->head = (__u64)skb->len;
	put(18, (__s64)bpf_core_enum_value(enum colour, BLUE));
	return 1;
}

char _license[] SEC("license") = "GPL";
