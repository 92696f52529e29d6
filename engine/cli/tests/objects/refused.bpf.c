// Programs with the mistakes people make, for what `bpfreplay verify` says of them.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <bpf/bpf_helpers.h>
struct { __uint(type, BPF_MAP_TYPE_HASH); __type(key, int); __type(value, long); __uint(max_entries, 16); } counts SEC(".maps");

struct { __uint(type, BPF_MAP_TYPE_ARRAY); __type(key, int); __type(value, char[64]); __uint(max_entries, 1); } buf SEC(".maps");

SEC("tc")
int no_bounds(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data;
	void *data_end = (void *)(long)skb->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = data + sizeof(*eth);
	if (data + sizeof(*eth) > data_end)
		return 0;
	return ip->protocol;
}

SEC("tc")
int no_null_check(struct __sk_buff *skb)
{
	int key = skb->protocol;
	long *n = bpf_map_lookup_elem(&counts, &key);
	*n += 1;
	return 0;
}

SEC("tc")
int unbounded(struct __sk_buff *skb)
{
	int key = 0;
	char *b = bpf_map_lookup_elem(&buf, &key);
	if (!b)
		return 0;
	unsigned int i = skb->len;
	i += 3;
	return b[i];
}

struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 4096); } events SEC(".maps");

SEC("tc")
int leak(struct __sk_buff *skb)
{
	long *record = bpf_ringbuf_reserve(&events, sizeof(*record), 0);
	if (!record)
		return 0;
	*record = skb->len;
	if (skb->len > 100)
		return 1;
	bpf_ringbuf_submit(record, 0);
	return 0;
}

SEC("tc")
int fine(struct __sk_buff *skb)
{
	return skb->len > 100;
}
char _license[] SEC("license") = "GPL";
