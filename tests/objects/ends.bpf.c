// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * A list looked at from both ends, and a node moved to where another list is.
 */
#include "object.h"

struct entry {
	struct bpf_list_node link;
	struct bpf_refcount references;
	__u64 number;
};

guarded(a) struct bpf_spin_lock lock;
guarded(a) struct bpf_list_head short_frames __contains(entry, link);
guarded(a) struct bpf_list_head long_frames __contains(entry, link);

__u32 frames;
__u64 sum;

static __always_inline __u32 ends_of(struct bpf_list_head *head)
{
	struct bpf_list_node *node;
	__u32 out = 1;

	node = bpf_list_front(head);
	if (node)
		out = container_of(node, struct entry, link)->number;
	node = bpf_list_back(head);
	if (node)
		out = out * 31 + container_of(node, struct entry, link)->number;
	return out;
}

SEC("tc")
int ends(struct __sk_buff *skb)
{
	__u32 number = frames++, out;
	struct entry *entry = obj_new(struct entry);
	struct bpf_list_node *node;

	if (!entry)
		return -1;
	entry->number = number;

	bpf_spin_lock(&lock);
	if (skb->len < 100)
		list_push_front(&short_frames, &entry->link);
	else
		list_push_back(&long_frames, &entry->link);
	out = ends_of(&short_frames) * 31 + ends_of(&long_frames);
	bpf_spin_unlock(&lock);

	if (number % 3 == 0) {
		bpf_spin_lock(&lock);
		node = bpf_list_pop_back(&short_frames);
		bpf_spin_unlock(&lock);
		if (node) {
			entry = container_of(node, struct entry, link);
			entry->number += 100000;
			bpf_spin_lock(&lock);
			out += list_push_front(&long_frames, &entry->link);
			bpf_spin_unlock(&lock);
		}
	}
	if (number > 20) {
		bpf_spin_lock(&lock);
		node = bpf_list_pop_front(&long_frames);
		if (!node)
			node = bpf_list_pop_front(&short_frames);
		bpf_spin_unlock(&lock);
		if (node) {
			entry = container_of(node, struct entry, link);
			out = out * 31 + entry->number;
			obj_drop(entry);
		}
	}
	sum += out;
	return out;
}
