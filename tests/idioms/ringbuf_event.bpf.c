// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * A record reserved in a ring buffer, filled in place, then submitted or
 * discarded: one of the two on every path.
 *
 * The record is a reference, which the verifier counts: a path that forgets it,
 * or gives it back twice, is refused. That the ring was full is the path on
 * which there is no reference at all.
 */
#include "idiom.h"

struct event {
	__u32 len;
	__u32 protocol;
	__u8 header[40];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 16);
} events SEC(".maps");

__u64 submitted, discarded;

SEC("tc")
int ringbuf_event(struct __sk_buff *skb)
{
	struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event)
		return TC_ACT_UNSPEC;
	event->len = skb->len;
	event->protocol = skb->protocol;
	if (bpf_skb_load_bytes(skb, 0, event->header, sizeof(event->header))) {
		bpf_ringbuf_discard(event, 0);
		discarded++;
		return TC_ACT_SHOT;
	}
	submitted++;
	bpf_ringbuf_submit(event, 0);
	return TC_ACT_OK;
}
