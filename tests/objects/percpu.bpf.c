// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Objects that are there for each CPU: values own counters, which a frame finds
 * through its own CPU's, adds up over all of them, and now and then replaces.
 */
#include "object.h"

#define CPUS_MAX 64

struct counter {
	__u64 frames;
	__u64 bytes;
};

struct slot {
	struct counter __percpu_kptr *counter;
	__u64 made;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, struct slot);
} slots SEC(".maps");

__u32 frames;

/* A new object may hold what an old one left. */
static __always_inline void clear(struct counter __percpu_kptr *counter)
{
	struct counter *one;
	int cpu;

	for (cpu = 0; cpu < CPUS_MAX; cpu++) {
		one = bpf_per_cpu_ptr(counter, cpu);
		if (!one)
			break;
		one->frames = 0;
		one->bytes = 0;
	}
}

static __always_inline __u64 total(struct counter __percpu_kptr *counter)
{
	struct counter *one;
	__u64 sum = 0;
	int cpu;

	for (cpu = 0; cpu < CPUS_MAX; cpu++) {
		one = bpf_per_cpu_ptr(counter, cpu);
		if (!one)
			break;
		sum += one->frames * 65536 + one->bytes;
	}
	return sum;
}

SEC("tc")
int percpu(struct __sk_buff *skb)
{
	__u32 number = frames++, key = mixed(number) % 8, out = 0;
	struct counter __percpu_kptr *counter, *old;
	struct slot *slot, fresh = {};
	struct counter *mine;

	slot = bpf_map_lookup_elem(&slots, &key);
	if (!slot) {
		bpf_map_update_elem(&slots, &key, &fresh, BPF_NOEXIST);
		slot = bpf_map_lookup_elem(&slots, &key);
		if (!slot)
			return -1;
	}
	if (!slot->counter || number % 29 == 0) {
		counter = percpu_obj_new(struct counter);
		if (!counter)
			return -2;
		old = bpf_kptr_xchg(&slot->counter, counter);
		clear(counter);
		slot->made++;
		if (old) {
			out = 7;
			percpu_obj_drop(old);
		}
	}
	counter = slot->counter;
	if (!counter)
		return -3;
	mine = bpf_this_cpu_ptr(counter);
	mine->frames++;
	mine->bytes += skb->len;
	out = out * 31 + total(counter);
	if (number % 31 == 0)
		bpf_map_delete_elem(&slots, &key);
	return out;
}
