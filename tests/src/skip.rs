//! What a suite cannot do on this machine is said where it is seen, also when the test passes.

use std::fmt::Display;
use std::io::Write;

/// Set in the environment of a machine that has everything: there a skip is a failure.
pub const NO_SKIP: &str = "BPFREPLAY_NO_SKIP";

/// Says what is skipped and why.
///
/// On standard error itself: what `eprintln!` writes in a test is shown only if the test fails.
///
/// # Panics
///
/// Where [`NO_SKIP`] is set.
pub fn skipped(what: &str, why: &dyn Display) {
    assert!(std::env::var_os(NO_SKIP).is_none(), "{NO_SKIP} is set, and {what} cannot be done: {why}");
    // Nobody is left to tell that standard error is closed.
    let _ = writeln!(std::io::stderr(), "skipped: {what}: {why}");
}
