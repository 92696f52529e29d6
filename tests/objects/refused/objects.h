/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Objects that programs allocate: what Linux gives them, and some types. */
#ifndef OBJECTS_H
#define OBJECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#define __kptr __attribute__((btf_type_tag("kptr")))
#define __kptr_untrusted __attribute__((btf_type_tag("kptr_untrusted")))
#define __contains(type, node) __attribute__((btf_decl_tag("contains:" #type ":" #node)))
#define private(name) SEC(".data." #name) __attribute__((visibility("hidden"), aligned(8)))
/* The value is what it is: the compiler concludes nothing from where it came from. */
#define opaque(x) asm volatile("" : "+r"(x))

struct bpf_list_head {
	__u64 opaque[2];
} __attribute__((aligned(8)));
struct bpf_list_node {
	__u64 opaque[3];
} __attribute__((aligned(8)));
struct bpf_rb_root {
	__u64 opaque[2];
} __attribute__((aligned(8)));
struct bpf_rb_node {
	__u64 opaque[4];
} __attribute__((aligned(8)));
struct bpf_refcount {
	__u32 opaque;
} __attribute__((aligned(4)));

extern void *bpf_obj_new_impl(__u64 type, void *meta) __attribute__((section(".ksyms")));
extern void bpf_obj_drop_impl(void *object, void *meta) __attribute__((section(".ksyms")));
extern void *bpf_refcount_acquire_impl(void *object, void *meta) __attribute__((section(".ksyms")));
extern int bpf_list_push_front_impl(struct bpf_list_head *head, struct bpf_list_node *node, void *meta,
				    __u64 off) __attribute__((section(".ksyms")));
extern int bpf_list_push_back_impl(struct bpf_list_head *head, struct bpf_list_node *node, void *meta,
				   __u64 off) __attribute__((section(".ksyms")));
extern struct bpf_list_node *bpf_list_pop_front(struct bpf_list_head *head) __attribute__((section(".ksyms")));
extern struct bpf_list_node *bpf_list_front(struct bpf_list_head *head) __attribute__((section(".ksyms")));
extern struct bpf_rb_node *bpf_rbtree_remove(struct bpf_rb_root *root, struct bpf_rb_node *node)
	__attribute__((section(".ksyms")));
extern int bpf_rbtree_add_impl(struct bpf_rb_root *root, struct bpf_rb_node *node,
			       bool (*less)(struct bpf_rb_node *a, const struct bpf_rb_node *b), void *meta,
			       __u64 off) __attribute__((section(".ksyms")));
extern struct bpf_rb_node *bpf_rbtree_first(struct bpf_rb_root *root) __attribute__((section(".ksyms")));
extern struct bpf_rb_node *bpf_rbtree_left(struct bpf_rb_root *root, struct bpf_rb_node *node)
	__attribute__((section(".ksyms")));
extern void bpf_rcu_read_lock(void) __attribute__((section(".ksyms")));
extern void bpf_rcu_read_unlock(void) __attribute__((section(".ksyms")));

#define bpf_obj_new(type) ((type *)bpf_obj_new_impl(bpf_core_type_id_local(type), NULL))
#define bpf_obj_drop(object) bpf_obj_drop_impl(object, NULL)
#define bpf_refcount_acquire(object) ((typeof(object))bpf_refcount_acquire_impl(object, NULL))
#define bpf_list_push_front(head, node) bpf_list_push_front_impl(head, node, NULL, 0)
#define bpf_list_push_back(head, node) bpf_list_push_back_impl(head, node, NULL, 0)
#define bpf_rbtree_add(root, node, less) bpf_rbtree_add_impl(root, node, less, NULL, 0)

/* In a list only. */
struct item {
	long data;
	struct bpf_list_node link;
};

/* In a tree only. */
struct leaf {
	long key;
	int counts[4];
	struct bpf_rb_node node;
};

/* In either, counted. */
struct shared {
	long key;
	struct bpf_rb_node in_tree;
	struct bpf_list_node in_list;
	struct bpf_refcount refs;
};

/* A list of its own, behind its own lock. */
struct box {
	struct bpf_spin_lock lock;
	struct bpf_list_head items __contains(item, link);
	struct item __kptr *kept;
};

struct plain {
	long a;
	char bytes[8];
	void *pointer;
};

struct stash {
	struct leaf __kptr *leaf;
	struct plain __kptr *plain;
	struct shared __kptr *shared;
	struct plain __kptr_untrusted *seen;
	long number;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, int);
	__type(value, struct stash);
} stashes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, int);
	__type(value, struct box);
} boxes SEC(".maps");

private(A) struct bpf_spin_lock lock;
private(A) struct bpf_rb_root tree __contains(leaf, node);
private(A) struct bpf_list_head list __contains(item, link);
private(A) struct bpf_rb_root shared_tree __contains(shared, in_tree);
private(A) struct bpf_list_head shared_list __contains(shared, in_list);
private(B) struct bpf_spin_lock other_lock;

static bool less(struct bpf_rb_node *a, const struct bpf_rb_node *b)
{
	return container_of(a, struct leaf, node)->key < container_of(b, struct leaf, node)->key;
}

static __always_inline struct stash *stash(void)
{
	int key = 0;

	return bpf_map_lookup_elem(&stashes, &key);
}

char _license[] SEC("license") = "GPL";

#endif
