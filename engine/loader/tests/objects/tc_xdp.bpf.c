// SPDX-License-Identifier: MIT OR Apache-2.0
// Programs of two types in one object, as firewalls have them; frames are replayed through one of them only.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int on_tc(struct __sk_buff *skb)
{
	return skb->len > 100 ? 2 : 0;
}

SEC("xdp")
int on_xdp(struct xdp_md *ctx)
{
	return ctx->data < ctx->data_end ? XDP_PASS : XDP_DROP;
}

char _license[] SEC("license") = "GPL";
