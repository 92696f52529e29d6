// SPDX-License-Identifier: MIT OR Apache-2.0
/* Externs that are weak: two that no kernel has, and one that this engine has. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct bpf_iter_num;

extern int bpf_iter_num_new(struct bpf_iter_num *it, int start, int end) __ksym __weak;
extern int bpf_no_such_function(int a) __ksym __weak;
extern const int no_such_variable __ksym __weak;

SEC("tc")
int weak_externs(struct __sk_buff *skb)
{
	int found = 0;

	if (bpf_iter_num_new)
		found |= 1;
	if (bpf_no_such_function)
		found |= bpf_no_such_function(skb->len);
	if (&no_such_variable)
		found |= no_such_variable;
	return found;
}

SEC("tc")
int calls_what_is_absent(struct __sk_buff *skb)
{
	return bpf_no_such_function(skb->len);
}

char _license[] SEC("license") = "GPL";
