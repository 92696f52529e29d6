// SPDX-License-Identifier: MIT OR Apache-2.0
/* One broken rule each; what the verifier says is in refused.toml. */
#include "objects.h"

#define REFUSED(name) SEC("tc") int name(struct __sk_buff *skb)

REFUSED(not_checked)
{
	struct leaf *leaf = bpf_obj_new(struct leaf);

	leaf->key = skb->len;
	bpf_obj_drop(leaf);
	return 0;
}

REFUSED(beyond_the_object)
{
	struct leaf *leaf = bpf_obj_new(struct leaf);
	long key;

	if (!leaf)
		return 0;
	key = (&leaf->key)[8];
	bpf_obj_drop(leaf);
	return key;
}

REFUSED(beyond_the_member)
{
	struct plain *plain = bpf_obj_new(struct plain);
	long value;

	if (!plain)
		return 0;
	value = *(long *)(plain->bytes + 4);
	bpf_obj_drop(plain);
	return value;
}

REFUSED(half_a_pointer)
{
	struct plain *plain = bpf_obj_new(struct plain);
	int value;

	if (!plain)
		return 0;
	value = *(int *)&plain->pointer;
	bpf_obj_drop(plain);
	return value;
}

REFUSED(before_the_object)
{
	struct plain *plain = bpf_obj_new(struct plain);
	long value;

	if (!plain)
		return 0;
	value = (&plain->a)[-1];
	bpf_obj_drop(plain);
	return value;
}

REFUSED(at_a_variable)
{
	struct leaf *leaf = bpf_obj_new(struct leaf);
	long value;

	if (!leaf)
		return 0;
	value = leaf->counts[skb->len & 3];
	bpf_obj_drop(leaf);
	return value;
}

REFUSED(a_special_field)
{
	struct leaf *leaf = bpf_obj_new(struct leaf);
	long value;

	if (!leaf)
		return 0;
	value = leaf->node.opaque[1];
	bpf_obj_drop(leaf);
	return value;
}

REFUSED(a_kptr_of_an_object)
{
	struct box *box = bpf_obj_new(struct box);
	long value;

	if (!box)
		return 0;
	value = (long)box->kept;
	bpf_obj_drop(box);
	return value;
}

REFUSED(never_dropped)
{
	struct leaf *leaf = bpf_obj_new(struct leaf);

	return leaf ? leaf->key : 0;
}

REFUSED(used_after_drop)
{
	struct leaf *leaf = bpf_obj_new(struct leaf);

	if (!leaf)
		return 0;
	bpf_obj_drop(leaf);
	return leaf->key;
}

REFUSED(dropped_twice)
{
	struct leaf *leaf = bpf_obj_new(struct leaf);

	if (!leaf)
		return 0;
	bpf_obj_drop(leaf);
	bpf_obj_drop(leaf);
	return 0;
}

REFUSED(dropped_unchecked)
{
	bpf_obj_drop(bpf_obj_new(struct leaf));
	return 0;
}

REFUSED(dropped_in_the_middle)
{
	struct leaf *leaf = bpf_obj_new(struct leaf);

	if (leaf)
		bpf_obj_drop(&leaf->node);
	return 0;
}

REFUSED(a_value_dropped)
{
	struct stash *value = stash();

	if (value)
		bpf_obj_drop(value);
	return 0;
}

REFUSED(a_type_unknown)
{
	void *object = bpf_obj_new_impl(skb->len, NULL);

	if (object)
		bpf_obj_drop(object);
	return 0;
}

REFUSED(no_type)
{
	void *object = bpf_obj_new_impl(1, NULL);

	if (object)
		bpf_obj_drop(object);
	return 0;
}

REFUSED(allocated_in_a_lock)
{
	struct leaf *leaf;

	bpf_spin_lock(&lock);
	leaf = bpf_obj_new(struct leaf);
	bpf_spin_unlock(&lock);
	if (leaf)
		bpf_obj_drop(leaf);
	return 0;
}

REFUSED(added_without_lock)
{
	struct leaf *leaf = bpf_obj_new(struct leaf);

	if (leaf)
		bpf_rbtree_add(&tree, &leaf->node, less);
	return 0;
}

REFUSED(added_with_another_lock)
{
	struct leaf *leaf = bpf_obj_new(struct leaf);

	if (!leaf)
		return 0;
	bpf_spin_lock(&other_lock);
	bpf_rbtree_add(&tree, &leaf->node, less);
	bpf_spin_unlock(&other_lock);
	return 0;
}

