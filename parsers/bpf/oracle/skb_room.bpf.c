// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Packets that grow, shrink and change their headers: what each helper returns,
 * and the context after it. The bytes are compared when the program is done.
 */
#include "random.h"
#include <linux/if_ether.h>

char LICENSE[] SEC("license") = "GPL";

enum {
	ROUNDS = 5,
	/* An IPv6 header of room: shorter packets have headers behind their end. */
	LEN_MIN = ETH_HLEN + 40 + 40,
};

static __always_inline void record_context(struct __sk_buff *skb, __u32 slot)
{
	record(slot, skb->len);
	record(slot, skb->protocol);
	record(slot, skb->pkt_type);
	record(slot, skb->vlan_present);
	record(slot, skb->vlan_tci);
	record(slot, skb->vlan_proto);
	record(slot, skb->hash);
	record(slot, skb->tstamp);
	record(slot, skb->tstamp_type);
	record(slot, skb->wire_len);
	record(slot, skb->data_end - skb->data);
	record(slot, skb->data - skb->data_meta);
}

static __always_inline __u16 vlan_proto(void)
{
	switch (draw() % 4) {
	case 0:
		return bpf_htons(ETH_P_8021Q);
	case 1:
		return bpf_htons(ETH_P_8021AD);
	default:
		return draw();
	}
}

static __always_inline __u16 ip_proto(struct __sk_buff *skb)
{
	__u32 r = draw();

	if (r % 8 == 0)
		return r >> 16;
	if (r % 8 == 1)
		return skb->protocol;
	return skb->protocol == bpf_htons(ETH_P_IP) ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP);
}

/* Flags that go together, and some that do not. */
static __always_inline __u64 room_flags(void)
{
	__u64 flags = draw() & 0x1ff;
	__u32 r = draw();

	switch (r % 8) {
	case 0:
	case 1:
		return 0;
	case 2:
		return BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | (flags & BPF_F_ADJ_ROOM_NO_CSUM_RESET);
	case 3:
		return BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 | (flags & BPF_F_ADJ_ROOM_ENCAP_L4_UDP);
	case 4:
		return flags | BPF_F_ADJ_ROOM_ENCAP_L2(r >> 24 & 0x1f);
	case 5:
		return flags & (BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_NO_CSUM_RESET);
	case 6:
		return flags & (BPF_F_ADJ_ROOM_FIXED_GSO | (3 << 7));
	default:
		return r % 64 == 7 ? (__u64)draw() << 16 : flags;
	}
}

static __always_inline long adjust_room(struct __sk_buff *skb)
{
	__s32 diff = below(64);

	if (skb->len >= LEN_MIN && draw() & 1)
		diff = -diff;
	if (skb->len < LEN_MIN)
		diff = draw() & 1 ? 5000 : -5000;
	return bpf_skb_adjust_room(skb, diff, below(2), room_flags());
}

static __always_inline long change_tail(struct __sk_buff *skb)
{
	__u32 r = draw();

	switch (r % 8) {
	case 0:
		return bpf_skb_change_tail(skb, 14 - (r >> 8) % 3 * 7 - 1, 0);
	case 1:
		return bpf_skb_change_tail(skb, 16063 + (r >> 8) % 3, 0);
	case 2:
		return bpf_skb_change_tail(skb, skb->len, 1);
	case 3:
		/*
		 * Not far below: once the kernel has moved a packet to more
		 * headroom it takes its transport header for known, and allows
		 * cuts behind whatever that offset has become.
		 */
		return bpf_skb_change_tail(skb, skb->len - (skb->len >= LEN_MIN ? (r >> 8) % 4 : 0), 0);
	default:
		return bpf_skb_change_tail(skb, skb->len + (r >> 8) % 512, 0);
	}
}

