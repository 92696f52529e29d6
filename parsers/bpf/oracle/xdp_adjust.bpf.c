// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * XDP: the ends of a frame moved about, bytes loaded and stored by helpers and
 * by packet pointers, the context after each step.
 */
#include "random.h"

char LICENSE[] SEC("license") = "GPL";

enum { ROUNDS = 6 };

static __always_inline void record_frame(struct xdp_md *xdp, __u32 slot)
{
	__u8 *data = (__u8 *)(long)xdp->data, *end = (__u8 *)(long)xdp->data_end;
	__u8 *meta = (__u8 *)(long)xdp->data_meta;

	record(slot, end - data);
	record(slot, data - meta);
	record(slot, bpf_xdp_get_buff_len(xdp));
	record(slot, xdp->ingress_ifindex);
	record(slot, xdp->rx_queue_index);
	if (data + 20 <= end) {
		record(slot, *(__u64 *)(data + 3));
		record(slot, *(__u32 *)(data + 14));
	}
	if (meta + 4 <= data)
		record(slot, *(__u32 *)meta);
}

static __always_inline void write_packet(struct xdp_md *xdp)
{
	__u8 *data = (__u8 *)(long)xdp->data, *end = (__u8 *)(long)xdp->data_end;
	__u8 *meta = (__u8 *)(long)xdp->data_meta;

	if (data + 20 <= end) {
		*(__u32 *)(data + 5) = draw();
		*(__u8 *)(data + 19) = draw();
	}
	if (meta + 4 <= data)
		*(__u32 *)meta = draw();
}

static __always_inline long one(struct xdp_md *xdp, __u32 what)
{
	__u8 buffer[32] = {};
	__u32 r = draw();
	long err;

	switch (what) {
	case 0:
	case 1:
		return bpf_xdp_adjust_head(xdp, r & 1 ? (__s32)below(300) : -(__s32)below(100));
	case 2:
		return bpf_xdp_adjust_tail(xdp, r & 1 ? (__s32)below(2048) : -(__s32)below(200));
	case 3:
		return bpf_xdp_adjust_tail(xdp, 3520 - (__s32)bpf_xdp_get_buff_len(xdp) + (r & 1));
	case 4:
		return bpf_xdp_adjust_meta(xdp, r & 1 ? -(__s32)(below(20) * 4) : (__s32)below(8));
	case 5:
		err = bpf_xdp_load_bytes(xdp, below(128), buffer, sizeof(buffer));
		record(60, *(__u64 *)buffer);
		record(60, *(__u64 *)(buffer + 24));
		return err;
	case 6:
		return bpf_xdp_load_bytes(xdp, bpf_xdp_get_buff_len(xdp) - 30 - (r & 3), buffer, sizeof(buffer));
	case 7:
		*(__u64 *)(buffer + 8) = r;
		return bpf_xdp_store_bytes(xdp, below(128), buffer, sizeof(buffer));
	case 8:
		return bpf_xdp_load_bytes(xdp, 0xfffe + (r & 3), buffer, 1);
	case 9:
		return bpf_redirect(r >> 8, r % 4 ? 0 : 1);
	default:
		write_packet(xdp);
		return 0;
	}
}

SEC("xdp")
int xdp_adjust(struct xdp_md *xdp)
{
	record_frame(xdp, 0);
	_Pragma("clang loop unroll(disable)")
	for (int round = 0; round < ROUNDS; round++) {
		__u32 what = draw() % 12;

		record(1 + what, one(xdp, what));
		record_frame(xdp, 20 + what);
	}
	return draw() % 8;
}

/* The limits spec'd for a frame of any length. */
SEC("xdp")
int xdp_limits(struct xdp_md *xdp)
{
	int len = bpf_xdp_get_buff_len(xdp);

	record(1, bpf_xdp_adjust_head(xdp, -217));
	record(2, bpf_xdp_adjust_head(xdp, len - 13));
	record(3, bpf_xdp_adjust_tail(xdp, 3521 - len));
	record(4, bpf_xdp_adjust_tail(xdp, 13 - len));
	record(5, bpf_xdp_adjust_meta(xdp, -217));
	record(6, bpf_xdp_adjust_meta(xdp, -216));
	record(7, bpf_xdp_adjust_meta(xdp, 217));
	record(8, bpf_xdp_adjust_meta(xdp, 216));
	record(9, bpf_xdp_adjust_meta(xdp, -6));
	record(10, bpf_xdp_adjust_meta(xdp, 4));
	record(11, bpf_xdp_adjust_head(xdp, -216));
	record(12, bpf_xdp_adjust_meta(xdp, -4));
	record_frame(xdp, 13);
	record(14, bpf_xdp_adjust_head(xdp, 216 + len - 14));
	record(15, bpf_xdp_adjust_tail(xdp, 1));
	record_frame(xdp, 16);
	return XDP_PASS;
}