REFUSED(another_lock_released)
{
	bpf_spin_lock(&lock);
	bpf_spin_unlock(&other_lock);
	return 0;
}

REFUSED(added_to_another_type)
{
	struct shared *shared = bpf_obj_new(struct shared);

	if (!shared)
		return 0;
	bpf_spin_lock(&lock);
	bpf_rbtree_add(&tree, &shared->in_tree, less);
	bpf_spin_unlock(&lock);
	return 0;
}

REFUSED(no_node_there)
{
	struct item *item = bpf_obj_new(struct item);

	if (!item)
		return 0;
	bpf_spin_lock(&lock);
	bpf_list_push_front(&list, (struct bpf_list_node *)item);
	bpf_spin_unlock(&lock);
	return 0;
}

REFUSED(no_list_there)
{
	struct item *item = bpf_obj_new(struct item);

	if (!item)
		return 0;
	bpf_spin_lock(&lock);
	bpf_list_push_front((struct bpf_list_head *)&tree, &item->link);
	bpf_spin_unlock(&lock);
	return 0;
}

REFUSED(a_list_on_the_stack)
{
	struct bpf_list_head head = {};
	struct item *item = bpf_obj_new(struct item);

	if (!item)
		return 0;
	bpf_spin_lock(&lock);
	bpf_list_push_front(&head, &item->link);
	bpf_spin_unlock(&lock);
	return 0;
}

REFUSED(added_twice)
{
	struct leaf *leaf = bpf_obj_new(struct leaf);

	if (!leaf)
		return 0;
	bpf_spin_lock(&lock);
	bpf_rbtree_add(&tree, &leaf->node, less);
	bpf_rbtree_add(&tree, &leaf->node, less);
	bpf_spin_unlock(&lock);
	return 0;
}

REFUSED(used_after_unlock)
{
	struct leaf *leaf = bpf_obj_new(struct leaf);

	if (!leaf)
		return 0;
	bpf_spin_lock(&lock);
	bpf_rbtree_add(&tree, &leaf->node, less);
	bpf_spin_unlock(&lock);
	return leaf->key;
}

REFUSED(first_unchecked)
{
	struct bpf_rb_node *node;
	long key;

	bpf_spin_lock(&lock);
	node = bpf_rbtree_first(&tree);
	key = container_of(node, struct leaf, node)->key;
	bpf_spin_unlock(&lock);
	return key;
}

REFUSED(first_dropped)
{
	struct bpf_rb_node *node;

	bpf_spin_lock(&lock);
	node = bpf_rbtree_first(&tree);
	bpf_spin_unlock(&lock);
	if (node)
		bpf_obj_drop(container_of(node, struct leaf, node));
	return 0;
}

REFUSED(first_kept)
{
	struct stash *value = stash();
	struct bpf_rb_node *node;

	if (!value)
		return 0;
	bpf_spin_lock(&lock);
	node = bpf_rbtree_first(&tree);
	if (node)
		bpf_kptr_xchg(&value->leaf, container_of(node, struct leaf, node));
	bpf_spin_unlock(&lock);
	return 0;
}

REFUSED(removed_and_lost)
{
	struct bpf_rb_node *node;

	bpf_spin_lock(&lock);
	node = bpf_rbtree_first(&tree);
	if (node)
		node = bpf_rbtree_remove(&tree, node);
	bpf_spin_unlock(&lock);
	return 0;
}

REFUSED(removed_after_unlock)
{
	struct bpf_rb_node *node;

	bpf_spin_lock(&lock);
	node = bpf_rbtree_first(&tree);
	bpf_spin_unlock(&lock);
	if (!node)
		return 0;
	bpf_spin_lock(&lock);
	bpf_rbtree_remove(&tree, node);
	bpf_spin_unlock(&lock);
	return 0;
}

REFUSED(left_of_nothing)
{
	bpf_spin_lock(&lock);
	bpf_rbtree_left(&tree, NULL);
	bpf_spin_unlock(&lock);
	return 0;
}

static bool unlocks(struct bpf_rb_node *a, const struct bpf_rb_node *b)
{
	bpf_spin_unlock(&lock);
	return a < b;
}

REFUSED(unlocked_while_comparing)
{
	struct leaf *leaf = bpf_obj_new(struct leaf);

	if (!leaf)
		return 0;
	bpf_spin_lock(&lock);
	bpf_rbtree_add(&tree, &leaf->node, unlocks);
	bpf_spin_unlock(&lock);
	return 0;
}

