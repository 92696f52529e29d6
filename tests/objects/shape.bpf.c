// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * How a tree is built: each frame puts a node in and now and then takes one
 * out, from somewhere inside the tree, and then walks down and tells the keys
 * on its way.
 */
#include "object.h"

#define DEPTH 10

struct entry {
	struct bpf_rb_node node;
	__u64 key;
};

guarded(tree) struct bpf_spin_lock lock;
guarded(tree) struct bpf_rb_root tree __contains(entry, node);

__u32 frames;
__u32 nodes;
__u64 sum;

static bool lower(struct bpf_rb_node *a, const struct bpf_rb_node *b)
{
	return container_of(a, struct entry, node)->key < container_of(b, struct entry, node)->key;
}

SEC("tc")
int shape(struct __sk_buff *skb)
{
	__u32 number = frames++, way = mixed(number), hash = 0, depth;
	struct bpf_rb_node *at, *next, *taken = NULL;
	struct entry *entry = obj_new(struct entry);

	if (!entry)
		return -1;
	entry->key = mixed(way + skb->len) % 1000;

	bpf_spin_lock(&lock);
	rbtree_add(&tree, &entry->node, lower);
	nodes++;
	at = bpf_rbtree_root(&tree);
	for (depth = 0; depth < DEPTH && at; depth++) {
		hash = hash * 31 + container_of(at, struct entry, node)->key;
		next = way >> depth & 1 ? bpf_rbtree_left(&tree, at) : bpf_rbtree_right(&tree, at);
		if (!next)
			break;
		at = next;
		/* Where to stop differs, so that inner nodes are taken out, too. */
		if (depth == way >> 20 % 8 && nodes > 40)
			break;
	}
	if (at && nodes > 40 + (number / 200) % 30)
		taken = bpf_rbtree_remove(&tree, at);
	if (taken)
		nodes--;
	bpf_spin_unlock(&lock);

	if (taken) {
		entry = container_of(taken, struct entry, node);
		hash = hash * 31 + entry->key;
		obj_drop(entry);
	}
	sum += hash;
	return hash;
}
