use std::sync::Arc;

use bpfreplay_program::Program;
use bpfreplay_uapi::ProgType;

/// Bytes of the packet a test runs on (test_loader.c, test_verifier.c: `TEST_DATA_LEN`).
pub(super) const DATA_LEN: usize = 64;
/// `POINTER_VALUE`: any return value will do.
pub(super) const ANY_VALUE: &str = "POINTER_VALUE";

/// One program of a suite and what is expected of it.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The file, such as `verifier_and` or `verifier/calls`.
    pub file: String,
    /// The test in it.
    pub name: String,
    /// The program first, then those it needs in prog arrays; or why our loader does not take it.
    pub programs: Result<Vec<Arc<Program>>, String>,
    /// Whether it should load.
    pub expect: Expect,
    /// The message the suite expects of a refusal, empty if none.
    pub message: String,
    /// `BPF_F_*` of `BPF_PROG_LOAD`.
    pub flags: u32,
    /// Runs to make once it is loaded.
    pub runs: Vec<Run>,
}

/// What a suite expects of loading a program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expect {
    /// It loads.
    Accept,
    /// It does not.
    Refuse,
}

/// One run and what it should return.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Run {
    /// The packet.
    pub data: Vec<u8>,
    /// r0, 32 bits; `None`: any (an address).
    pub retval: Option<u32>,
}

impl Trial {
    /// `file: name`, by which it is explained.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}: {}", self.file, self.name)
    }

    /// Whether the suite expects it to load.
    #[must_use]
    pub fn should_load(&self) -> bool {
        self.expect == Expect::Accept
    }

    /// Whether it is about a program type that is judged, and does not ask for strict alignment: that is a mode of the
    /// kernel for machines this engine does not run on.
    #[must_use]
    pub fn can_be_judged(&self) -> bool {
        let programs = self.programs.as_ref().ok();
        let known = programs.is_none_or(|programs| in_scope(programs[0].prog_type));
        known && self.flags & super::judge::STRICT_ALIGNMENT == 0
    }
}

/// The program types that are judged; the suites have others.
pub(super) const fn in_scope(prog_type: ProgType) -> bool {
    match prog_type {
        ProgType::SocketFilter
        | ProgType::SchedCls
        | ProgType::SchedAct
        | ProgType::Xdp
        | ProgType::CgroupSkb
        | ProgType::LwtIn
        | ProgType::LwtOut
        | ProgType::LwtXmit
        | ProgType::LwtSeg6local => true,
        ProgType::Kprobe | ProgType::Tracepoint => false,
    }
}