static bool removes(struct bpf_rb_node *a, const struct bpf_rb_node *b)
{
	bpf_rbtree_remove(&tree, a);
	return a < b;
}

REFUSED(removed_while_comparing)
{
	struct leaf *leaf = bpf_obj_new(struct leaf);

	if (!leaf)
		return 0;
	bpf_spin_lock(&lock);
	bpf_rbtree_add(&tree, &leaf->node, removes);
	bpf_spin_unlock(&lock);
	return 0;
}

static bool adds(struct bpf_rb_node *a, const struct bpf_rb_node *b)
{
	bpf_rbtree_add(&tree, a, less);
	return a < b;
}

REFUSED(added_while_comparing)
{
	struct leaf *leaf = bpf_obj_new(struct leaf);

	if (!leaf)
		return 0;
	bpf_spin_lock(&lock);
	bpf_rbtree_add(&tree, &leaf->node, adds);
	bpf_spin_unlock(&lock);
	return 0;
}

static bool reaches_beyond(struct bpf_rb_node *a, const struct bpf_rb_node *b)
{
	return (&container_of(a, struct leaf, node)->key)[10] < 0;
}

REFUSED(beyond_while_comparing)
{
	struct leaf *leaf = bpf_obj_new(struct leaf);

	if (!leaf)
		return 0;
	bpf_spin_lock(&lock);
	bpf_rbtree_add(&tree, &leaf->node, reaches_beyond);
	bpf_spin_unlock(&lock);
	return 0;
}

static int no_bool(struct bpf_rb_node *a, const struct bpf_rb_node *b)
{
	return container_of(a, struct leaf, node)->key + container_of(b, struct leaf, node)->key;
}

REFUSED(compared_by_a_number)
{
	struct leaf *leaf = bpf_obj_new(struct leaf);

	if (!leaf)
		return 0;
	bpf_spin_lock(&lock);
	bpf_rbtree_add(&tree, &leaf->node, (void *)no_bool);
	bpf_spin_unlock(&lock);
	return 0;
}

REFUSED(a_list_in_an_unlocked_box)
{
	struct box *box = bpf_obj_new(struct box);
	struct item *item;

	if (!box)
		return 0;
	item = bpf_obj_new(struct item);
	if (item)
		bpf_list_push_front(&box->items, &item->link);
	bpf_obj_drop(box);
	return 0;
}

REFUSED(the_lock_of_another_box)
{
	struct box *box = bpf_obj_new(struct box), *other;
	struct bpf_list_node *node;

	if (!box)
		return 0;
	other = bpf_obj_new(struct box);
	if (!other) {
		bpf_obj_drop(box);
		return 0;
	}
	bpf_spin_lock(&other->lock);
	node = bpf_list_pop_front(&box->items);
	bpf_spin_unlock(&other->lock);
	if (node)
		bpf_obj_drop(container_of(node, struct item, link));
	bpf_obj_drop(box);
	bpf_obj_drop(other);
	return 0;
}

REFUSED(no_lock_there)
{
	struct item *item = bpf_obj_new(struct item);

	if (!item)
		return 0;
	bpf_spin_lock((struct bpf_spin_lock *)item);
	bpf_spin_unlock((struct bpf_spin_lock *)item);
	bpf_obj_drop(item);
	return 0;
}

REFUSED(a_lock_beside)
{
	struct box *box = bpf_obj_new(struct box);

	if (!box)
		return 0;
	bpf_spin_lock(&box->lock + 1);
	bpf_spin_unlock(&box->lock + 1);
	bpf_obj_drop(box);
	return 0;
}

REFUSED(not_counted)
{
	struct leaf *leaf = bpf_obj_new(struct leaf), *same;

	if (!leaf)
		return 0;
	same = bpf_refcount_acquire(leaf);
	bpf_obj_drop(leaf);
	bpf_obj_drop(same);
	return 0;
}

REFUSED(counted_and_lost)
{
	struct shared *shared = bpf_obj_new(struct shared);

	if (!shared)
		return 0;
	bpf_refcount_acquire(shared);
	bpf_obj_drop(shared);
	return 0;
}

REFUSED(a_number_counted)
{
	struct shared *shared = bpf_refcount_acquire((struct shared *)(long)(skb->len | 1));

	bpf_obj_drop(shared);
	return 0;
}

