//! What we accept and the kernel refuses, by the kernel's words, each with its reason and an example:
//! `tests/soundness/laxer.toml`. Any other refusal of what we accept is a finding.

use std::sync::OnceLock;

use serde::Deserialize;

/// One class.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Laxer {
    /// Part of the kernel's log.
    pub kernel: String,
    /// Of what sort the reason is.
    pub sort: Sort,
    /// Why it is refused there and safe here.
    pub reason: String,
    /// The case of `tests/cases/verifier` that shows it, `area: name`; none for limits.
    pub example: Option<String>,
}

/// Sorts of reasons.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sort {
    /// We know more of a number: what the kernel asks for is proved here.
    Range,
    /// A limit on work, which the kernel meets earlier because it explores more.
    Limit,
    /// The kernel says of itself that it should not get there.
    Bug,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    row: Vec<Laxer>,
}

/// The rows.
///
/// # Panics
///
/// If the file is no such table.
#[must_use]
pub fn rows() -> &'static [Laxer] {
    static ROWS: OnceLock<Vec<Laxer>> = OnceLock::new();
    ROWS.get_or_init(|| {
        let file: File = toml::from_str(include_str!("../../soundness/laxer.toml")).expect("laxer.toml");
        file.row
    })
}
