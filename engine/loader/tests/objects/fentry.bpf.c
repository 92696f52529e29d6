// SPDX-License-Identifier: MIT OR Apache-2.0
/* A program type this engine has not. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("fentry/do_exit")
int trace(__u64 *ctx)
{
	return ctx[0] != 0;
}

char _license[] SEC("license") = "GPL";
