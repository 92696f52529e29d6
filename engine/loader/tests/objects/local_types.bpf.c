// SPDX-License-Identifier: MIT OR Apache-2.0
/* Structures with fields that programs reach through kernel functions: in a data section, a map's values, and objects. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define __kptr __attribute__((btf_type_tag("kptr")))
#define __kptr_untrusted __attribute__((btf_type_tag("kptr_untrusted")))
#define __contains(name, node) __attribute__((btf_decl_tag("contains:" #name ":" #node)))

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

struct plain {
	long a;
	long b;
};

struct leaf {
	int key;
	struct bpf_list_node link;
};

struct both {
	long key;
	struct bpf_rb_node in_tree;
	struct bpf_list_node in_list;
	struct bpf_refcount count;
	struct plain __kptr *beside;
};

struct value {
	struct bpf_spin_lock lock;
	struct both __kptr *owned[2];
	struct plain __kptr_untrusted *seen;
	struct bpf_list_head leaves __contains(leaf, link);
	struct {
		struct plain __kptr *within;
	} inner;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, int);
	__type(value, struct value);
} values SEC(".maps");

#define private SEC(".data.A") __attribute__((visibility("hidden"), aligned(8)))
private struct bpf_spin_lock tree_lock;
private struct bpf_rb_root tree __contains(both, in_tree);

SEC("tc")
int local_types(struct __sk_buff *skb)
{
	struct value *value;
	int key = 0;

	value = bpf_map_lookup_elem(&values, &key);
	if (!value)
		return 0;
	bpf_spin_lock(&tree_lock);
	bpf_spin_unlock(&tree_lock);
	return skb->len + __builtin_btf_type_id(*(struct leaf *)0, 0) + __builtin_btf_type_id(*(struct both *)0, 0) +
	       __builtin_btf_type_id(*(struct plain *)0, 0);
}

char _license[] SEC("license") = "GPL";
