//! Limits, with the kernel's values and names.

/// Successful tail calls in one run (`MAX_TAIL_CALL_CNT`): 34 program executions.
pub const MAX_TAIL_CALL_CNT: u32 = 33;
/// Bytes of stack below r10, and along a chain of calls (`MAX_BPF_STACK`).
pub const MAX_BPF_STACK: usize = 512;
/// Bytes a frame may have beyond [`MAX_BPF_STACK`], for what the verifier itself keeps there: the budget of `may_goto`
/// (`stack_depth_extra` in `do_misc_fixups`; on x86-64 a count and the time).
pub const MAX_FRAME_EXTRA: usize = 16;
/// Call frames, the main program included (`MAX_CALL_FRAMES`).
pub const MAX_CALL_FRAMES: usize = 8;
/// Subprograms including main (`BPF_MAX_SUBPROGS`).
pub const MAX_SUBPROGS: usize = 256;
/// Instructions of a program (`BPF_COMPLEXITY_LIMIT_INSNS` for CAP_BPF loads).
pub const MAX_INSNS: usize = 1_000_000;
/// Instructions the verifier processes over all paths.
pub const COMPLEXITY_LIMIT_INSNS: usize = 1_000_000;
/// Branch states the verifier keeps pending (`BPF_COMPLEXITY_LIMIT_JMP_SEQ`).
pub const COMPLEXITY_LIMIT_JMP_SEQ: usize = 8192;
/// Maps one program may use (`MAX_USED_MAPS`).
pub const MAX_USED_MAPS: usize = 64;
/// Highest packet offset a range proof can have (`MAX_PACKET_OFF`).
pub const MAX_PACKET_OFF: u32 = 0xffff;
/// Magnitude of constant and variable pointer offsets (`BPF_MAX_VAR_OFF`).
pub const MAX_VAR_OFF: i64 = 1 << 29;
/// Bytes of a per-CPU value (`PCPU_MIN_UNIT_SIZE`).
pub const MAX_PERCPU_VALUE: u32 = 32 << 10;
/// Restarts of one classification by RECLASSIFY and GOTO_CHAIN together (`max_reclassify_loop`).
pub const MAX_RECLASSIFY_LOOP: u32 = 16;
/// Bytes of `struct __sk_buff`.
pub const SK_BUFF_SIZE: u32 = 192;
/// Bytes of `struct pt_regs` on x86-64, the context of kprobe programs.
pub const PT_REGS_SIZE: u32 = 168;
/// Bytes of the context of tracepoint programs (`PERF_MAX_TRACE_SIZE`).
pub const PERF_MAX_TRACE_SIZE: u32 = 8192;
/// Iterations of `bpf_loop` and of a `may_goto` (`BPF_MAX_LOOPS`).
pub const MAX_LOOPS: u32 = 8 << 20;
/// Samples that one `bpf_user_ringbuf_drain` drains (`BPF_MAX_USER_RINGBUF_SAMPLES`).
pub const MAX_USER_RINGBUF_SAMPLES: u32 = 128 << 10;
/// Clocks there could be (`MAX_CLOCKS`): flags of `bpf_timer_init` from here on are none.
pub const MAX_CLOCKS: u64 = 16;
/// Bytes of a `struct bpf_dynptr`.
pub const DYNPTR_SIZE: u32 = 16;
/// Bytes a dynptr can span (`DYNPTR_MAX_SIZE`).
pub const DYNPTR_MAX_SIZE: u32 = (1 << 24) - 1;
/// Bytes of a `struct bpf_iter_num`.
pub const ITER_NUM_SIZE: u32 = 8;
