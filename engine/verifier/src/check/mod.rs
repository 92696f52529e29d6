//! What an instruction requires of the state. Nothing here changes a state; [`crate::transfer`] does.

pub(crate) mod context;
pub(crate) mod depth;
pub(crate) mod dynptr;
pub(crate) mod global_args;
pub(crate) mod graph;
pub(crate) mod helper_args;
pub(crate) mod helper_memory;
pub(crate) mod kptr;
pub(crate) mod map_args;
pub(crate) mod memory;
pub(crate) mod object;
pub(crate) mod region;
pub(crate) mod sock;
pub(crate) mod special;
pub(crate) mod stack;
pub(crate) mod static_args;
pub(crate) mod string;
mod struct_walk;
