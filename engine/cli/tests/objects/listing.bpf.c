// One program with a bit of everything that `bpfreplay inspect` lists.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
struct { __uint(type, BPF_MAP_TYPE_HASH); __type(key, int); __type(value, long); __uint(max_entries, 16); } counts SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PROG_ARRAY); __type(key, int); __type(value, int); __uint(max_entries, 4); } long_name_of_jump_table SEC(".maps");
const volatile int limit = 3;
static __attribute__((noinline)) int sub(struct __sk_buff *skb, int x)
{
	return x * skb->len;
}

static __attribute__((noinline)) int twice(int x)
{
	return 3 * x * x + 1;
}

SEC("tc")
int entry(struct __sk_buff *skb)
{
	int key = skb->protocol;
	long *n = bpf_map_lookup_elem(&counts, &key);
	if (n)
		*n += 1;
	if (limit > 5)
		return 7;
	bpf_tail_call(skb, &long_name_of_jump_table, 1);
	return sub(skb, twice(key));
}
char _license[] SEC("license") = "GPL";
