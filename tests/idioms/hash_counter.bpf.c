// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * A counter in a hash map: look it up; if it is not there, insert it, unless
 * somebody else just did; then look again.
 *
 * Each lookup gives a pointer that may be NULL, with an identity of its own.
 * The sum whose result nobody wants is `lock add` at every -mcpu. Where the old
 * value is wanted, BPF_FETCH is needed, which v1 and v2 do not have.
 */
#include "idiom.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u64);
} frames_by_len SEC(".maps");

SEC("tc")
int hash_counter(struct __sk_buff *skb)
{
	__u32 len = skb->len;
	__u64 *count = bpf_map_lookup_elem(&frames_by_len, &len), one = 1;

	if (count) {
		__sync_fetch_and_add(count, 1);
		return *count;
	}
	if (bpf_map_update_elem(&frames_by_len, &len, &one, BPF_NOEXIST) == 0)
		return one;
	count = bpf_map_lookup_elem(&frames_by_len, &len);
	if (!count)
		return TC_ACT_SHOT;
	__sync_fetch_and_add(count, 1);
	return *count;
}

#if __BPF_CPU_VERSION__ >= 3
/* A ticket for each frame. */
__u64 next_ticket;

SEC("tc")
int fetched_counter(struct __sk_buff *skb)
{
	__u64 ticket = __sync_fetch_and_add(&next_ticket, skb->len);

	return ticket ^ __sync_lock_test_and_set(&next_ticket, ticket + 1);
}
#endif
