//! Captures in, every frame through a hook (tc, XDP, a socket's filter) on one of N workers, a report and ordered outputs out.
//!
//! ```text
//!   capture ─Source─▶ Block of frames ─Steering─▶ Worker ─▶ Pipeline (hook, program) ─▶ counters, histogram
//!                                                    └─▶ Format ─▶ Part ─Merge─▶ outputs in capture order
//! ```
//!
//! The three types to know: [`Replay`], what to run; [`Source`], captures as a stream of blocks; [`Report`], what it
//! came to.
//!
//! Invariants: a frame belongs to one worker from arrival to verdict; a flow stays on one worker; every frame ends in
//! exactly one counter of the report; what waits anywhere is bounded by the blocks in flight.
//!
//! Deliberately not here: engines (a program is an [`bpfreplay_runtime::Executable`]), verdict rules (`tc`), anything
//! that prints.
//!
//! Read first: `replay.rs` for who hands what to whom, then `worker.rs` for what happens to a frame.
#![forbid(unsafe_code)]

mod counters;
mod difference;
mod flow;
mod frame;
mod maps;
mod packets;
mod pipeline;
mod programs;
mod records;
mod replay;
mod report;
mod sink;
pub mod source;
mod tally;
mod worker;

pub use difference::Difference;
pub use flow::Steering;
pub use frame::{FrameRecord, PacketView, Ran, Refusal};
pub use maps::{compare_maps, values_by_cpu, write_maps};
pub use pipeline::Pipeline;
pub use programs::{Programs, VerdictKind, kept, verdict_name};
pub use records::{Record, RecordCount, RecordMaps};
pub use replay::{MAX_WORKERS, Progress, Replay};
pub use report::Report;
pub use sink::{Events, Format, Ndjson, Printk, Sink, SinkError, VerdictPcapng};
pub use source::{Capture, Source};
pub use tally::TailCallTaken;
pub use worker::{EngineSetup, SAMPLE_EVERY};
