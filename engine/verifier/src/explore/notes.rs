use bpfreplay_uapi::Kfunc;
use bpfreplay_uapi::sock::SockKind;

use crate::state::Hold;

/// What all paths through one instruction agree on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Fact<T> {
    /// No path came by.
    #[default]
    Unseen,
    /// Every path says this.
    Always(T),
    /// Paths differ, or one does not know.
    Varies,
}

impl<T: Copy + PartialEq> Fact<T> {
    /// One more path says this (`None`: does not know).
    pub(crate) fn learn(&mut self, said: Option<T>) {
        *self = match (*self, said) {
            (Fact::Unseen, Some(x)) => Fact::Always(x),
            (Fact::Always(known), Some(x)) if known == x => Fact::Always(x),
            (Fact::Unseen | Fact::Always(_) | Fact::Varies, _) => Fact::Varies,
        };
    }

    pub(crate) fn always(self) -> Option<T> {
        match self {
            Fact::Always(x) => Some(x),
            Fact::Unseen | Fact::Varies => None,
        }
    }
}

/// What a load or store reaches, as far as the rewriter asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Access {
    /// The context: converted afterwards, so all paths must agree.
    Context,
    /// A socket's field: the kernel converts those, so it wants the same.
    Sock(SockKind),
    /// A load from an object: all paths load from one, or none does (linux: reg_type_mismatch_ok()).
    Object,
    /// A store to an object that is held so.
    ObjectStore(Hold),
    /// Memory that is there as it is.
    Memory,
}

/// What a call on an object is to be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct ObjectCall {
    /// Bytes of a new one, else 0.
    pub(crate) size: u32,
    /// Its type among the program's local types.
    pub(crate) local_type: Option<u32>,
    /// Where in it the node is.
    pub(crate) node_off: i32,
}

/// What exploration learned of one slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Note {
    /// A path executed it.
    pub(crate) seen: bool,
    pub(crate) access: Option<Access>,
    /// Helper calls: the map in the map argument.
    pub(crate) map: Fact<u32>,
    /// Helper calls: a constant key, or the index of a tail call.
    pub(crate) key: Fact<u32>,
    /// Calls of `bpf_loop` with flags of 0: the callback.
    pub(crate) in_line: Fact<u32>,
    /// A store that may change packet bytes.
    pub(crate) writes_packet: bool,
    /// The kernel function that is called instead in programs of this type (linux: specialize_kfunc()).
    pub(crate) becomes: Option<Kfunc>,
    /// A call on an object: which.
    pub(crate) object: Option<ObjectCall>,
}
