//! Maps: values at addresses that stay where they are, one file a kind.

use std::sync::Arc;

use bpfreplay_program::MapSpec;
use bpfreplay_uapi::Errno;

use crate::executable::Executable;

/// A map.
#[derive(Debug)]
pub struct Map {
    spec: MapSpec,
}

/// Why an operation on a map failed: the kernel's number, and a reason in words.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{errno}: {reason}")]
pub struct MapError {
    /// The kernel's number.
    pub errno: Errno,
    /// Why.
    pub reason: String,
}

impl Map {
    /// What it was made from.
    #[must_use]
    pub fn spec(&self) -> &MapSpec {
        &self.spec
    }
}

/// A `BPF_MAP_TYPE_PROG_ARRAY`: one atomic word a slot.
#[derive(Debug)]
pub struct ProgArray {
    _programs: Vec<Option<Arc<dyn Executable>>>,
}
