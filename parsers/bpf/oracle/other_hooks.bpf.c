// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Programs that see a packet from its network header on: what the context says,
 * what lies before the first byte, and what a lightweight tunnel may change.
 */
#include "random.h"

char LICENSE[] SEC("license") = "GPL";

enum { SLOTS = 16 };

unsigned long long load_byte(void *skb, unsigned long long off) asm("llvm.bpf.load.byte");

static __always_inline void record_context(struct __sk_buff *skb, __u32 slot)
{
	record(slot, skb->len);
	record(slot, skb->pkt_type);
	record(slot, skb->protocol);
	record(slot, skb->vlan_present);
	record(slot, skb->ingress_ifindex);
	record(slot, skb->ifindex);
	record(slot, skb->gso_segs);
	skb->cb[1] += skb->len;
}

static __always_inline void load_bytes(struct __sk_buff *skb, __u32 slot)
{
	__u8 buffer[8] = {};

	record(slot, bpf_skb_load_bytes(skb, draw() % 32, buffer, sizeof(buffer)));
	record(slot, *(__u64 *)buffer);
}

static __always_inline void load_relative(struct __sk_buff *skb, __u32 slot)
{
	__u8 buffer[8] = {};

	for (__u32 header = 0; header < 2; header++) {
		record(slot, bpf_skb_load_bytes_relative(skb, draw() % 32, buffer, sizeof(buffer), header));
		record(slot, *(__u64 *)buffer);
	}
}

SEC("socket")
int other_hooks(struct __sk_buff *skb)
{
	record_context(skb, 0);
	load_bytes(skb, 1);
	load_relative(skb, 2);
	/* From the network header, and from the MAC header, which is before the packet in a test run. */
	record(3, load_byte(skb, -0x100000 + 9));
	record(4, load_byte(skb, -0x200000 + 12));
	switch (load_byte(skb, 9)) {
	case 6:
		return 54;
	case 17:
		return 42;
	default:
		return draw() % 2 ? 0 : -1;
	}
}

SEC("cgroup_skb/ingress")
int cgroup_ingress(struct __sk_buff *skb)
{
	record_context(skb, SLOTS);
	load_bytes(skb, SLOTS + 1);
	load_relative(skb, SLOTS + 2);
	record(SLOTS + 3, bpf_skb_ecn_set_ce(skb));
	skb->mark = skb->len;
	return draw() % 2;
}

SEC("lwt_in")
int lwt_input(struct __sk_buff *skb)
{
	__u8 *data = packet(skb, 20);

	record_context(skb, 2 * SLOTS);
	load_bytes(skb, 2 * SLOTS + 1);
	if (data)
		record(2 * SLOTS + 2, *(__u32 *)(data + 12));
	record(2 * SLOTS + 3, bpf_skb_pull_data(skb, 20 + draw() % 64));
	skb->priority = skb->len;
	return draw() % 3;
}

SEC("lwt_xmit")
int lwt_transmit(struct __sk_buff *skb)
{
	__u32 word = draw();

	record_context(skb, 3 * SLOTS);
	record(3 * SLOTS + 1, bpf_skb_store_bytes(skb, word % 32, &word, sizeof(word), 0));
	record(3 * SLOTS + 2, bpf_l3_csum_replace(skb, 10, word, 0, 2));
	record(3 * SLOTS + 3, bpf_skb_change_head(skb, word % 48, 0));
	record_context(skb, 3 * SLOTS + 4);
	record(3 * SLOTS + 5, bpf_skb_change_tail(skb, skb->len + word % 64, 0));
	record(3 * SLOTS + 6, bpf_csum_level(skb, word % 4));
	record(3 * SLOTS + 7, bpf_redirect(1, word % 3));
	load_bytes(skb, 3 * SLOTS + 8);
	return word % 8;
}
