// SPDX-License-Identifier: MIT OR Apache-2.0
/* .values beyond max_entries. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

int leaf(struct __sk_buff *skb);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 3);
	__uint(key_size, sizeof(__u32));
	__array(values, int (void *));
} table SEC(".maps") = {
	.values = { [3] = (void *)&leaf },
};

SEC("tc")
int leaf(struct __sk_buff *skb)
{
	bpf_tail_call(skb, &table, 3);
	return 0;
}

char _license[] SEC("license") = "GPL";
