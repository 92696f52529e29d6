// Throws from below, and takes back what was thrown without a callback of its own.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern void bpf_throw(__u64 cookie) __ksym;

static __attribute__((noinline)) int checked(struct __sk_buff *skb)
{
	if (skb->len > 1000)
		bpf_throw(2);
	return skb->len & 1;
}

SEC("tc")
int throws(struct __sk_buff *skb)
{
	return checked(skb) + 1;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
