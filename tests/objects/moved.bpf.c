// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * What is left of a counted object when the list it was in goes with its value:
 * the tree still has it, and it may go into another list or not.
 */
#include "object.h"

struct entry {
	struct bpf_list_node link;
	struct bpf_rb_node node;
	struct bpf_refcount references;
	__u64 number;
};

struct queue {
	struct bpf_spin_lock lock;
	struct bpf_list_head list __contains(entry, link);
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, struct queue);
} queues SEC(".maps");

guarded(tree) struct bpf_spin_lock lock;
guarded(tree) struct bpf_rb_root tree __contains(entry, node);

__u32 frames;

static bool older(struct bpf_rb_node *a, const struct bpf_rb_node *b)
{
	return container_of(a, struct entry, node)->number < container_of(b, struct entry, node)->number;
}

SEC("tc")
int moved(struct __sk_buff *skb)
{
	__u32 number = frames++, key = number % 2, other = key + 2, out = 0;
	struct queue *queue, fresh = {};
	struct entry *entry, *again;
	struct bpf_rb_node *first, *taken = NULL;

	bpf_map_update_elem(&queues, &key, &fresh, BPF_ANY);
	queue = bpf_map_lookup_elem(&queues, &key);
	entry = obj_new(struct entry);
	if (!entry)
		return -1;
	if (!queue) {
		obj_drop(entry);
		return -2;
	}
	entry->number = number;
	again = refcount_acquire(entry);
	bpf_spin_lock(&queue->lock);
	out = list_push_back(&queue->list, &entry->link);
	bpf_spin_unlock(&queue->lock);
	if (!again)
		return -3;
	bpf_spin_lock(&lock);
	out = out * 31 + rbtree_add(&tree, &again->node, older);
	bpf_spin_unlock(&lock);

	/* The list goes with the value, in one of three ways. */
	if (number % 3 == 0)
		bpf_map_delete_elem(&queues, &key);
	else if (number % 3 == 1)
		bpf_map_update_elem(&queues, &key, &fresh, BPF_EXIST);

	bpf_spin_lock(&lock);
	first = bpf_rbtree_first(&tree);
	if (first)
		taken = bpf_rbtree_remove(&tree, first);
	bpf_spin_unlock(&lock);
	if (!taken)
		return -(int)skb->len;
	entry = container_of(taken, struct entry, node);
	out = out * 31 + entry->number;
	bpf_map_update_elem(&queues, &other, &fresh, BPF_ANY);
	queue = bpf_map_lookup_elem(&queues, &other);
	if (!queue) {
		obj_drop(entry);
		return -5;
	}
	bpf_spin_lock(&queue->lock);
	out = out * 31 + list_push_front(&queue->list, &entry->link);
	bpf_spin_unlock(&queue->lock);
	return out;
}
