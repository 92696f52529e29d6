// SPDX-License-Identifier: MIT OR Apache-2.0
/* What a program leaves for user space: ring buffer records, perf samples with the packet behind them, printed lines. */
#include "oracle.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

struct event {
	__u32 len;
	__u16 protocol;
	__u8 dst[6];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 16);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u32);
} samples SEC(".maps");

/* Bytes of the packet in a sample. */
enum { SAMPLE = 20 };

SEC("tc")
int records(struct __sk_buff *skb)
{
	__u8 *data = packet(skb, 14);
	struct event event = {};
	__u64 append = SAMPLE;

	if (!data)
		return TC_ACT_SHOT;
	event.len = skb->len;
	event.protocol = skb->protocol;
	for (int i = 0; i < 6; i++)
		event.dst[i] = data[i];
	record(0, bpf_ringbuf_output(&events, &event, sizeof(event), 0));
	record(1, bpf_ringbuf_output(&events, &event, sizeof(event), 4));
	record(2, bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA));
	record(3, bpf_ringbuf_query(&events, BPF_RB_PROD_POS));
	/* Of a broadcast a second record: some frames leave two. */
	if (event.dst[0] == 0xff)
		bpf_ringbuf_output(&events, "broadcast", 9, 0);
	record(4, bpf_perf_event_output(skb, &samples, BPF_F_CURRENT_CPU | append << 32, &event, sizeof(event)));
	record(5, bpf_perf_event_output(skb, &samples, BPF_F_CURRENT_CPU | 0xfffffULL << 32, &event, sizeof(event)));
	if (event.dst[0] == 0xff)
		bpf_printk("broadcast of %u bytes, protocol %x", skb->len, bpf_ntohs(skb->protocol));
	return TC_ACT_OK;
}
