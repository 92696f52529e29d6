// SPDX-License-Identifier: MIT OR Apache-2.0
/* .values that name a function which is no program. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

int helper(struct __sk_buff *skb);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 3);
	__uint(key_size, sizeof(__u32));
	__array(values, int (void *));
} table SEC(".maps") = {
	.values = { [2] = (void *)&helper },
};

__attribute__((noinline)) int helper(struct __sk_buff *skb)
{
	return skb->len;
}

SEC("tc")
int entry(struct __sk_buff *skb)
{
	bpf_tail_call(skb, &table, 2);
	return 0;
}

char _license[] SEC("license") = "GPL";
