//! What BTF says of an object (the types themselves are read in `bpfreplay-btf`).
//!
//! ```text
//!   .BTF      header │ types, id 1.. in order │ strings        maps are defined in it, functions described
//!   .BTF.ext  header │ func_info │ line_info │ core_relo       by section and byte offset of an instruction
//! ```

pub(crate) mod ext;
pub(crate) mod fixup;
pub(crate) mod func;

use bpfreplay_btf::BtfError;

use crate::error::{BtfObjectProblem, LoadError, LoadErrorKind};

impl From<BtfError> for LoadError {
    fn from(error: BtfError) -> LoadError {
        LoadError::at(".BTF", error.offset as u64, LoadErrorKind::Btf(error.problem))
    }
}

/// An error of a type that does not fit the object.
pub(crate) fn problem(offset: usize, problem: BtfObjectProblem) -> LoadError {
    LoadError::at(".BTF", offset as u64, LoadErrorKind::BtfObject(problem))
}
