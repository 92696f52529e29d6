// SPDX-License-Identifier: MIT OR Apache-2.0
/* Calls a kernel function that the engine does not have: there are no tasks. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct task_struct;
extern struct task_struct *bpf_task_from_pid(int pid) __ksym;
extern void bpf_task_release(struct task_struct *p) __ksym;

SEC("tc")
int kfunc(struct __sk_buff *skb)
{
	struct task_struct *task = bpf_task_from_pid(1);

	if (task)
		bpf_task_release(task);
	return skb->len;
}

char _license[] SEC("license") = "GPL";
