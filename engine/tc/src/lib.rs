//! The tc hook: a packet and a list of filters in, one verdict out.
//!
//! ```text
//!            ┌──────────────────────────── RECLASSIFY (16 restarts at most, then SHOT) ──┐
//!            ▼                                                                            │
//!   skb ─▶ chain 0 ─▶ filter ─▶ filter ─▶ … ─▶ UNSPEC: accepted                           │
//!                       │ protocol matches? run the program                               │
//!                       ├─ direct-action: r0 is the verdict, or reads as UNSPEC            │
//!                       └─ classid mode:  r0 is a class; the filter's actions decide ──────┤
//!                                                                                         │
//!                                          OK · SHOT · STOLEN · REDIRECT · … ─▶ Verdict ──┘
//! ```
//!
//! The three types to know: [`Hook`], the list and how to walk it; [`Filter`], one entry; [`Verdict`], how it ends.
//!
//! What is Linux's and what is ours: everything here is Linux's (`__tcf_classify`, `cls_bpf_classify`,
//! `tcf_action_exec`) but [`Reclassify::Verdict`], a mode in which a program's own RECLASSIFY restarts the list.
//!
//! Deliberately not here: TCX, act_bpf and mirred, the qdisc behind an egress hook, and doing what a REDIRECT asks.
//! Nor any engine: a program is a [`bpfreplay_runtime::Executable`].
//!
//! Read first: `filter.rs`, then `Hook::classify`.
#![forbid(unsafe_code)]

mod action;
mod filter;
mod hook;
mod verdict;

pub use action::{Action, TCA_ACT_MAX_PRIO};
pub use filter::{Filter, Mode, Protocol};
pub use hook::{Classified, Direction, Hook, HookError, NoObserver, Observer, Reclassify};
pub use verdict::{DropReason, Verdict};
