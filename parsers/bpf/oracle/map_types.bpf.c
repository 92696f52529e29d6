// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Maps of every kind of type. tests/cases/map_dump says what is put in them,
 * and what bpftool prints then.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "MIT OR Apache-2.0";

#define MAP(kind, name, entries, key_type, value_type) \
	struct { \
		__uint(type, kind); \
		__uint(max_entries, entries); \
		__type(key, key_type); \
		__type(value, value_type); \
	} name SEC(".maps")

typedef __int128 s128;
typedef unsigned __int128 u128;

struct ints {
	__u8 u8;
	__s8 s8;
	__u16 u16;
	__s16 s16;
	__u32 u32;
	__s32 s32;
	__u64 u64;
	__s64 s64;
	s128 s128;
	u128 u128;
	bool flag;
	char character;
	unsigned char byte;
	signed char tiny;
};

enum colour { RED, GREEN = 5, BLUE = 0x7fffffff };
enum sign { MINUS = -3, PLUS = 3 };
enum full { EMPTY, FULL = 0xffffffff };
enum wide { NARROW = 1, LARGE = 0x123456789aULL, LARGEST = 0xffffffffffffffffULL };
enum deep { SHALLOW = 1, DEEP = -0x123456789aLL };
enum small { LOW = 1, HIGH = 200 } __attribute__((packed));

struct enums {
	enum colour colour;
	enum sign sign;
	enum full full;
	enum wide wide;
	enum deep deep;
	enum small small;
	enum colour many[2];
};

typedef char label_t[8];
typedef char letter_t;

struct pair {
	__u16 first;
	__s16 second;
};

struct nothing {};

struct arrays {
	char text[8];
	const char constant[8];
	label_t label;
	letter_t letters[4];
	unsigned char bytes[4];
	signed char tiny[4];
	bool flags[3];
	char lines[2][6];
	__u32 matrix[2][3];
	struct pair pairs[2];
	struct nothing nothings[2];
	__u32 none[0];
};

struct bits {
	__u32 one : 1;
	__u32 three : 3;
	__u32 seven : 7;
	__u32 : 5;
	__s32 negative : 9;
	bool flag : 1;
	enum colour colour : 4;
	__u64 across : 37;
	__u64 rest : 27;
	u128 huge : 100;
	u128 tail : 28;
	__u32 whole : 32;
} __attribute__((packed));

struct opaque;
typedef int (*callback_t)(struct opaque *, int);
typedef const volatile __u32 counter_t;
typedef counter_t counters_t[2];

struct others {
	void *pointer;
	struct opaque *forward;
	callback_t callback;
	counters_t counters;
	const struct pair pair;
	union {
		__u32 word;
		__u8 bytes[4];
		struct pair pair;
	} choice;
	union {
		__u32 left;
		__s32 right;
	};
	struct {
		__u16 inner;
		struct {
			__u8 innermost;
		} nested;
	} named;
	struct others *next;
} __attribute__((packed));

struct key {
	__u32 address;
	__u16 port;
	char name[6];
};

enum index { FIRST, SECOND };

MAP(BPF_MAP_TYPE_ARRAY, ints, 2, __u32, struct ints);
MAP(BPF_MAP_TYPE_ARRAY, enums, 2, int, struct enums);
MAP(BPF_MAP_TYPE_ARRAY, arrays, 2, __u32, struct arrays);
MAP(BPF_MAP_TYPE_ARRAY, bits, 2, __u32, struct bits);
MAP(BPF_MAP_TYPE_HASH, others, 4, struct key, struct others);
MAP(BPF_MAP_TYPE_HASH, names, 4, label_t, char);
MAP(BPF_MAP_TYPE_HASH, colours, 4, enum colour, bool);
MAP(BPF_MAP_TYPE_PERCPU_ARRAY, percpu_pairs, 2, __u32, struct pair);
MAP(BPF_MAP_TYPE_PERCPU_HASH, percpu_text, 4, struct key, label_t);
MAP(BPF_MAP_TYPE_PERCPU_ARRAY, percpu_long, 1, __u32, __u64);

/* Keys the kernel's array does not take as typed: libbpf makes the map without BTF. */
MAP(BPF_MAP_TYPE_ARRAY, enum_index, 2, enum index, __u32);
MAP(BPF_MAP_TYPE_ARRAY, pair_index, 2, struct pair, __u32);

/* One of two types, and none. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2);
	__type(key, __u32);
	__uint(value_size, 8);
} typed_key SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2);
	__uint(key_size, 4);
	__type(value, __u64);
} typed_value SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2);
	__uint(key_size, 4);
	__uint(value_size, 8);
} untyped SEC(".maps");

int map_types(struct __sk_buff *skb);

/* A prog array's types are taken as any other's, if it has both. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 3);
	__type(key, __u32);
	__type(value, __u32);
	__array(values, int(struct __sk_buff *));
} typed_jumps SEC(".maps") = { .values = { [1] = &map_types } };

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 3);
	__type(key, __u32);
	__array(values, int(struct __sk_buff *));
} jumps SEC(".maps") = { .values = { [2] = &map_types } };

/* .data, .bss, .rodata, and one of our own. */
__u32 word = 7;
static volatile struct pair last = { 1, -1 };
char greeting[] = "hello";
__u64 total;
bool seen[4];
static volatile int hidden;
const volatile enum colour favourite = GREEN;
const volatile char title[8] = "title";
__s64 balance SEC(".data.account") = -5;

SEC("tc")
int map_types(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct pair *pair = bpf_map_lookup_elem(&percpu_pairs, &zero);
	struct ints *numbers = bpf_map_lookup_elem(&ints, &zero);

	if (pair)
		pair->first++;
	if (numbers)
		numbers->u32 += skb->len;
	total += skb->len;
	last.second--;
	hidden++;
	balance -= favourite;
	word ^= title[skb->len & 7];
	seen[skb->len & 3] = greeting[skb->len & 3] == 'l';
	return TC_ACT_OK;
}
