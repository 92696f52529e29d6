//! Bytes to programs that mean something, and the two engines against each other on what the verifier accepts.
//!
//! ```text
//!   bytes ──Dice──▶ generate ──▶ Scenario: three programs, maps, frames
//!                                   │ verifier: refused is fine
//!                                   ▼
//!                       interpreter: a fault is a bug of the verifier
//!                       jit:         any difference is a bug of an engine
//! ```
//!
//! The generator keeps book of what kind of value is in every register (`kinds`), so that most programs are accepted
//! and none that is compared lets an address be seen: those differ between engines by right. With some inputs it is
//! bold instead: it gets bounds wrong by one, and puts in instructions with any operands. What is accepted of these
//! may show addresses, so it is only run, not compared.
//!
//! Read first: `scenario.rs`, then `statement.rs`.

mod access;
mod calls;
mod code;
mod compare;
mod dice;
mod finding;
mod function;
mod kinds;
mod scenario;
mod statement;

pub use compare::Outcome;
pub use finding::{Finding, FoundProgram};
pub use scenario::Scenario;

/// Any bytes as a scenario.
///
/// # Panics
///
/// If an engine faults on a program the verifier accepted, or if the engines differ. The message holds the scenario
/// as a file for `tests/fuzz/findings/engines`.
pub fn engines(bytes: &[u8]) -> Outcome {
    let scenario = Scenario::generate(bytes);
    scenario.check().unwrap_or_else(|what| panic!("{what}\n\n{}", Finding::of(&scenario, &what)))
}
