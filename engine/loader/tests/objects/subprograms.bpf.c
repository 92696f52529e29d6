// SPDX-License-Identifier: MIT OR Apache-2.0
/* Static, global and hidden functions, calls within and across sections, function addresses. Built for v1 to v4. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct pair {
	__u64 a, b;
};

/* Only the second program reaches it, through middle(). */
static __attribute__((noinline)) __u64 deepest(__u64 x)
{
	volatile __u64 y = x * 3;

	return y + 1;
}

static __attribute__((noinline)) __u64 middle(__u64 x)
{
	volatile __u64 y = deepest(x) + 7;

	return y;
}

__attribute__((noinline)) int global_sum(struct pair *pair)
{
	return pair ? pair->a + pair->b : 0;
}

__hidden __attribute__((noinline)) int hidden_sum(struct pair *pair, int z)
{
	volatile int y = z;

	return pair->a + y;
}

__attribute__((noinline)) int tagged(struct __sk_buff *skb, struct pair *pair __attribute__((btf_decl_tag("arg:nonnull"))))
{
	return skb->len + pair->a;
}

static long body(__u32 index, void *ctx)
{
	struct pair *pair = ctx;

	pair->a += index;
	return 0;
}

/* A static function in a program section: a subprogram, not a program. */
SEC("tc") static __attribute__((noinline)) int beside(struct __sk_buff *skb)
{
	volatile int len = skb->len;

	return len;
}

SEC("tc")
int first(struct __sk_buff *skb)
{
	struct pair pair = {skb->len, skb->mark};

	return global_sum(&pair) + hidden_sum(&pair, skb->hash) + beside(skb);
}

SEC("tcx/ingress")
int second(struct __sk_buff *skb)
{
	struct pair pair = {skb->len, 1};

	bpf_loop(4, body, &pair, 0);
	return middle(pair.a) + tagged(skb, &pair) + global_sum(&pair);
}

char _license[] SEC("license") = "GPL";
