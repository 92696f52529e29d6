// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Objects that values of maps own: each frame leaves one for a later frame, and
 * finds what an earlier one left. Elements go and are replaced with what they
 * own.
 */
#include "object.h"

struct note {
	__u64 number;
	__u64 len;
};

struct slot {
	__u64 writes;
	struct note __kptr *note;
	__u64 last;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, struct slot);
} slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct slot);
} by_len SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct slot);
} of_cpu SEC(".maps");

__u32 frames;

/* What was left there, and what is there now. */
static __always_inline __u32 exchange(struct slot *slot, __u32 number, __u32 len)
{
	struct note *note = obj_new(struct note), *seen, *old;
	__u32 out = 1;

	if (!note)
		return -1;
	note->number = number;
	note->len = len;
	seen = slot->note;
	if (seen)
		out = seen->len;
	old = bpf_kptr_xchg(&slot->note, note);
	if (old) {
		out = out * 31 + old->number;
		obj_drop(old);
		/* Who found it by the slot may still look at it. */
		if (seen)
			out = out * 31 + seen->len;
	}
	slot->writes++;
	slot->last = number;
	return out;
}

SEC("tc")
int stash(struct __sk_buff *skb)
{
	__u32 number = frames++, key = mixed(number) % 4, len = skb->len % 100, zero = 0, out;
	struct slot *slot, fresh = {};

	slot = bpf_map_lookup_elem(&slots, &key);
	if (!slot)
		return -2;
	out = exchange(slot, number, skb->len);
	if (number % 37 == 0) {
		fresh.last = number;
		bpf_map_update_elem(&slots, &key, &fresh, BPF_ANY);
	}

	slot = bpf_map_lookup_elem(&by_len, &len);
	if (!slot) {
		out = out * 31 + bpf_map_update_elem(&by_len, &len, &fresh, BPF_NOEXIST);
		slot = bpf_map_lookup_elem(&by_len, &len);
	}
	if (slot)
		out = out * 31 + exchange(slot, number, skb->len);
	if (number % 11 == 0)
		bpf_map_delete_elem(&by_len, &len);
	if (number % 13 == 0)
		bpf_map_update_elem(&by_len, &len, &fresh, BPF_EXIST);

	slot = bpf_map_lookup_elem(&of_cpu, &zero);
	if (slot)
		out = out * 31 + exchange(slot, number, skb->len);
	if (number % 17 == 0)
		bpf_map_update_elem(&of_cpu, &zero, &fresh, BPF_ANY);
	return out;
}
