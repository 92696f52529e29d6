use bpfreplay_uapi::Errno;

/// Why an operation on a map failed: the kernel's number, and a reason in words.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{errno}: {reason}")]
pub struct MapError {
    /// The kernel's number.
    pub errno: Errno,
    /// Why.
    pub reason: String,
}

impl MapError {
    pub(crate) fn new(errno: Errno, reason: impl Into<String>) -> MapError {
        MapError { errno, reason: reason.into() }
    }
}
