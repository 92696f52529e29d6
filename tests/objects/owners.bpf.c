// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Objects that own objects: a value has a list of flows, each flow a list of
 * its frames and, by a pointer, the longest one so far. A flow that is dropped
 * goes with all of them.
 */
#include "object.h"

struct longest {
	__u64 len;
	__u64 number;
};

struct frame {
	struct bpf_list_node link;
	__u64 len;
};

struct flow {
	struct bpf_list_node link;
	struct bpf_spin_lock lock;
	__u32 seen;
	struct bpf_list_head frames __contains(frame, link);
	struct longest __kptr *longest;
	__u64 id;
};

struct flows {
	struct bpf_spin_lock lock;
	__u32 count;
	struct bpf_list_head list __contains(flow, link);
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, struct flows);
} all SEC(".maps");

__u32 frames;

static __always_inline __u32 note_longest(struct flow *flow, __u32 number, __u32 len)
{
	struct longest *longest = obj_new(struct longest), *old;
	__u32 out = 0;

	if (!longest)
		return -1;
	longest->len = len;
	longest->number = number;
	old = bpf_kptr_xchg(&flow->longest, longest);
	if (!old)
		return out;
	out = old->number;
	if (old->len > len)
		old = bpf_kptr_xchg(&flow->longest, old);
	if (old)
		obj_drop(old);
	return out;
}

SEC("tc")
int owners(struct __sk_buff *skb)
{
	__u32 number = frames++, key = mixed(number) % 5, out = 0;
	struct flows *flows, fresh = {};
	struct bpf_list_node *node;
	struct frame *frame;
	struct flow *flow;

	flows = bpf_map_lookup_elem(&all, &key);
	if (!flows) {
		bpf_map_update_elem(&all, &key, &fresh, BPF_NOEXIST);
		flows = bpf_map_lookup_elem(&all, &key);
		if (!flows)
			return -1;
	}
	bpf_spin_lock(&flows->lock);
	node = bpf_list_pop_front(&flows->list);
	bpf_spin_unlock(&flows->lock);
	if (node && number % 4) {
		flow = container_of(node, struct flow, link);
	} else {
		if (node)
			obj_drop(container_of(node, struct flow, link));
		flow = obj_new(struct flow);
		if (!flow)
			return -2;
		flow->id = number;
		/* A new object may hold what an old one left. */
		flow->seen = 0;
	}
	frame = obj_new(struct frame);
	if (frame) {
		frame->len = skb->len;
		bpf_spin_lock(&flow->lock);
		list_push_back(&flow->frames, &frame->link);
		flow->seen++;
		bpf_spin_unlock(&flow->lock);
	}
	if (flow->seen % 3 == 0) {
		bpf_spin_lock(&flow->lock);
		node = bpf_list_pop_front(&flow->frames);
		bpf_spin_unlock(&flow->lock);
		if (node) {
			frame = container_of(node, struct frame, link);
			out = frame->len;
			obj_drop(frame);
		}
	}
	out = out * 31 + note_longest(flow, number, skb->len);
	out = out * 31 + flow->id + flow->seen;
	bpf_spin_lock(&flows->lock);
	list_push_back(&flows->list, &flow->link);
	flows->count++;
	bpf_spin_unlock(&flows->lock);
	if (number % 19 == 0)
		bpf_map_delete_elem(&all, &key);
	return out;
}
