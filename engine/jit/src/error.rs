use std::io;

use thiserror::Error;

/// Why a program could not be turned into machine code.
#[derive(Debug, Error)]
pub enum JitError {
    /// An instruction the JIT does not translate.
    #[error("{program}: instruction {pc} ({instruction}): {reason}")]
    Unsupported {
        /// The program.
        program: String,
        /// The xlated slot.
        pc: u32,
        /// The instruction as text.
        instruction: String,
        /// Why not.
        reason: String,
    },
    /// The code does not hang together: a defect of the JIT.
    #[error("{program}: assembling failed: {message}")]
    Assemble {
        /// The program.
        program: String,
        /// What dynasm says.
        message: String,
    },
    /// The arena has no room.
    #[error("no room for {needed} bytes of machine code: the arena holds {limit} bytes in all")]
    ArenaFull {
        /// Bytes of the image.
        needed: usize,
        /// Bytes of the arena.
        limit: usize,
    },
    /// The system gave no executable memory.
    #[error("{what}: {source}")]
    Memory {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl JitError {
    /// What the last system call said.
    pub(crate) fn last_os_error(what: &'static str) -> JitError {
        JitError::Memory { what, source: io::Error::last_os_error() }
    }
}
