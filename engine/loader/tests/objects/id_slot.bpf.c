// SPDX-License-Identifier: MIT OR Apache-2.0
/* iproute2's conventions: `struct bpf_elf_map` with an id, and programs in sections "id/slot". */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct bpf_elf_map {
	__u32 type, size_key, size_value, max_elem, flags, id, pinning, inner_id, inner_idx;
};

struct bpf_elf_map jmp_tc SEC("maps") = {
	.type = BPF_MAP_TYPE_PROG_ARRAY,
	.id = 2,
	.size_key = 4,
	.size_value = 4,
	.pinning = 2,
	.max_elem = 4,
};

struct bpf_elf_map inner SEC("maps") = {
	.type = BPF_MAP_TYPE_ARRAY,
	.id = 7,
	.size_key = 4,
	.size_value = 8,
	.max_elem = 3,
};

struct bpf_elf_map outer SEC("maps") = {
	.type = BPF_MAP_TYPE_ARRAY_OF_MAPS,
	.size_key = 4,
	.size_value = 4,
	.inner_id = 7,
	.max_elem = 2,
};

SEC("2/0")
int zero(struct __sk_buff *skb)
{
	skb->mark = 100;
	return 0;
}

SEC("2/0x3")
int three(struct __sk_buff *skb)
{
	__u32 key = skb->ifindex;

	return bpf_map_lookup_elem(&inner, &key) ? 1 : 3;
}

SEC("classifier")
int entry(struct __sk_buff *skb)
{
	__u32 key = 0;

	if (!bpf_map_lookup_elem(&outer, &key))
		bpf_tail_call(skb, &jmp_tc, skb->protocol);
	return -1;
}

char _license[] SEC("license") = "MIT";
