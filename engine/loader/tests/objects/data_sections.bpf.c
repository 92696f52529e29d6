// SPDX-License-Identifier: MIT OR Apache-2.0
/* Global data in every section clang and libbpf know, and references with addends into them. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

const volatile __u32 limits[4] = {10, 20, 30, 40};
static const char format[] = "len %d";
__u64 counter = 5;
static __u16 small_table[3] = {1, 2, 3};
__u64 zeroes[4];
static __u32 hidden_zero;
__u32 own_section SEC(".data.own") = 0x11223344;
const volatile __u8 own_constant SEC(".rodata.own") = 9;

SEC("tc")
int data(struct __sk_buff *skb)
{
	__u32 index = skb->len & 3;

	counter += limits[2];
	zeroes[3] += limits[index];
	hidden_zero++;
	small_table[2]++;
	bpf_trace_printk(format, sizeof(format), skb->len);
	return own_section + own_constant;
}

char _license[] SEC("license") = "GPL";
