//! The sample captures, and the program that rebuilds them.
//!
//! Turns a list of named functions into the files of `pcaps/generated` and `pcaps/broken`, byte for
//! byte the same on every machine, and keeps the provenance table (`pcaps/README.md`) and the sums
//! (`pcaps/SHA256SUMS`) true of what is committed. `cargo run -p bpfreplay-pcaps` writes them,
//! `cargo run -p bpfreplay-pcaps -- --check` compares.
//!
//! Three things to know:
//! - [`Capture`]: one committed file, what it shows, where it comes from; [`CAPTURES`] lists them,
//!   [`readable`] and [`broken`] give their paths to tests;
//! - [`wire`]: functions that put one header in front of some bytes, for anyone who needs a frame;
//! - [`Throughput`]: an endless stream of frames for benchmarks, too many to commit.
//!
//! What it does not do: read captures for the engine (that is `engine/replay`), or record them
//! (`pcaps/record.sh` does, in network namespaces of its own).
//!
//! Read `catalogue` first, then any file of `cases`.
#![forbid(unsafe_code)]

mod cases;
mod catalogue;
pub mod file;
mod inspect;
mod rng;
mod table;
mod throughput;
pub mod wire;

pub use catalogue::{CAPTURES, Capture, Origin, broken, directory, readable};
pub use inspect::{InspectError, Inspection, inspect};
pub use rng::Rng;
pub use table::{readme_with_table, sums};
pub use throughput::{FLOWS, Mix, Throughput, write_throughput};
