// SPDX-License-Identifier: MIT OR Apache-2.0
/* Values with a lock: what is changed under it, what updates leave alone, and what BPF_F_LOCK does. */
#include "oracle.h"

char LICENSE[] SEC("license") = "MIT OR Apache-2.0";

/* The lock shares its word. No padding: it would be whatever is on the stack. */
struct counter {
	__u8 tag[4];
	struct bpf_spin_lock lock;
	__u64 packets;
	__u64 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, struct counter);
} array SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 24);
	__type(key, __u32);
	__type(value, struct counter);
} hash SEC(".maps");

static __always_inline void exercise(void *map, __u32 slot, __u32 key, __u64 flags, __u8 *data, __u32 len)
{
	struct counter *found = bpf_map_lookup_elem(map, &key);
	struct counter new = { .packets = 1, .bytes = len };
	__u64 packets = 0;

	new.tag[0] = data[0];
	new.tag[3] = data[1];
	if (found) {
		bpf_spin_lock(&found->lock);
		packets = ++found->packets;
		found->bytes += len;
		found->tag[1] ^= data[2];
		bpf_spin_unlock(&found->lock);
	}
	record(slot, packets);
	record(slot + 1, bpf_map_update_elem(map, &key, &new, flags));
	if (data[3] & 1)
		record(slot + 2, bpf_map_delete_elem(map, &key));
	found = bpf_map_lookup_elem(map, &key);
	record(slot + 3, found ? found->packets + found->bytes + found->tag[1] : ~0ULL);
}

SEC("tc")
int spin_lock(struct __sk_buff *skb)
{
	__u8 *data = packet(skb, 14);

	if (!data)
		return TC_ACT_SHOT;
	exercise(&array, 0, data[5] & 15, data[11] & 7, data, skb->len);
	exercise(&hash, 4, data[5] & 31, data[4] & 7, data, skb->len);
	return TC_ACT_OK;
}
