use std::borrow::Cow;

use bpfreplay_runtime::{ProgramId, ProgramInfo};
use bpfreplay_uapi::{ProgType, tc, xdp};

/// The programs of a replay, by id.
#[derive(Clone, Debug, Default)]
pub struct Programs {
    by_id: Vec<Option<ProgramInfo>>,
}

impl Programs {
    /// These programs: all that can run, tail-call targets included.
    #[must_use]
    pub fn new(infos: impl IntoIterator<Item = ProgramInfo>) -> Programs {
        let mut by_id = Vec::new();
        for info in infos {
            let id = info.id as usize;
            if by_id.len() <= id {
                by_id.resize(id + 1, None);
            }
            by_id[id] = Some(info);
        }
        Programs { by_id }
    }

    /// What is known of a program.
    #[must_use]
    pub fn get(&self, id: ProgramId) -> Option<&ProgramInfo> {
        self.by_id.get(id as usize)?.as_ref()
    }

    /// Its name; `?` for one that is not known here.
    #[must_use]
    pub fn name(&self, id: ProgramId) -> &str {
        self.get(id).map_or("?", |info| &info.name)
    }

    /// What verdicts of these programs are: programs that can tail-call each other are of one type.
    #[must_use]
    pub fn verdict_kind(&self) -> VerdictKind {
        self.iter().next().map_or(VerdictKind::Tc, |info| VerdictKind::of(info.prog_type))
    }

    /// `TC_ACT_OK`, `XDP_PASS` and so on; a number without a name as itself.
    #[must_use]
    pub fn verdict_name(&self, action: i32) -> Cow<'static, str> {
        self.verdict_kind().name(action)
    }

    /// All of them, by id.
    pub fn iter(&self) -> impl Iterator<Item = &ProgramInfo> {
        self.by_id.iter().flatten()
    }
}

/// `TC_ACT_OK` and so on; a number without a name as itself.
#[must_use]
pub fn verdict_name(action: i32) -> Cow<'static, str> {
    VerdictKind::Tc.name(action)
}

/// What a verdict is a number of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum VerdictKind {
    /// `TC_ACT_*`.
    Tc,
    /// `XDP_*`.
    Xdp,
    /// [`kept`].
    Socket,
    /// `BPF_OK` and its kin.
    Lwt,
    /// The return value, which has no names.
    Number,
}

/// What becomes of a packet at a socket with a filter.
pub mod kept {
    /// The filter returned 0.
    pub const DROPPED: i32 = 0;
    /// The socket is given all of it.
    pub const WHOLE: i32 = 1;
    /// The socket is given less.
    pub const TRUNCATED: i32 = 2;
}

impl VerdictKind {
    /// Of programs of a type.
    #[must_use]
    pub fn of(prog_type: ProgType) -> VerdictKind {
        match prog_type {
            ProgType::SchedCls | ProgType::SchedAct => VerdictKind::Tc,
            ProgType::Xdp => VerdictKind::Xdp,
            ProgType::SocketFilter => VerdictKind::Socket,
            ProgType::LwtIn | ProgType::LwtOut | ProgType::LwtXmit | ProgType::LwtSeg6local => {
                VerdictKind::Lwt
            }
            ProgType::CgroupSkb | ProgType::Kprobe | ProgType::Tracepoint => VerdictKind::Number,
        }
    }

    /// The verdict's name; a number without a name as itself.
    #[must_use]
    pub fn name(self, action: i32) -> Cow<'static, str> {
        let name = match self {
            VerdictKind::Tc => tc::action_name(action),
            VerdictKind::Xdp => xdp::action_name(action.cast_unsigned()),
            VerdictKind::Socket => match action {
                kept::DROPPED => Some("dropped"),
                kept::WHOLE => Some("kept"),
                kept::TRUNCATED => Some("truncated"),
                _ => None,
            },
            // enum bpf_ret_code
            VerdictKind::Lwt => match action {
                0 => Some("BPF_OK"),
                2 => Some("BPF_DROP"),
                7 => Some("BPF_REDIRECT"),
                128 => Some("BPF_LWT_REROUTE"),
                _ => None,
            },
            VerdictKind::Number => None,
        };
        name.map_or_else(|| Cow::Owned(action.to_string()), Cow::Borrowed)
    }
}
