// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * What Linux accepts, although there may be no object: it forgets that at the end of an RCU region, or never knew.
 * What the verifier says is in stricter.toml.
 */
#include "objects.h"

#define STRICTER(name) SEC("tc") int name(struct __sk_buff *skb)
#define __percpu_kptr __attribute__((btf_type_tag("percpu_kptr")))

/* Counted, and in no list or tree. */
struct counted {
	struct bpf_refcount refs;
	long number;
};

struct more {
	struct counted __kptr *counted;
	struct plain __percpu_kptr *percpu;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, int);
	__type(value, struct more);
} more SEC(".maps");

/* The compiler describes a type that something is done with. */
static __always_inline void types(void)
{
	__u64 type;

#define DESCRIBED(name) type = bpf_core_type_id_local(name); opaque(type)
	DESCRIBED(struct item);
	DESCRIBED(struct leaf);
	DESCRIBED(struct shared);
	DESCRIBED(struct plain);
	DESCRIBED(struct box);
	DESCRIBED(struct counted);
}

static __always_inline struct more *more_of(void)
{
	int key = 0;

	return bpf_map_lookup_elem(&more, &key);
}

STRICTER(read_unchecked)
{
	struct stash *value = stash();
	struct leaf *leaf;

	types();
	if (!value)
		return 0;
	bpf_rcu_read_lock();
	leaf = value->leaf;
	bpf_rcu_read_unlock();
	return leaf->key;
}

STRICTER(read_at_an_offset)
{
	struct stash *value = stash();
	struct leaf *leaf;

	if (!value)
		return 0;
	bpf_rcu_read_lock();
	leaf = value->leaf;
	bpf_rcu_read_unlock();
	leaf = (struct leaf *)((char *)leaf + 8);
	opaque(leaf);
	return leaf->key;
}

STRICTER(checked_on_one_path)
{
	struct stash *value = stash();
	struct leaf *leaf;

	if (!value)
		return 0;
	bpf_rcu_read_lock();
	leaf = value->leaf;
	bpf_rcu_read_unlock();
	if (skb->len > 100 && !leaf)
		return 1;
	return leaf->key;
}

STRICTER(acquired_unchecked)
{
	struct stash *value = stash();
	struct shared *shared;

	if (!value)
		return 0;
	bpf_rcu_read_lock();
	shared = value->shared;
	bpf_rcu_read_unlock();
	shared = bpf_refcount_acquire(shared);
	if (shared)
		bpf_obj_drop(shared);
	return 0;
}

STRICTER(acquired_and_gone)
{
	struct more *value = more_of();
	struct counted *counted;
	long number;

	if (!value)
		return 0;
	counted = value->counted;
	if (!counted)
		return 0;
	counted = bpf_refcount_acquire(counted);
	number = counted->number;
	bpf_obj_drop(counted);
	return number;
}

STRICTER(of_no_cpu)
{
	struct more *value = more_of();
	struct plain __percpu_kptr *percpu;
	struct plain *plain;

	if (!value)
		return 0;
	percpu = value->percpu;
	if (!percpu)
		return 0;
	plain = bpf_per_cpu_ptr(percpu, skb->len);
	return plain->a;
}
