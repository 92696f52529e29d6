use super::reg::{RegState, RegType};

/// What the program holds and has to give back: references to objects, a lock, and regions it is in.
///
/// ```text
///   acquire ──▶ reference {id}; every pointer to the object, and to what it keeps alive, has ref_obj_id = id
///   release ──▶ the reference goes, and with it all those pointers; so it does where a pointer is found to be NULL
/// ```
/// It belongs to the path, not to a frame: a function may release what its caller acquired (linux: acquired_refs of
/// struct bpf_verifier_state).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Held {
    references: Vec<Reference>,
    lock: Option<Lock>,
    /// Between `bpf_rcu_read_lock` and `bpf_rcu_read_unlock`, which do not nest.
    pub(crate) in_rcu: bool,
    /// How often `bpf_preempt_disable` is still to be undone.
    pub(crate) preempt_disabled: u32,
}

/// One acquired reference.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Reference {
    pub(crate) id: u32,
    /// The call that acquired it.
    pub(crate) pc: u32,
}

/// The spin lock that is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Lock {
    /// In what,
    pub(crate) holder: LockHolder,
    /// with this identity: each lookup gives another.
    pub(crate) id: u32,
    /// How many of the references that are held were before it.
    after: usize,
}

/// What a lock is in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LockHolder {
    /// A value of this map.
    Map(u32),
    /// An object of the program's.
    Object,
}

impl Lock {
    /// The lock in what the register points to, if there is one in it.
    pub(crate) const fn of(value: &RegState) -> Option<Lock> {
        let holder = match value.kind {
            RegType::MapValue { map } => LockHolder::Map(map),
            RegType::Object { .. } => LockHolder::Object,
            _ => return None,
        };
        Some(Lock { holder, id: value.id, after: 0 })
    }

    /// Whether they are the same.
    pub(crate) fn is(self, other: Lock) -> bool {
        self.holder == other.holder && self.id == other.id
    }

    /// How many references were held when it was taken, of those that still are.
    pub(crate) const fn after(self) -> usize {
        self.after
    }
}

impl Held {
    pub(crate) fn references(&self) -> &[Reference] {
        &self.references
    }

    pub(crate) fn acquire(&mut self, id: u32, pc: usize) {
        self.references.push(Reference { id, pc: pc as u32 });
    }

    /// Whether there was such a reference.
    pub(crate) fn release(&mut self, id: u32) -> bool {
        // The order of the others stays: states are compared by it.
        let Some(at) = self.references.iter().position(|reference| reference.id == id) else {
            return false;
        };
        self.references.remove(at);
        if let Some(lock) = self.lock.as_mut().filter(|lock| at < lock.after) {
            lock.after -= 1;
        }
        true
    }

    pub(crate) fn lock(&self) -> Option<Lock> {
        self.lock
    }

    pub(crate) fn set_lock(&mut self, lock: Option<Lock>) {
        self.lock = lock.map(|lock| Lock { after: self.references.len(), ..lock });
    }
}
