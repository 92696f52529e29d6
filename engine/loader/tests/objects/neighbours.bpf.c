// SPDX-License-Identifier: MIT OR Apache-2.0
/* Programs of which some cannot be loaded, verified or run: to the others they do not matter. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern const int bpf_prog_active __ksym;

struct {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64[16]);
} stacks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, 4);
	__uint(value_size, 4);
} events SEC(".maps");

int asks(struct __sk_buff *skb);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__array(values, int(void *));
} jmp SEC(".maps") = {
	.values = { [1] = (void *)&asks },
};

__u64 numbers[3] = { 5, 0xff, (__u64)"zz" };

SEC("tc")
int fine(struct __sk_buff *skb)
{
	bpf_perf_event_output(skb, &events, BPF_F_CURRENT_CPU, numbers, 8);
	return skb->len > numbers[1] ? 2 : 0;
}

SEC("fentry/x")
int traces(void *ctx)
{
	return ctx == 0;
}

/* The address of a kernel variable. */
SEC("tc")
int asks(struct __sk_buff *skb)
{
	return skb->len + bpf_prog_active;
}

/* A tail call may lead to the one above. */
SEC("tc")
int enters(struct __sk_buff *skb)
{
	bpf_tail_call(skb, &jmp, 1);
	return 0;
}

/* A map of a type that only other programs have a use for. */
SEC("tc")
int names_stacks(struct __sk_buff *skb)
{
	void *map = &stacks;

	asm volatile("" : "+r"(map));
	return map ? skb->len : 2;
}

SEC("tc")
int unsafe(struct __sk_buff *skb)
{
	return *(__u8 *)(long)skb->data;
}

SEC("parser")
int of_no_type(struct __sk_buff *skb)
{
	return skb->len;
}

char _license[] SEC("license") = "GPL";
