// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Dynptrs over packets, frames, map values and ring buffer records, with
 * arguments that mostly fit: read, write, slice, adjust, clone, copy, memset.
 */
#include "random.h"

char LICENSE[] SEC("license") = "GPL";

enum { ROUNDS = 6, SPAN = 64, BUFFER = 20 };

extern int bpf_dynptr_from_skb(struct __sk_buff *skb, __u64 flags, struct bpf_dynptr *ptr) __ksym;
extern int bpf_dynptr_from_xdp(struct xdp_md *xdp, __u64 flags, struct bpf_dynptr *ptr) __ksym;
extern void *bpf_dynptr_slice(const struct bpf_dynptr *ptr, __u32 offset, void *buffer, __u32 size) __ksym;
extern void *bpf_dynptr_slice_rdwr(const struct bpf_dynptr *ptr, __u32 offset, void *buffer, __u32 size) __ksym;
extern int bpf_dynptr_adjust(const struct bpf_dynptr *ptr, __u32 start, __u32 end) __ksym;
extern bool bpf_dynptr_is_null(const struct bpf_dynptr *ptr) __ksym;
extern bool bpf_dynptr_is_rdonly(const struct bpf_dynptr *ptr) __ksym;
extern __u32 bpf_dynptr_size(const struct bpf_dynptr *ptr) __ksym;
extern int bpf_dynptr_clone(const struct bpf_dynptr *ptr, struct bpf_dynptr *clone) __ksym;
extern int bpf_dynptr_copy(struct bpf_dynptr *dst, __u32 dst_off, struct bpf_dynptr *src, __u32 src_off,
			   __u32 size) __ksym;
extern int bpf_dynptr_memset(struct bpf_dynptr *ptr, __u32 offset, __u32 size, __u8 val) __ksym;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 16);
} events SEC(".maps");

struct span {
	__u8 bytes[SPAN];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct span);
} spans SEC(".maps");

static __always_inline void record_bytes(__u32 slot, const __u8 *bytes)
{
	record(slot, *(__u64 *)bytes);
	record(slot, *(__u64 *)(bytes + 8));
	record(slot, *(__u32 *)(bytes + 16));
}

static __always_inline void record_dynptr(__u32 slot, const struct bpf_dynptr *ptr)
{
	record(slot, bpf_dynptr_is_null(ptr));
	record(slot, bpf_dynptr_is_rdonly(ptr));
	record(slot, bpf_dynptr_size(ptr));
}

/* Where it mostly fits: at the front, at the end, across byte 3520, where XDP's first fragment begins. */
static __noinline __u32 place(__u32 size)
{
	__u32 r = draw();

	switch (r & 3) {
	case 0:
		return size - BUFFER - 2 + (r >> 8 & 3);
	case 1:
		return 3520 - (r >> 8) % (2 * BUFFER);
	default:
		return below(SPAN);
	}
}

/* What programs of every type may do. */
static __noinline void look(const struct bpf_dynptr *ptr, __u32 slot, bool is_whole)
{
	__u8 buffer[BUFFER] = {};
	__u32 size = bpf_dynptr_size(ptr);
	__u8 *slice;

	record(slot, bpf_dynptr_read(buffer, BUFFER, ptr, place(size), 0));
	record_bytes(slot + 1, buffer);
	record(slot, bpf_dynptr_read(buffer, BUFFER, ptr, 0, draw() & 1));
	record(slot, bpf_dynptr_read(buffer, 0, ptr, size, 0));
	slice = bpf_dynptr_slice(ptr, place(size), buffer, BUFFER);
	record(slot + 2, !!slice);
	if (slice)
		record_bytes(slot + 2, slice);
	/*
	 * Without a buffer: NULL where it is in two pieces. Behind the end of a packet that has become shorter Linux
	 * gives an address there; nobody wants to know what is at it.
	 */
	slice = is_whole ? bpf_dynptr_slice(ptr, place(size), NULL, BUFFER) : NULL;
	record(slot + 3, !!slice);
	if (slice)
		record_bytes(slot + 3, slice);
	slice = bpf_dynptr_data(ptr, place(size), BUFFER);
	record(slot + 4, !!slice);
	if (slice)
		record_bytes(slot + 4, slice);
}

static __noinline long change(struct bpf_dynptr *ptr, struct bpf_dynptr *other, __u32 slot, __u32 what)
{
	__u8 buffer[BUFFER];
	__u32 size = bpf_dynptr_size(ptr), r = draw(), start, at;
	__u8 *slice;

	for (int i = 0; i < BUFFER; i++)
		buffer[i] = r + i;
	switch (what) {
	case 0:
		return bpf_dynptr_write(ptr, place(size), buffer, BUFFER, r % 5 ? 0 : r >> 8 & 7);
	case 1:
		slice = bpf_dynptr_slice_rdwr(ptr, place(size), buffer, BUFFER);
		if (!slice)
			return -1;
		record_bytes(slot, slice);
		slice[r & 7] = r;
		*(__u32 *)(slice + 9) = r;
		return r & 1 ? bpf_dynptr_write(ptr, below(SPAN), buffer, BUFFER, 0) : 0;
	case 2:
	case 3:
		at = place(size);
		start = below(SPAN);
		slice = bpf_dynptr_slice_rdwr(ptr, at, NULL, BUFFER);
		/* A slice handed back to what it is of; Linux copies without regard to what overlaps. */
		if (!slice || at - start < BUFFER || start - at < BUFFER)
			return -1;
		return what == 2 ? bpf_dynptr_write(ptr, start, slice, BUFFER, 0) :
				   bpf_dynptr_read(slice, BUFFER, ptr, start, 0);
	case 4:
		start = below(SPAN);
		return bpf_dynptr_adjust(ptr, start, r & 1 ? size : start + below(4000));
	case 5:
		return bpf_dynptr_copy(ptr, place(size), other, below(SPAN), below(400));
	case 6:
		return bpf_dynptr_copy(other, below(SPAN), ptr, place(size), below(400));
	case 7:
		return bpf_dynptr_memset(ptr, place(size), below(600), r);
	default:
		slice = bpf_dynptr_data(ptr, below(SPAN), BUFFER);
		if (!slice)
			return -1;
		slice[r & 15] = r;
		return 0;
	}
}

