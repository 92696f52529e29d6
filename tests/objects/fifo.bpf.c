// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * A queue over frames: each frame goes in at one end, and once there are eight
 * the oldest comes out. Every fifth frame jumps the queue, every seventh is
 * taken back at once.
 */
#include "object.h"

struct entry {
	struct bpf_list_node node;
	__u32 number;
	__u32 len;
};

struct queue {
	struct bpf_spin_lock lock;
	__u32 waiting;
	struct bpf_list_head entries __contains(entry, node);
	__u64 sum;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 3);
	__type(key, __u32);
	__type(value, struct queue);
} queues SEC(".maps");

__u32 frames;

SEC("tc")
int fifo(struct __sk_buff *skb)
{
	__u32 number = frames++, key = number % 3, out = 0;
	struct bpf_list_node *oldest = NULL;
	struct queue *queue = bpf_map_lookup_elem(&queues, &key);
	struct entry *entry;

	if (!queue)
		return -1;
	entry = obj_new(struct entry);
	if (!entry)
		return -2;
	/* A queue may be emptied under the feet of those who wait. */
	if (number % 1000 == 999) {
		struct queue fresh = { .sum = number };

		obj_drop(entry);
		return bpf_map_update_elem(&queues, &key, &fresh, BPF_ANY);
	}
	entry->number = number;
	entry->len = skb->len;

	bpf_spin_lock(&queue->lock);
	if (number % 5 == 0)
		list_push_front(&queue->entries, &entry->node);
	else
		list_push_back(&queue->entries, &entry->node);
	queue->waiting++;
	if (number % 7 == 0)
		oldest = bpf_list_pop_back(&queue->entries);
	else if (queue->waiting > 8)
		oldest = bpf_list_pop_front(&queue->entries);
	if (oldest)
		queue->waiting--;
	bpf_spin_unlock(&queue->lock);

	if (oldest) {
		entry = container_of(oldest, struct entry, node);
		out = entry->number * 4096 + entry->len;
		queue->sum += out;
		obj_drop(entry);
	}
	return out;
}
