// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * The other use of tail calls in the change that introduced them: one entry
 * that dispatches system calls by number.
 *
 *     syscall_entry ─▶ syscall_jmp_table[nr] ─┬─ [0] ─▶ sys_read_event
 *                                             ├─ [1] ─▶ sys_write_event
 *                                             └─ (empty) default path, in the entry
 *
 * The context is plain and read-only: a syscall_event, as a kprobe program
 * sees its registers. Nothing in it can be written, so unlike the packet
 * parsers these programs hand nothing along but the event itself.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "MIT OR Apache-2.0";

/* 64 bytes, read by 8-byte loads at constant offsets. */
struct syscall_event {
	__u64 nr;
	__u64 args[6];
	__s64 ret;
} __attribute__((preserve_static_offset));

/* x86-64 numbers; the table has room for every system call there is. */
enum { NR_READ = 0, NR_WRITE = 1, NR_MAX = 1024 };

/* What the programs return: who took the event. */
enum { TAKEN_BY_DEFAULT, TAKEN_BY_READ, TAKEN_BY_WRITE };

int sys_read_event(struct syscall_event *event);
int sys_write_event(struct syscall_event *event);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, NR_MAX);
	__uint(key_size, sizeof(__u32));
	__array(values, int (struct syscall_event *));
} syscall_jmp_table SEC(".maps") = {
	.values = {
		[NR_READ] = &sys_read_event,
		[NR_WRITE] = &sys_write_event,
	},
};

/* Events on the default path, by number. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, __u64);
} other_syscalls SEC(".maps");

struct fd_io {
	__u64 reads;
	__u64 writes;
	__u64 read_bytes;
	__u64 written_bytes;
	__u64 errors;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct fd_io);
} fds SEC(".maps");

static __always_inline struct fd_io *fd_of(struct syscall_event *event)
{
	__u32 fd = event->args[0];
	struct fd_io none = {}, *io = bpf_map_lookup_elem(&fds, &fd);

	if (io)
		return io;
	bpf_map_update_elem(&fds, &fd, &none, BPF_NOEXIST);
	return bpf_map_lookup_elem(&fds, &fd);
}

SEC("kprobe/sys_read_event")
int sys_read_event(struct syscall_event *event)
{
	struct fd_io *io = fd_of(event);
	__s64 ret = event->ret;

	if (io) {
		__sync_fetch_and_add(&io->reads, 1);
		if (ret < 0)
			__sync_fetch_and_add(&io->errors, 1);
		else
			__sync_fetch_and_add(&io->read_bytes, ret);
	}
	return TAKEN_BY_READ;
}

SEC("kprobe/sys_write_event")
int sys_write_event(struct syscall_event *event)
{
	struct fd_io *io = fd_of(event);
	__s64 ret = event->ret;

	if (io) {
		__sync_fetch_and_add(&io->writes, 1);
		if (ret < 0)
			__sync_fetch_and_add(&io->errors, 1);
		else
			__sync_fetch_and_add(&io->written_bytes, ret);
	}
	return TAKEN_BY_WRITE;
}

SEC("kprobe/syscall_entry")
int syscall_entry(struct syscall_event *event)
{
	__u64 nr = event->nr, one = 1, *seen;

	/* A tail call looks at the low 32 bits of its index only: without this
	 * test, number 0x1_0000_0000 would be read(). */
	if (nr < NR_MAX)
		bpf_tail_call(event, &syscall_jmp_table, nr);

	seen = bpf_map_lookup_elem(&other_syscalls, &nr);
	if (seen)
		__sync_fetch_and_add(seen, 1);
	else
		bpf_map_update_elem(&other_syscalls, &nr, &one, BPF_NOEXIST);
	return TAKEN_BY_DEFAULT;
}
