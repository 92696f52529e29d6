// SPDX-License-Identifier: MIT OR Apache-2.0
// Tags for record.sh: pushed at egress, popped at ingress, on either end of a veth pair.
//
//   push_customer   802.1Q VLAN 100, priority 3
//   push_provider   802.1ad VLAN 200 around 802.1Q VLAN 100
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>

#define SEC(name) __attribute__((section(name), used))
#define CUSTOMER_TCI (3 << 13 | 100)
#define PROVIDER_TCI 200

static long (*bpf_skb_vlan_push)(struct __sk_buff *, __be16 proto, __u16 tci) = (void *)BPF_FUNC_skb_vlan_push;
static long (*bpf_skb_vlan_pop)(struct __sk_buff *) = (void *)BPF_FUNC_skb_vlan_pop;

SEC("tc/push_customer") int push_customer(struct __sk_buff *skb)
{
	return bpf_skb_vlan_push(skb, __builtin_bswap16(ETH_P_8021Q), CUSTOMER_TCI) ? TC_ACT_SHOT : TC_ACT_OK;
}

SEC("tc/pop_customer") int pop_customer(struct __sk_buff *skb)
{
	return bpf_skb_vlan_pop(skb) ? TC_ACT_SHOT : TC_ACT_OK;
}

SEC("tc/push_provider") int push_provider(struct __sk_buff *skb)
{
	if (bpf_skb_vlan_push(skb, __builtin_bswap16(ETH_P_8021Q), CUSTOMER_TCI))
		return TC_ACT_SHOT;
	return bpf_skb_vlan_push(skb, __builtin_bswap16(ETH_P_8021AD), PROVIDER_TCI) ? TC_ACT_SHOT : TC_ACT_OK;
}

SEC("tc/pop_provider") int pop_provider(struct __sk_buff *skb)
{
	if (bpf_skb_vlan_pop(skb))
		return TC_ACT_SHOT;
	return bpf_skb_vlan_pop(skb) ? TC_ACT_SHOT : TC_ACT_OK;
}

char _license[] SEC("license") = "Dual MIT/GPL";
