// SPDX-License-Identifier: MIT OR Apache-2.0
/* Lists of lists of the same type: no end to what is freed with one. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define __contains(name, node) __attribute__((btf_decl_tag("contains:" #name ":" #node)))

struct bpf_list_head {
	__u64 opaque[2];
} __attribute__((aligned(8)));
struct bpf_list_node {
	__u64 opaque[3];
} __attribute__((aligned(8)));

struct chain {
	struct bpf_list_node in;
	struct bpf_spin_lock lock;
	struct bpf_list_head of __contains(chain, in);
};

SEC("tc")
int own_each_other(struct __sk_buff *skb)
{
	return skb->len + __builtin_btf_type_id(*(struct chain *)0, 0);
}

char _license[] SEC("license") = "GPL";
