// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Objects of types that no list or tree can have, looked at where values of maps
 * keep them: no lock that is released takes them away.
 */
#include "object.h"

extern void bpf_rcu_read_lock(void) __ksym;
extern void bpf_rcu_read_unlock(void) __ksym;

struct note {
	__u64 number;
	__u64 len;
};

struct counted {
	struct bpf_refcount refs;
	__u64 number;
};

struct slot {
	struct note __kptr *note;
	struct counted __kptr *counted;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, struct slot);
} slots SEC(".maps");

guarded(seen) struct bpf_spin_lock lock;
guarded(seen) __u64 sum;

__u32 frames;

static __always_inline __u64 add(__u64 number)
{
	__u64 now;

	bpf_spin_lock(&lock);
	sum += number;
	now = sum;
	bpf_spin_unlock(&lock);
	return now;
}

/* In a region of its own, and counted for as long as it takes. */
static __always_inline __u32 look_at_counted(struct slot *slot)
{
	struct counted *counted, *taken = NULL;
	__u32 out = 0;

	bpf_rcu_read_lock();
	counted = slot->counted;
	if (counted) {
		out = add(counted->number);
		out = out * 31 + counted->number;
		taken = refcount_acquire(counted);
	}
	bpf_rcu_read_unlock();
	if (taken) {
		out = out * 31 + taken->number;
		taken->number++;
		obj_drop(taken);
	}
	return out;
}

static __always_inline void replace(struct slot *slot, __u32 number, __u32 len)
{
	struct counted *counted = obj_new(struct counted);
	struct note *note = obj_new(struct note);

	if (counted) {
		counted->number = number;
		counted = bpf_kptr_xchg(&slot->counted, counted);
		if (counted)
			obj_drop(counted);
	}
	if (note) {
		note->number = number;
		note->len = len;
		note = bpf_kptr_xchg(&slot->note, note);
		if (note)
			obj_drop(note);
	}
}

SEC("tc")
int seen(struct __sk_buff *skb)
{
	__u32 number = frames++, key = mixed(number) % 4, out = 0;
	struct slot *slot;
	struct note *note;

	slot = bpf_map_lookup_elem(&slots, &key);
	if (!slot)
		return -1;
	note = slot->note;
	if (note) {
		out = add(note->len);
		out = out * 31 + note->number;
		note->len++;
	}
	out = out * 31 + look_at_counted(slot);
	if (number % 3 == 0) {
		/* Where the region ended, what was found before was lost. */
		note = slot->note;
		replace(slot, number, skb->len);
		/* Whoever found it may still look at it. */
		if (note)
			out = out * 31 + note->len;
	}
	return out;
}