/* A dynptr, a clone that goes its own way, and both seen again. */
static __noinline void all(struct bpf_dynptr *ptr, struct bpf_dynptr *other, __u32 slot)
{
	struct bpf_dynptr clone;

	record_dynptr(slot, ptr);
	look(ptr, slot + 1, true);
	record(slot, bpf_dynptr_clone(ptr, &clone));
	record(slot, bpf_dynptr_adjust(&clone, below(SPAN), below(2 * SPAN)));
	_Pragma("clang loop unroll(disable)")
	for (int round = 0; round < ROUNDS; round++) {
		__u32 what = draw() % 9;

		record(slot + 6 + what % 4, what);
		record(slot + 6 + what % 4, change(ptr, other, slot + 10, what));
	}
	record_dynptr(slot + 11, ptr);
	look(&clone, slot + 11, true);
}

static __always_inline struct span *span(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&spans, &zero);
}

/* A record and a map value, in programs of any type. */
static __always_inline void without_packet(void)
{
	struct bpf_dynptr record_ptr, local;
	__u8 buffer[BUFFER] = {}, *slice;
	struct span *value = span();

	if (!value)
		return;
	record(0, bpf_dynptr_from_mem(value, sizeof(*value), draw() & 15 ? 0 : 1, &local));
	record(0, bpf_ringbuf_reserve_dynptr(&events, draw() & 31 ? 40 + below(60) : below(1 << 25), draw() & 15 ? 0 : 2,
					     &record_ptr));
	record_dynptr(1, &record_ptr);
	record(2, bpf_dynptr_memset(&record_ptr, 0, bpf_dynptr_size(&record_ptr), 7));
	record(2, bpf_dynptr_copy(&record_ptr, below(SPAN), &local, below(SPAN), below(SPAN)));
	record(2, bpf_dynptr_adjust(&record_ptr, below(20), 40));
	slice = bpf_dynptr_data(&record_ptr, below(20), BUFFER);
	if (slice)
		record_bytes(3, slice);
	record(4, bpf_dynptr_read(buffer, BUFFER, &record_ptr, 0, 0));
	record_bytes(4, buffer);
	if (draw() & 1)
		bpf_ringbuf_submit_dynptr(&record_ptr, 0);
	else
		bpf_ringbuf_discard_dynptr(&record_ptr, 0);
	record(5, bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA));
	all(&local, &local, 6);
}

SEC("tc")
int dynptrs(struct __sk_buff *skb)
{
	struct bpf_dynptr ptr, local;
	struct span *value = span();

	if (!value)
		return TC_ACT_SHOT;
	without_packet();
	record(24, bpf_dynptr_from_mem(value, sizeof(*value), 0, &local));
	record(24, bpf_dynptr_from_skb(skb, draw() & 15 ? 0 : 1, &ptr));
	all(&ptr, &local, 25);
	record(50, skb->hash);
	/* A dynptr of a packet that has become shorter. */
	record(51, bpf_skb_change_tail(skb, 60, 0));
	look(&ptr, 52, false);
	return TC_ACT_OK;
}

SEC("xdp")
int dynptrs_xdp(struct xdp_md *xdp)
{
	struct bpf_dynptr ptr, local;
	struct span *value = span();

	if (!value)
		return XDP_DROP;
	record(24, bpf_dynptr_from_mem(value, sizeof(*value), 0, &local));
	record(24, bpf_dynptr_from_xdp(xdp, draw() & 15 ? 0 : 1, &ptr));
	all(&ptr, &local, 25);
	record(51, bpf_xdp_adjust_tail(xdp, -20));
	look(&ptr, 52, false);
	return XDP_PASS;
}

/* Programs of this type may only read. */
SEC("cgroup_skb/ingress")
int dynptrs_read_only(struct __sk_buff *skb)
{
	__u8 buffer[BUFFER] = {};
	struct bpf_dynptr ptr;

	record(0, bpf_dynptr_from_skb(skb, draw() & 15 ? 0 : 1, &ptr));
	record_dynptr(1, &ptr);
	record(2, bpf_dynptr_write(&ptr, 0, buffer, BUFFER, 0));
	record(2, bpf_dynptr_memset(&ptr, 0, BUFFER, 1));
	look(&ptr, 3, true);
	return 1;
}
