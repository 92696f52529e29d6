//! Damage that keeps a program close enough to a good one to get past the first checks.

use std::fmt::Write as _;

use std::sync::Arc;

use bpfreplay_isa::{Insn, decode};
use bpfreplay_program::Program;
use bpfreplay_uapi::{ContextKind, HelperId, Kfunc, ProgType};

use super::random::Random;

/// Slots a mutant has at the most: what is longer takes the time of many that are short.
const SLOTS_MAX: usize = 4096;
/// Slots that are taken over from another program at a time.
const GRAFT_MAX: usize = 8;

/// Types that a mutant may become: those that are shown packets.
const TYPES: &[ProgType] = &[
    ProgType::SchedCls,
    ProgType::SchedAct,
    ProgType::Xdp,
    ProgType::SocketFilter,
    ProgType::CgroupSkb,
    ProgType::LwtIn,
    ProgType::LwtOut,
    ProgType::LwtXmit,
];
/// One in so many becomes a program of another type,
const OTHER_TYPE: usize = 5;
/// or of another licence.
const OTHER_LICENCE: usize = 50;

/// Makes mutants.
#[derive(Clone, Debug)]
pub struct Mutator {
    /// What decides.
    pub random: Random,
}

impl Mutator {
    /// A mutant of `program`; `donor` is where it may take instructions from.
    ///
    /// Lengths stay the same as far as jumps cross what is changed, so that most mutants are well formed. BTF of
    /// functions is dropped where their starts would no longer be true.
    pub fn mutant(&mut self, program: &Program, donor: &Program) -> Program {
        let mut mutant = program.clone();
        let before = mutant.insns.len();
        for _ in 0..self.random.one_of(&[1, 1, 1, 2, 3]) {
            self.damage(&mut mutant.insns, donor);
        }
        mutant.insns.truncate(SLOTS_MAX);
        if mutant.insns.len() != before && mutant.funcs.len() > 1 {
            mutant.funcs.clear();
            mutant.btf = None;
            mutant.types = None;
            mutant.local_types = Arc::new([]);
        }
        mutant.lines = Vec::new();
        let other = self.random.one_of(TYPES);
        // What BTF says of the context is true of one kind only.
        let fits = program.funcs.len() < 2 || ContextKind::of(other) == ContextKind::of(program.prog_type);
        if fits && self.random.below(OTHER_TYPE) == 0 {
            mutant.prog_type = other;
            mutant.expected_attach_type = match mutant.prog_type {
                ProgType::CgroupSkb => self.random.below(2) as u32,
                _ => 0,
            };
        }
        if self.random.below(OTHER_LICENCE) == 0 {
            "Proprietary".clone_into(&mut mutant.license);
        }
        mutant
    }

    /// One small damage: a field, two slots swapped, one doubled or lost, or a stretch of another program.
    pub fn damage(&mut self, insns: &mut Vec<Insn>, donor: &Program) {
        if insns.is_empty() {
            return;
        }
        let random = &mut self.random;
        let at = random.below(insns.len());
        let other = random.below(insns.len());
        let insn = &mut insns[at];
        match random.below(18) {
            0 => insn.opcode = random.bits() as u8,
            1 => insn.opcode ^= 1 << random.below(8),
            2 | 3 => insn.regs = (insn.regs & 0xf0) | random.below(11) as u8,
            4 | 5 => insn.regs = (insn.regs & 0x0f) | (random.below(11) as u8) << 4,
            6 | 7 => insn.imm = insn.imm.wrapping_add(random.below(17) as i32 - 8),
            8 => insn.imm = random.interesting(),
            9 | 10 => insn.off = insn.off.wrapping_add(random.below(17) as i16 - 8),
            11 => insn.off = random.interesting() as i16,
            12 => insns.swap(at, other),
            13 => another_comparison(insn, random),
            14 => another_size(insn, random),
            15 if insn.opcode == 0x85 && insn.src() == 0 => {
                insn.imm = random.one_of(HelperId::ALL).id() as i32;
            }
            15 if insn.opcode == 0x85 && insn.src() == 2 => {
                insn.imm = random.one_of(Kfunc::ALL).id() as i32;
            }
            15 | 16 => graft(insns, at, donor, random),
            _ if insns.len() > 2 && random.below(2) == 0 => drop(insns.remove(at)),
            _ => {
                let copy = insns[other];
                insns.insert(at, copy);
            }
        }
    }
}

/// A conditional jump on another condition: off-by-one errors and wrong branches.
fn another_comparison(insn: &mut Insn, random: &mut Random) {
    if matches!(insn.opcode & 7, 5 | 6) && !matches!(insn.opcode & 0xf0, 0x00 | 0x80 | 0x90) {
        let op = random.one_of(&[0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0xa0, 0xb0, 0xc0, 0xd0]);
        insn.opcode = insn.opcode & 0x0f | op;
        if random.below(4) == 0 {
            insn.opcode ^= 3;
        }
    }
}

/// A load or store of another size, an operation of the other width.
fn another_size(insn: &mut Insn, random: &mut Random) {
    match insn.opcode & 7 {
        1..=3 => insn.opcode = insn.opcode & !0x18 | random.one_of(&[0x00, 0x08, 0x10, 0x18]),
        4 | 7 => insn.opcode ^= 3,
        _ => {}
    }
}

/// Overwrites a stretch with one of the donor's.
fn graft(insns: &mut [Insn], at: usize, donor: &Program, random: &mut Random) {
    if donor.insns.is_empty() {
        return;
    }
    let from = random.below(donor.insns.len());
    let len = (1 + random.below(GRAFT_MAX)).min(insns.len() - at).min(donor.insns.len() - from);
    insns[at..at + len].copy_from_slice(&donor.insns[from..from + len]);
}

/// The program as text, for whoever reads a finding.
#[must_use]
pub fn listing(program: &Program) -> String {
    let mut out = String::new();
    let mut pc = 0;
    while pc < program.insns.len() {
        let text = match decode(&program.insns, pc) {
            Ok(instruction) => {
                let line = writeln!(out, "  {pc}: {instruction}");
                pc += instruction.slots();
                line
            }
            Err(_) => {
                let line = writeln!(out, "  {pc}: {:?}", program.insns[pc]);
                pc += 1;
                line
            }
        };
        text.expect("writing to a String");
    }
    out
}
