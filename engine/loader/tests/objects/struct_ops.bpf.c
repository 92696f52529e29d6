// SPDX-License-Identifier: MIT OR Apache-2.0
/* A table of programs for the kernel. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct ops {
	int (*start)(void *);
};

SEC("struct_ops/start")
int start(void *ctx)
{
	return ctx != 0;
}

SEC(".struct_ops")
struct ops ops = {.start = start};

char _license[] SEC("license") = "GPL";
