// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * A tree over frames, ordered by length and then by arrival: each frame goes
 * in, and once there are 24 the shortest comes out.
 */
#include "object.h"

struct entry {
	__u64 key;
	struct bpf_rb_node node;
	__u32 number;
};

guarded(tree) struct bpf_spin_lock lock;
guarded(tree) struct bpf_rb_root tree __contains(entry, node);

__u32 frames;
__u32 waiting;
__u64 sum;

static bool shorter(struct bpf_rb_node *a, const struct bpf_rb_node *b)
{
	return container_of(a, struct entry, node)->key < container_of(b, struct entry, node)->key;
}

SEC("tc")
int ordered(struct __sk_buff *skb)
{
	__u32 number = frames++, out = 0;
	struct bpf_rb_node *first, *taken = NULL;
	struct entry *entry = obj_new(struct entry);

	if (!entry)
		return -1;
	entry->key = skb->len;
	entry->number = number;

	bpf_spin_lock(&lock);
	rbtree_add(&tree, &entry->node, shorter);
	waiting++;
	if (waiting > 24) {
		first = bpf_rbtree_first(&tree);
		if (first)
			taken = bpf_rbtree_remove(&tree, first);
		if (taken)
			waiting--;
	}
	bpf_spin_unlock(&lock);

	if (taken) {
		entry = container_of(taken, struct entry, node);
		out = entry->number * 4096 + entry->key;
		sum += out;
		obj_drop(entry);
	}
	return out;
}
