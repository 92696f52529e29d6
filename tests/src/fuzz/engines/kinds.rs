use bpfreplay_isa::Reg;

/// What the generator knows of a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// Not to be used before it is written.
    Dead,
    /// A number that no address went into.
    Number,
    Context,
    /// Into the packet; the bytes behind it are not known to be there.
    Packet,
    PacketEnd,
    /// Eight bytes of a number on the stack of this function or of its caller.
    Cell,
}

/// Slots of the stack the generator uses: `fp - 8` is slot 0.
pub(super) const SLOTS: usize = 10;
/// The first slot that holds numbers only, so that it can be accessed in pieces and by index.
pub(super) const FIRST_CELL: usize = 4;

/// What the generator knows at a place of a function.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Known {
    pub(super) regs: [Kind; 11],
    /// Slots below [`FIRST_CELL`].
    pub(super) slots: [Kind; FIRST_CELL],
}

impl Known {
    pub(super) const NOTHING: Known = Known { regs: [Kind::Dead; 11], slots: [Kind::Dead; FIRST_CELL] };

    pub(super) fn of(&self, reg: Reg) -> Kind {
        self.regs[reg.index()]
    }

    pub(super) fn set(&mut self, reg: Reg, kind: Kind) {
        self.regs[reg.index()] = kind;
    }

    /// The registers of a kind.
    pub(super) fn with(&self, kind: Kind) -> Vec<Reg> {
        Reg::ALL.into_iter().filter(|&reg| reg != Reg::FP && self.of(reg) == kind).collect()
    }

    /// A call took r1 to r5.
    pub(super) fn clobber(&mut self) {
        for reg in Reg::ARGS {
            self.set(reg, Kind::Dead);
        }
        self.set(Reg::R0, Kind::Dead);
    }

    /// The packet may have moved.
    pub(super) fn forget_packet(&mut self) {
        for kind in self.regs.iter_mut().chain(&mut self.slots) {
            if matches!(kind, Kind::Packet | Kind::PacketEnd) {
                *kind = Kind::Dead;
            }
        }
    }

    /// What is known where two paths meet.
    pub(super) fn meet(&mut self, other: &Known) {
        let ours = self.regs.iter_mut().chain(&mut self.slots);
        for (kind, other) in ours.zip(other.regs.iter().chain(&other.slots)) {
            if *kind != *other {
                *kind = Kind::Dead;
            }
        }
    }
}
