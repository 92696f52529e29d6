// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * What depends on the world outside the packet: clocks, random numbers, the
 * CPU, redirects. The values cannot be compared, what holds of them can.
 */
#include "oracle.h"

/* bpf_trace_printk is for programs under a licence compatible with the GPL. */
char LICENSE[] SEC("license") = "Dual MIT/GPL";

__u64 runs;

static __always_inline void clocks(void)
{
	__u64 now = bpf_ktime_get_ns(), boot = bpf_ktime_get_boot_ns();

	record(0, now <= bpf_ktime_get_ns());
	record(1, boot <= bpf_ktime_get_boot_ns());
	record(2, bpf_ktime_get_coarse_ns() <= bpf_ktime_get_ns());
}

static __always_inline void identity(void)
{
	record(3, bpf_get_smp_processor_id() == bpf_get_smp_processor_id());
	record(4, (__u64)bpf_get_prandom_u32() >> 32);
}

SEC("tc")
int environment(struct __sk_buff *skb)
{
	static const char format[] = "frame of %d bytes\n";

	clocks();
	identity();
	if (!runs++)
		record(5, bpf_trace_printk(format, sizeof(format), skb->len) > 0);

	record(6, bpf_redirect(1, 0));
	record(7, bpf_redirect(1, BPF_F_INGRESS));
	record(8, bpf_redirect(1, 0x80));
	return skb->len & 1 ? bpf_redirect(1, 0x2) : bpf_redirect(1, 0);
}
