// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Counted objects that are in a list and in a tree at once: the list has them
 * as they came, the tree by length. An object that is still in one of them when
 * it leaves the other is found there with what was written to it.
 */
#include "object.h"

struct entry {
	struct bpf_rb_node node;
	struct bpf_refcount references;
	__u32 len;
	struct bpf_list_node link;
	__u64 number;
	__u64 left;
};

guarded(both) struct bpf_spin_lock lock;
guarded(both) struct bpf_list_head list __contains(entry, link);
guarded(both) struct bpf_rb_root tree __contains(entry, node);

__u32 frames;
__u32 in_list;
__u32 in_tree;
__u64 sum;

static bool shorter(struct bpf_rb_node *a, const struct bpf_rb_node *b)
{
	return container_of(a, struct entry, node)->len < container_of(b, struct entry, node)->len;
}

/* In both. What is in the tree twice is refused the second time. */
static __always_inline int insert(__u32 number, __u32 len)
{
	struct entry *entry = obj_new(struct entry), *again, *thrice;
	int refused = 0;

	if (!entry)
		return -1;
	entry->number = number;
	entry->len = len;
	/* A new object may hold what an old one left. */
	entry->left = 0;
	again = refcount_acquire(entry);
	if (!again) {
		obj_drop(entry);
		return -2;
	}
	thrice = refcount_acquire(entry);
	bpf_spin_lock(&lock);
	rbtree_add(&tree, &entry->node, shorter);
	list_push_back(&list, &again->link);
	in_tree++;
	in_list++;
	if (thrice) {
		if (number % 2)
			refused = rbtree_add(&tree, &thrice->node, shorter);
		else
			refused = list_push_front(&list, &thrice->link);
	}
	bpf_spin_unlock(&lock);
	return refused;
}

SEC("tc")
int both(struct __sk_buff *skb)
{
	__u32 number = frames++, out = insert(number, skb->len);
	struct bpf_list_node *oldest = NULL;
	struct bpf_rb_node *first, *shortest = NULL;
	struct entry *entry;

	bpf_spin_lock(&lock);
	if (in_list > 10)
		oldest = bpf_list_pop_front(&list);
	if (oldest)
		in_list--;
	first = bpf_rbtree_first(&tree);
	if (first && in_tree > 15 + number % 10)
		shortest = bpf_rbtree_remove(&tree, first);
	if (shortest)
		in_tree--;
	bpf_spin_unlock(&lock);

	if (oldest) {
		entry = container_of(oldest, struct entry, link);
		out = out * 31 + entry->number * 2 + entry->left;
		entry->left += 7;
		obj_drop(entry);
	}
	if (shortest) {
		entry = container_of(shortest, struct entry, node);
		out = out * 31 + entry->number * 2 + entry->left;
		entry->left += 1;
		obj_drop(entry);
	}
	sum += out;
	return out;
}
