//! The verifier under attack: damaged and crossed programs, and what happens to those it accepts.
//!
//! ```text
//!   corpus ──mutate──▶ Program ──verifier──▶ accepted ──▶ checked interpreter, random packets and maps: no fault
//!                                               └───────▶ the kernel, where it may be asked: no refusal but those
//!                                                         that `laxer` explains
//! ```
//!
//! The corpus is every case of `tests/cases/verifier`, every program of the shipped objects and, where they were built,
//! the kernel's own suites. The three types to know: [`Corpus`], [`Mutator`], [`Trial`].

mod corpus;
mod finding;
mod laxer;
mod mutate;
mod random;
mod runs;
mod tally;
mod trial;

pub use corpus::Corpus;
pub use finding::{Finding, What};
pub use laxer::{Laxer, Sort, rows as laxer_rows};
pub use mutate::{Mutator, listing};
pub use random::Random;
pub use runs::Runner;
pub use tally::Tally;
pub use trial::{AskAboutRefused, Trial, Verdict};