REFUSED(counted_unchecked)
{
	struct shared *shared;
	struct bpf_list_node *node;

	bpf_spin_lock(&lock);
	node = bpf_list_front(&shared_list);
	if (!node) {
		bpf_spin_unlock(&lock);
		return 0;
	}
	shared = bpf_refcount_acquire(container_of(node, struct shared, in_list));
	bpf_spin_unlock(&lock);
	bpf_obj_drop(shared);
	return 0;
}

REFUSED(kept_as_another_type)
{
	struct stash *value = stash();
	struct plain *plain;
	void *old;

	if (!value)
		return 0;
	plain = bpf_obj_new(struct plain);
	if (!plain)
		return 0;
	old = bpf_kptr_xchg((void *)&value->leaf, (void *)plain);
	if (old)
		bpf_obj_drop(old);
	return 0;
}

REFUSED(kept_where_no_kptr_is)
{
	struct stash *value = stash();

	if (!value)
		return 0;
	bpf_kptr_xchg((void *)&value->number, NULL);
	return 0;
}

REFUSED(kept_without_owning)
{
	struct stash *value = stash();

	if (!value)
		return 0;
	bpf_kptr_xchg((void *)&value->seen, NULL);
	return 0;
}

REFUSED(kept_and_lost)
{
	struct stash *value = stash();

	if (value)
		bpf_kptr_xchg(&value->leaf, NULL);
	return 0;
}

REFUSED(kept_and_used)
{
	struct stash *value = stash();
	struct leaf *leaf, *old;

	if (!value)
		return 0;
	leaf = bpf_obj_new(struct leaf);
	if (!leaf)
		return 0;
	old = bpf_kptr_xchg(&value->leaf, leaf);
	if (old)
		bpf_obj_drop(old);
	return leaf->key;
}

REFUSED(kept_unchecked)
{
	struct stash *value = stash();
	struct leaf *old;

	if (!value)
		return 0;
	old = bpf_kptr_xchg(&value->leaf, bpf_obj_new(struct leaf));
	if (old)
		bpf_obj_drop(old);
	return 0;
}

REFUSED(kept_on_the_stack)
{
	struct leaf *slot = NULL, *old;

	old = bpf_kptr_xchg(&slot, NULL);
	if (old)
		bpf_obj_drop(old);
	return 0;
}

REFUSED(an_owner_overwritten)
{
	struct stash *value = stash();

	if (value)
		*(volatile long *)&value->leaf = 0;
	return 0;
}

REFUSED(an_owner_in_parts)
{
	struct stash *value = stash();

	return value ? *(volatile int *)&value->leaf : 0;
}

REFUSED(an_owner_askew)
{
	struct stash *value = stash();

	return value ? *(volatile long *)((char *)&value->leaf + 4) : 0;
}

REFUSED(an_owner_somewhere)
{
	struct stash *value = stash();
	long at = skb->len & 31;

	opaque(at);
	return value ? *((volatile char *)value + at) : 0;
}

REFUSED(owners_copied_out)
{
	struct stash *value = stash();

	if (value)
		bpf_map_update_elem(&stashes, &(int){ 0 }, value, 0);
	return 0;
}

REFUSED(seen_unchecked)
{
	struct stash *value = stash();

	return value ? value->leaf->key : 0;
}

REFUSED(seen_and_dropped)
{
	struct stash *value = stash();
	struct leaf *leaf;

	if (!value)
		return 0;
	leaf = value->leaf;
	if (leaf)
		bpf_obj_drop(leaf);
	return 0;
}

REFUSED(seen_after_rcu)
{
	struct stash *value = stash();
	struct leaf *leaf;

	if (!value)
		return 0;
	bpf_rcu_read_lock();
	leaf = value->leaf;
	bpf_rcu_read_unlock();
	if (leaf)
		leaf->key = 1;
	return 0;
}

REFUSED(written_untrusted)
{
	struct stash *value = stash();
	struct plain *plain;

	if (!value)
		return 0;
	plain = value->seen;
	if (plain)
		plain->a = 1;
	return 0;
}

REFUSED(a_number_as_seen)
{
	struct stash *value = stash();
	long number = skb->len | 1;

	if (value)
		*(volatile long *)&value->seen = number;
	return 0;
}

REFUSED(a_constant_as_seen)
{
	struct stash *value = stash();

	if (value)
		asm volatile("*(u64 *)(%0 + 24) = 1" ::"r"(value));
	return 0;
}

