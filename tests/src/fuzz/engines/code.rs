use bpfreplay_isa::{CallTarget, Insn, Instruction, JmpOp, Operand, Reg, Width, encode};

/// Instructions of a program with places to jump to.
#[derive(Default)]
pub(super) struct Code {
    items: Vec<Item>,
    /// By label: the item it stands before.
    labels: Vec<usize>,
}

/// A place to jump to or call; may be bound later.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Label(usize);

struct Item {
    instruction: Instruction,
    /// Where it leads, if its distance is still to be filled in.
    target: Option<Label>,
}

impl Code {
    pub(super) fn emit(&mut self, instruction: Instruction) {
        self.items.push(Item { instruction, target: None });
    }

    pub(super) fn label(&mut self) -> Label {
        self.labels.push(usize::MAX);
        Label(self.labels.len() - 1)
    }

    pub(super) fn bind(&mut self, label: Label) {
        self.labels[label.0] = self.items.len();
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn jump(&mut self, to: Label) {
        self.leading(Instruction::Jump { width: Width::W64, off: 0 }, to);
    }

    pub(super) fn jump_if(&mut self, width: Width, op: JmpOp, dst: Reg, src: Operand, to: Label) {
        self.leading(Instruction::JumpIf { width, op, dst, src, off: 0 }, to);
    }

    pub(super) fn call(&mut self, to: Label) {
        self.leading(Instruction::Call(CallTarget::Local(0)), to);
    }

    fn leading(&mut self, instruction: Instruction, target: Label) {
        self.items.push(Item { instruction, target: Some(target) });
    }

    /// The slots, and the slot every label stands before.
    pub(super) fn link(self) -> (Vec<Insn>, impl Fn(Label) -> u32) {
        let mut slots = Vec::with_capacity(self.items.len() + 1);
        let mut slot = 0;
        for item in &self.items {
            slots.push(slot);
            slot += item.instruction.slots();
        }
        slots.push(slot);
        let labels = self.labels;
        let place = move |label: Label| slots[labels[label.0]] as u32;
        let mut insns: Vec<Insn> = Vec::with_capacity(slot);
        for item in self.items {
            let off = item.target.map_or(0, |label| place(label) as i32 - insns.len() as i32 - 1);
            let (first, second) = encode(match (item.target, item.instruction) {
                (None, instruction) => instruction,
                (Some(_), Instruction::Jump { width, .. }) => Instruction::Jump { width, off },
                (Some(_), Instruction::JumpIf { width, op, dst, src, .. }) => {
                    Instruction::JumpIf { width, op, dst, src, off: off as i16 }
                }
                (Some(_), _) => Instruction::Call(CallTarget::Local(off)),
            });
            insns.push(first);
            insns.extend(second);
        }
        (insns, place)
    }
}
