// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Numbers read and written, strings compared, memory read at an address; and
 * what devices and routes say of a packet where there are none to speak of.
 */
#include "random.h"
#include <linux/if_ether.h>

char LICENSE[] SEC("license") = "GPL";

enum { TEXT = 24, OUT = 48 };

static const char alphabet[16] = "0123456789aFx- +";

/* Something like a number. */
static __always_inline void text(char *buffer)
{
	__u32 digits = draw() % 3;

	for (int i = 0; i < TEXT; i++) {
		__u32 r = draw();

		buffer[i] = alphabet[digits == 0 ? r & 7 : r & 15];
	}
	if (digits == 2)
		buffer[0] = '-';
}

static __always_inline __u64 base(void)
{
	__u32 r = draw() % 8;

	switch (r) {
	case 0:
		return 8;
	case 1:
		return 10;
	case 2:
		return 16;
	case 3:
		return draw();
	default:
		return 0;
	}
}

static __always_inline __u64 digest(const char *buffer, int len)
{
	__u64 sum = 0;

	for (int i = 0; i < len; i++)
		sum = sum * 131 + (__u8)buffer[i];
	return sum;
}

static __always_inline void numbers(void)
{
	char buffer[TEXT];
	long number = 7;
	unsigned long positive = 7;

	text(buffer);
	record(0, bpf_strtol(buffer, 1 + (draw() & 15), base(), &number));
	record(1, number);
	record(2, bpf_strtoul(buffer, 1 + (draw() & 15), base(), &positive));
	record(3, positive);
	record(4, bpf_strtol(buffer, sizeof(buffer), 0, &number));
	record(5, number);
}

static __always_inline void comparisons(void)
{
	char buffer[8] = "12345";

	buffer[4] ^= draw() % 4;
	if (draw() % 4 == 0)
		buffer[2] = draw();
	record(6, bpf_strncmp(buffer, 1 + (draw() & 7), "12345"));
	record(7, bpf_strncmp(buffer, sizeof(buffer), "1234"));
	record(8, bpf_strncmp(buffer, sizeof(buffer), "12345678"));
}

static __always_inline void formats(void)
{
	__u64 args[4] = { draw(), draw() % 1000, (__u64)draw() << 32 | draw(), draw() % 128 };
	char out[OUT], word[8] = "word";

	__builtin_memset(out, 'z', sizeof(out));
	record(9, bpf_snprintf(out, sizeof(out), "%d %5u|%-8llx|%c", args, sizeof(args)));
	record(10, digest(out, sizeof(out)));
	__builtin_memset(out, 'z', sizeof(out));
	record(11, bpf_snprintf(out, draw() & 31, "%08x %+lld %i", args, 24));
	record(12, digest(out, sizeof(out)));
	args[0] = (__u64)(long)word;
	record(13, bpf_snprintf(out, sizeof(out), "<%s> %%", args, 8));
	record(14, bpf_snprintf(out, sizeof(out), "<%s> %% %x", args, 16));
	record(15, digest(out, sizeof(out)));
	record(16, bpf_snprintf(NULL, 0, "%llu%llu", &args[1], 16));
	record(18, bpf_snprintf(out, sizeof(out), "", NULL, 0));
	record(19, digest(out, sizeof(out)));
}

static __always_inline void memory(void)
{
	char from[16] = "abcdefg", to[16];
	__u32 zero = 0, len = 1 + (draw() & 15);
	__u64 *value = bpf_map_lookup_elem(&results, &zero);

	from[5] = draw() % 2 ? 0 : 'f';
	from[7] = draw();
	__builtin_memset(to, 'z', sizeof(to));
	record(20, bpf_probe_read_kernel(to, len, from));
	record(21, digest(to, sizeof(to)));
	__builtin_memset(to, 'z', sizeof(to));
	record(22, bpf_probe_read_kernel_str(to, len, from));
	record(23, digest(to, sizeof(to)));
	__builtin_memset(to, 'z', sizeof(to));
	record(24, bpf_probe_read_user(to, len, NULL));
	record(25, digest(to, sizeof(to)));
	__builtin_memset(to, 'z', sizeof(to));
	record(26, bpf_probe_read_user_str(to, len, from));
	record(27, digest(to, sizeof(to)));
	__builtin_memset(to, 'z', sizeof(to));
	record(28, bpf_probe_read_kernel(to, len, NULL));
	record(29, bpf_probe_read_kernel_str(to, len, (void *)8));
	record(29, bpf_probe_read_kernel(to, len, (void *)0xffff000000000000ULL));
	record(30, digest(to, sizeof(to)));
	if (value) {
		record(31, bpf_probe_read_kernel(to, 8, value));
		record(32, digest(to, sizeof(to)));
	}
}

static __always_inline void devices(struct __sk_buff *skb)
{
	struct bpf_fib_lookup fib = { .family = 2 + draw() % 2 * 8 };
	__u32 mtu = draw() % 3 ? 0 : draw() % 70000;

	record(33, bpf_check_mtu(skb, 0, &mtu, (__s32)(draw() % 140000) - 70000, 0));
	record(34, mtu);
	mtu = draw() % 2;
	record(35, bpf_check_mtu(skb, 0, &mtu, draw() % 2, draw() % 3));
	record(36, mtu);
	record(37, bpf_fib_lookup(skb, &fib, sizeof(fib), 0));
	record(38, bpf_fib_lookup(skb, &fib, sizeof(fib) - 1, 0));
	record(39, bpf_fib_lookup(skb, &fib, sizeof(fib), 0x8000));
	fib.family = 7;
	record(40, bpf_fib_lookup(skb, &fib, sizeof(fib), 0));
	record(41, bpf_redirect(draw(), draw() % 3));
	record(42, bpf_redirect_peer(draw(), draw() % 2));
	record(43, bpf_redirect_neigh(draw(), NULL, 0, draw() % 2));
}

static __always_inline void tunnels(struct __sk_buff *skb)
{
	struct bpf_tunnel_key key;
	char option[8];

	__builtin_memset(&key, 'z', sizeof(key));
	record(44, bpf_skb_get_tunnel_key(skb, &key, sizeof(key), draw() % 2));
	record(45, key.tunnel_id);
	record(46, bpf_skb_get_tunnel_opt(skb, option, sizeof(option)));
	record(47, *(__u64 *)option);
	record(48, bpf_skb_set_tunnel_opt(skb, option, sizeof(option)));
	record(49, bpf_skb_set_tunnel_key(skb, &key, 12, 0));
	record(50, bpf_skb_set_tunnel_key(skb, &key, sizeof(key), 0x100));
	key.tunnel_label = 1;
	record(51, bpf_skb_set_tunnel_key(skb, &key, sizeof(key), 0));
	record(52, bpf_skb_set_tunnel_key(skb, &key, sizeof(key), 1));
}

SEC("tc")
int strings(struct __sk_buff *skb)
{
	numbers();
	comparisons();
	formats();
	memory();
	devices(skb);
	tunnels(skb);
	return skb->len;
}
