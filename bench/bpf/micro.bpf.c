// SPDX-License-Identifier: MIT OR Apache-2.0
/* One thing each: chains of tail calls, a checksum loop, map operations, packet loads. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#define HOPS 32

#define EACH_HOP(X)                                                                                \
	X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)      \
	X(16) X(17) X(18) X(19) X(20) X(21) X(22) X(23) X(24) X(25) X(26) X(27) X(28) X(29) X(30) X(31)

#define DECLARE(n)                                                                                 \
	int constant_##n(struct __sk_buff *skb);                                                   \
	int variable_##n(struct __sk_buff *skb);
EACH_HOP(DECLARE)
int last(struct __sk_buff *skb);

#define CONSTANT_SLOT(n) [n] = (void *)&constant_##n,
#define VARIABLE_SLOT(n) [n] = (void *)&variable_##n,

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, HOPS + 1);
	__uint(key_size, sizeof(__u32));
	__array(values, int (void *));
} constant_table SEC(".maps") = { .values = { EACH_HOP(CONSTANT_SLOT) [HOPS] = (void *)&last } };

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, HOPS + 1);
	__uint(key_size, sizeof(__u32));
	__array(values, int (void *));
} variable_table SEC(".maps") = { .values = { EACH_HOP(VARIABLE_SLOT) [HOPS] = (void *)&last } };

SEC("tc")
int last(struct __sk_buff *skb __attribute__((unused)))
{
	return TC_ACT_OK;
}

/* Program n jumps to slot n + 1, which the verifier knows, or which only the context knows. */
#define DEFINE(n)                                                                                  \
	SEC("tc")                                                                                  \
	int constant_##n(struct __sk_buff *skb)                                                    \
	{                                                                                          \
		bpf_tail_call_static(skb, &constant_table, n + 1);                                 \
		return TC_ACT_SHOT;                                                                \
	}                                                                                          \
	SEC("tc")                                                                                  \
	int variable_##n(struct __sk_buff *skb)                                                    \
	{                                                                                          \
		bpf_tail_call(skb, &variable_table, skb->tc_index + n + 1);                        \
		return TC_ACT_SHOT;                                                                \
	}
EACH_HOP(DEFINE)

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u64);
} array SEC(".maps");

struct key {
	__u64 low, high;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct key);
	__type(value, __u64);
} hash SEC(".maps");

SEC("tc")
int array_increment(struct __sk_buff *skb)
{
	__u32 key = skb->len & 1023;
	__u64 *value = bpf_map_lookup_elem(&array, &key);

	if (value)
		*value += 1;
	return TC_ACT_OK;
}

/* The first 16 bytes of the frame are the key; what is not there is put in. */
SEC("tc")
int hash_increment(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *data_end = (void *)(long)skb->data_end;
	struct key key;
	__u64 *value, one = 1;

	if (data + sizeof(key) > data_end)
		return TC_ACT_SHOT;
	__builtin_memcpy(&key, data, sizeof(key));
	value = bpf_map_lookup_elem(&hash, &key);
	if (value)
		*value += 1;
	else
		bpf_map_update_elem(&hash, &key, &one, BPF_ANY);
	return TC_ACT_OK;
}

/* 750 words, a bounds check each: what a compiler cannot turn into vectors. */
SEC("tc")
int checksum(struct __sk_buff *skb)
{
	__u8 *data = (void *)(long)skb->data, *data_end = (void *)(long)skb->data_end;
	__u64 sum = 0;
	__u32 i;

	for (i = 0; i < 750; i++) {
		__u16 *word = (void *)(data + 14 + 2 * i);

		if ((void *)(word + 1) > (void *)data_end)
			break;
		sum += *word;
	}
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum & 0xffff ? TC_ACT_OK : TC_ACT_SHOT;
}

unsigned long long load_word(void *skb, unsigned long long offset) asm("llvm.bpf.load.word");

SEC("tc")
int ld_abs_8(struct __sk_buff *skb)
{
	__u64 sum = load_word(skb, 0) + load_word(skb, 4) + load_word(skb, 8) + load_word(skb, 12) +
		    load_word(skb, 16) + load_word(skb, 20) + load_word(skb, 24) + load_word(skb, 28);

	return sum ? TC_ACT_OK : TC_ACT_SHOT;
}

SEC("tc")
int empty(struct __sk_buff *skb __attribute__((unused)))
{
	return TC_ACT_OK;
}

char _license[] SEC("license") = "Dual MIT/GPL";
