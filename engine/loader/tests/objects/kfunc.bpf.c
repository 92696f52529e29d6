// SPDX-License-Identifier: MIT OR Apache-2.0
/* Calls a kernel function. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern void bpf_rcu_read_lock(void) __ksym;
extern void bpf_rcu_read_unlock(void) __ksym;

SEC("tc")
int kfunc(struct __sk_buff *skb)
{
	bpf_rcu_read_lock();
	bpf_rcu_read_unlock();
	return skb->len;
}

char _license[] SEC("license") = "GPL";
