// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * The flow hash and pull_data. A hash the kernel computes is keyed by a random
 * number, so only hashes that a program set are recorded.
 */
#include "oracle.h"

char LICENSE[] SEC("license") = "MIT OR Apache-2.0";

SEC("tc")
int skb_hash(struct __sk_buff *skb)
{
	__u32 len = skb->len, hash = len * 2654435761u | 1;
	__u8 *data;

	record(0, bpf_set_hash(skb, hash));
	record(1, skb->hash);
	record(2, bpf_get_hash_recalc(skb));
	bpf_set_hash_invalid(skb);
	record(3, skb->hash);
	record(4, bpf_set_hash(skb, ~hash));
	record(5, bpf_get_hash_recalc(skb));

	/* A store that asks for it forgets the hash too. */
	record(6, bpf_skb_store_bytes(skb, 0, &hash, sizeof(hash), BPF_F_INVALIDATE_HASH));
	record(7, skb->hash);

	record(8, bpf_skb_pull_data(skb, 0));
	record(9, bpf_skb_pull_data(skb, len));
	record(10, bpf_skb_pull_data(skb, len + 1));
	record(11, bpf_skb_pull_data(skb, 14));

	data = packet(skb, 14);
	if (!data)
		return TC_ACT_SHOT;
	data[0] = 0xfe;
	return data[13];
}