static __always_inline long change_head(struct __sk_buff *skb)
{
	__u32 r = draw();

	switch (r % 8) {
	case 0:
		return bpf_skb_change_head(skb, 16063 + (r >> 8) % 3 - skb->len, 0);
	case 1:
		return bpf_skb_change_head(skb, 4, 1);
	case 2:
		return bpf_skb_change_head(skb, draw(), 0);
	default:
		return bpf_skb_change_head(skb, (r >> 8) % 400, 0);
	}
}

static __always_inline long one(struct __sk_buff *skb, __u32 what)
{
	__u8 buffer[16] = {};
	long err;

	switch (what) {
	case 0:
	case 1:
		return bpf_skb_vlan_push(skb, vlan_proto(), draw());
	case 2:
	case 3:
		return bpf_skb_vlan_pop(skb);
	case 4:
	case 5:
		return bpf_skb_change_proto(skb, ip_proto(skb), draw() % 16 ? 0 : 1);
	case 6:
		return bpf_skb_change_type(skb, below(4));
	case 7:
		return change_tail(skb);
	case 8:
		return change_head(skb);
	case 9:
	case 10:
	case 11:
		return adjust_room(skb);
	case 12:
		return bpf_skb_ecn_set_ce(skb);
	case 13:
		return bpf_csum_level(skb, below(4));
	case 14:
		return bpf_skb_set_tstamp(skb, draw() & 3 ? draw() : 0, below(3));
	case 15:
		err = bpf_skb_load_bytes_relative(skb, below(64), buffer, sizeof(buffer), draw() & 1);
		record(60, *(__u64 *)buffer);
		record(60, *(__u64 *)(buffer + 8));
		return err;
	case 16:
		*(__u32 *)buffer = draw();
		return bpf_skb_store_bytes(skb, below(128), buffer, 4, draw() & 3);
	case 17:
		return bpf_csum_update(skb, draw());
	case 18:
		return bpf_skb_pull_data(skb, below(256));
	case 19:
		bpf_set_hash(skb, draw());
		return 0;
	case 20:
		return bpf_clone_redirect(skb, 0, below(2));
	default:
		return bpf_skb_get_tunnel_key(skb, (void *)buffer, 8, 0);
	}
}

SEC("tc")
int skb_room(struct __sk_buff *skb)
{
	record_context(skb, 0);
	_Pragma("clang loop unroll(disable)")
	for (int round = 0; round < ROUNDS; round++) {
		__u32 what = draw() % 22;

		record(1 + what, one(skb, what));
		record_context(skb, 30 + what);
	}
	return skb->len;
}

/* One helper a run: the lengths at which it gives up, over a packet as it came. */
SEC("tc")
int skb_room_limits(struct __sk_buff *skb)
{
	record(1, bpf_skb_adjust_room(skb, 16064 - (int)skb->len, BPF_ADJ_ROOM_MAC, 0));
	record(2, bpf_skb_adjust_room(skb, 4096, BPF_ADJ_ROOM_MAC, 0));
	record(3, bpf_skb_adjust_room(skb, -4096, BPF_ADJ_ROOM_MAC, 0));
	record(4, bpf_skb_adjust_room(skb, 4, 2, 0));
	record(5, bpf_skb_adjust_room(skb, 4, BPF_ADJ_ROOM_MAC, 1ULL << 9));
	record(6, bpf_skb_adjust_room(skb, -(int)skb->len, BPF_ADJ_ROOM_MAC, 0));
	record(7, bpf_skb_adjust_room(skb, 14 - (int)skb->len, BPF_ADJ_ROOM_MAC, 0));
	record(8, bpf_skb_adjust_room(skb, 34 - (int)skb->len, BPF_ADJ_ROOM_MAC, 0));
	record_context(skb, 9);
	record(10, bpf_skb_change_tail(skb, 13, 0));
	record(11, bpf_skb_change_tail(skb, 14, 0));
	record_context(skb, 12);
	record(13, bpf_skb_change_proto(skb, ip_proto(skb), 0));
	record(14, bpf_skb_vlan_pop(skb));
	record(15, bpf_skb_ecn_set_ce(skb));
	record_context(skb, 16);
	return skb->len;
}
