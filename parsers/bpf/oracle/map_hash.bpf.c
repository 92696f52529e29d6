// SPDX-License-Identifier: MIT OR Apache-2.0
/* Hash and per-CPU hash: lookup, update and delete with every flag, on tables that fill up. */
#include "oracle.h"

char LICENSE[] SEC("license") = "MIT OR Apache-2.0";

enum { ENTRIES = 24 };

/* Odd sizes on purpose: keys of 6 bytes, values of 20. */
struct key {
	__u8 mac[6];
};

struct value {
	__u32 packets;
	__u32 bytes;
	__u32 words[3];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, ENTRIES);
	__type(key, struct key);
	__type(value, struct value);
} hash SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, ENTRIES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct key);
	__type(value, struct value);
} hash_no_prealloc SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, ENTRIES);
	__type(key, struct key);
	__type(value, struct value);
} percpu_hash SEC(".maps");

static __always_inline void exercise(void *map, __u32 slot, struct key *key, struct value *value,
				     __u32 choice)
{
	struct value *found = bpf_map_lookup_elem(map, key);

	record(slot, found ? found->packets : ~0ULL);
	if (found) {
		found->packets++;
		found->bytes += value->bytes;
		found->words[choice & 1] ^= choice;
	}

	/* ANY, NOEXIST, EXIST, both, F_LOCK without a lock, unknown; or a delete. */
	switch (choice & 7) {
	case 6:
	case 7:
		record(slot + 1, bpf_map_delete_elem(map, key));
		break;
	default:
		record(slot + 2, bpf_map_update_elem(map, key, value, choice & 7));
	}
	record(slot + 3, bpf_map_lookup_elem(map, key) != NULL);
}

SEC("tc")
int map_hash(struct __sk_buff *skb)
{
	struct value value = { .bytes = skb->len };
	__u8 *data = packet(skb, 34);
	struct key key;
	__u32 choice;

	if (!data)
		return TC_ACT_SHOT;
	__builtin_memcpy(key.mac, data, sizeof(key.mac));
	choice = data[19] + data[25] + data[33];

	for (int i = 0; i < 3; i++) {
		key.mac[5] ^= i * 0x55;
		value.words[0] = choice * 3;
		exercise(&hash, 0, &key, &value, choice);
		exercise(&hash_no_prealloc, 4, &key, &value, choice + 1);
		exercise(&percpu_hash, 8, &key, &value, choice + 2);
		choice = choice * 5 + 1;
	}
	return TC_ACT_OK;
}