REFUSED(another_type_as_seen)
{
	struct stash *value = stash();
	struct leaf *leaf;

	if (!value)
		return 0;
	leaf = bpf_obj_new(struct leaf);
	if (!leaf)
		return 0;
	*(volatile long *)&value->seen = (long)leaf;
	bpf_obj_drop(leaf);
	return 0;
}

REFUSED(counted_in_the_middle)
{
	struct leaf *leaf = bpf_obj_new(struct leaf);

	if (!leaf)
		return 0;
	if (skb->len > 100)
		__sync_fetch_and_add((long *)&leaf->node, 1);
	bpf_obj_drop(leaf);
	return 0;
}

REFUSED(added_on_one_path)
{
	struct leaf *leaf = bpf_obj_new(struct leaf);

	if (!leaf)
		return 0;
	bpf_spin_lock(&lock);
	if (skb->len > 100)
		bpf_rbtree_add(&tree, &leaf->node, less);
	bpf_spin_unlock(&lock);
	bpf_obj_drop(leaf);
	return 0;
}

REFUSED(locked_on_one_path)
{
	struct bpf_list_node *node;
	__u32 len = skb->len;

	if (len > 100)
		bpf_spin_lock(&lock);
	opaque(len);
	node = bpf_list_front(&list);
	if (len > 100)
		bpf_spin_unlock(&lock);
	return node != NULL;
}

REFUSED(either_type)
{
	struct leaf *leaf = bpf_obj_new(struct leaf);
	struct plain *plain;
	void *either;
	long value;

	if (!leaf)
		return 0;
	plain = bpf_obj_new(struct plain);
	if (!plain) {
		bpf_obj_drop(leaf);
		return 0;
	}
	either = leaf;
	if (skb->len > 100)
		either = plain;
	opaque(either);
	value = *(long *)(either + offsetof(struct leaf, counts[1]));
	bpf_obj_drop(leaf);
	bpf_obj_drop(plain);
	return value;
}

REFUSED(kept_on_one_path)
{
	struct stash *value = stash();
	struct leaf *leaf, *old = NULL;

	if (!value)
		return 0;
	leaf = bpf_obj_new(struct leaf);
	if (!leaf)
		return 0;
	if (skb->len > 100)
		old = bpf_kptr_xchg(&value->leaf, leaf);
	if (old)
		bpf_obj_drop(old);
	bpf_obj_drop(leaf);
	return 0;
}

REFUSED(seen_before_unlock)
{
	struct stash *value = stash();
	struct leaf *leaf;

	if (!value)
		return 0;
	leaf = value->leaf;
	if (!leaf)
		return 0;
	bpf_spin_lock(&lock);
	bpf_spin_unlock(&lock);
	return leaf->key;
}

REFUSED(a_node_of_a_list_removed)
{
	struct bpf_list_node *node;

	bpf_spin_lock(&lock);
	node = bpf_list_front(&shared_list);
	if (node)
		bpf_rbtree_remove(&shared_tree, (struct bpf_rb_node *)node);
	bpf_spin_unlock(&lock);
	return 0;
}

REFUSED(lost_in_the_callback)
{
	struct shared *shared = bpf_obj_new(struct shared);

	if (!shared)
		return 0;
	bpf_spin_lock(&lock);
	bpf_rbtree_add(&shared_tree, &shared->in_tree, (void *)skb);
	bpf_spin_unlock(&lock);
	return 0;
}

/* Inside of the region, no lock takes it away; behind it, the kernel does not know what it is. */
REFUSED(read_after_rcu)
{
	struct stash *value = stash();
	struct plain *plain;

	if (!value)
		return 0;
	bpf_rcu_read_lock();
	plain = value->plain;
	if (!plain) {
		bpf_rcu_read_unlock();
		return 0;
	}
	bpf_spin_lock(&lock);
	bpf_spin_unlock(&lock);
	plain->a = 1;
	bpf_rcu_read_unlock();
	return plain->a;
}

REFUSED(written_after_rcu)
{
	struct stash *value = stash();
	struct plain *plain;

	if (!value)
		return 0;
	bpf_rcu_read_lock();
	plain = value->plain;
	if (!plain) {
		bpf_rcu_read_unlock();
		return 0;
	}
	plain->a = 1;
	bpf_rcu_read_unlock();
	plain->a = 2;
	return 0;
}
