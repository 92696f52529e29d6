//! What a running program touches: its context, its maps, its helpers, and the rule of tail calls.
//!
//! ```text
//!   frame ──▶ SkBuff ─┐    (or XdpBuff)
//!                     ├─▶ Executable::run ──▶ r0, and what it left in packet, context, maps, path
//!   ExecutionContext ─┘        │
//!        (one a worker)        ├─ helpers/   one function each, called by both engines
//!                              ├─ maps/      values that stay where they are
//!                              └─ tail_call  bounds ▸ limit ▸ slot ▸ count, then jump
//! ```
//!
//! The three types to know: [`SkBuff`], what `struct __sk_buff` is a view of; [`ExecutionContext`], what belongs to a
//! worker; [`Map`]. [`objects`](objects::Objects) are what programs allocate.
//!
//! Where it differs from Linux 6.18 on x86-64, on purpose:
//!
//! | what | here | why | held by |
//! |---|---|---|---|
//! | `bpf_ktime_get_ns` and its kin | the capture's clock | a replay repeats | `maps.rs`, cases |
//! | `bpf_get_prandom_u32`, flow hashes | seeded, unkeyed | a replay repeats | `helpers::env`, `hooks.rs` |
//! | `bpf_get_smp_processor_id` | the worker's number | there is no other CPU to speak of | `maps.rs` |
//! | `skb->sk` | NULL, in `BPF_PROG_TEST_RUN` too | there is no socket | - |
//! | the process a packet interrupts | the idle task, of root, in the root cgroup | a replay repeats | `helpers::process` |
//! | devices | every number but 0 is one, up, with the MTU of the frame's | there is only the capture | `helpers::device` |
//! | `bpf_fib_lookup` | the host does not forward | there are no routes | oracle |
//! | tunnel metadata | what `bpf_skb_set_tunnel_key` set cannot be read back | there is no tunnel device | - |
//! | packets | always linear; `gso_*` 0 unless a TEST_RUN context sets them | a capture has frames | `hooks.rs` |
//! | an element that left a hash map | waits for the batches that may have its address | see [`maps`] | `maps.rs` |
//! | what an LRU map evicts | second chance, and only when full | Linux's lists a CPU may evict earlier | `maps::clock`, `records_and_maps.rs` |
//! | a ring buffer | a ring of full size a CPU | a replay repeats whatever the workers' pace | `records_and_maps.rs` |
//! | a perf event array | a slot has a buffer, samples no padding | there are no perf events | `records_and_maps.rs` |
//! | `bpf_dynptr_slice` behind the end of a packet that became shorter | NULL | without a buffer Linux gives an address there | - |
//! | objects that programs allocate | all zero; NULL when the pool has no block that nobody can reach | memory is there before the first run | [`objects`] |
//! | a bloom filter's hashes | seeded by constants | a replay repeats | cases |
//! | devmaps, cpumaps, xskmaps | any device number; CPUs are workers; no sockets | a redirect is a verdict | `records_and_maps.rs` |
//! | order of keys in a hash map | ours, the same in every run | unspecified in Linux | `maps.rs` |
//! | `%p`, `%pK` of `bpf_trace_printk` | the value, not a keyed hash of it | a replay repeats | - |
//! | `%s` and `%pI` of other addresses than stack and map values | empty, zeroes | what a program cannot name it cannot print | - |
//! | the budget of `may_goto` | 8388608 rounds of a function | a replay repeats; Linux with a clock gives a quarter of a second | `may_goto_budget` |
//! | timers | run by the capture's clock, before the next frame of the worker that started them; a callback that another worker runs is not waited for | a replay repeats | `cases/control`, [`timers`] |
//! | tail calls to an empty slot | leave the count alone | the x86-64 JIT's rule, not the interpreter's | `prog_array.rs` |
//!
//! Deliberately not here: how instructions run (the engines), what a verdict means (`tc`), where frames come from
//! (`replay`).
#![deny(unsafe_code)]

mod exec;
mod executable;
mod free_list;
mod gate;
mod grace;
pub mod helpers;
pub mod maps;
pub mod memory;
pub mod objects;
pub mod skb;
mod sync;
pub mod tail_call;
pub mod timers;
pub mod xdp;

pub use exec::{Batch, ExecutionContext, Fault, FaultKind, MAX_PATH, PathEntry, Redirect};
pub use executable::{Context, ContextKind, Executable, ProgramId, ProgramInfo, register};
pub use helpers::HelperFn;
pub use maps::{Map, MapError, ProgArray};
pub use memory::Memory;
pub use skb::{Packet, SKB_LAYOUT, SkBuff};
pub use xdp::{XdpBuff, XdpPacket};
