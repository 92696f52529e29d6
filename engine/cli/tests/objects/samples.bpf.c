// What user space has put into a user ring buffer is drained, one sample a frame: each is a mark.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_USER_RINGBUF);
	__uint(max_entries, 4096);
} marks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

static long take(struct bpf_dynptr *sample, void *data)
{
	bpf_dynptr_read(data, sizeof(__u32), sample, 0, 0);
	return 1;
}

SEC("tc")
int samples(struct __sk_buff *skb)
{
	__u32 mark = skb->len;

	if (bpf_user_ringbuf_drain(&marks, take, &mark, 0) != 1)
		return 2; // TC_ACT_SHOT
	bpf_ringbuf_output(&events, &mark, sizeof(mark), 0);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
