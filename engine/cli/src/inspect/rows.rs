//! The xlated instructions, each with what bpftool prints above it.

use bpfreplay_btf::Btf;
use bpfreplay_isa::{Insn, KernelText};
use bpfreplay_program::LineInfo;
use bpfreplay_uapi::HelperId;
use bpfreplay_verifier::VerifiedProgram;

use super::names::XlatedNames;
use super::proto;

/// An xlated instruction.
pub(crate) struct Row {
    pub pc: usize,
    /// The prototype of the function that starts here.
    pub proto: Option<String>,
    /// The source line that starts here.
    pub line: Option<LineInfo>,
    pub disasm: String,
}

pub(super) fn xlated(verified: &VerifiedProgram) -> Vec<Row> {
    let insns: Vec<Insn> = verified.xlated().iter().map(|&insn| as_kernel_shows(insn)).collect();
    let mut above = Above::new(verified);
    let mut rows = Vec::new();
    let mut pc = 0;
    while pc < insns.len() {
        let (proto, line) = above.at(pc);
        let names = XlatedNames { verified, pc };
        rows.push(Row { pc, proto, line, disasm: KernelText::new(&insns, pc, &names).to_string() });
        pc += if insns[pc].is_wide() { 2 } else { 1 };
    }
    rows
}

/// Dumps show the call that a tail call was (linux: bpf_insn_prepare_dump()).
fn as_kernel_shows(insn: Insn) -> Insn {
    const CALL: u8 = 0x85;
    const TAIL_CALL: u8 = 0xf5;
    match insn.opcode {
        TAIL_CALL => Insn::new(CALL, 0, 0, 0, HelperId::TailCall.id() as i32),
        _ => insn,
    }
}

/// What stands above an instruction: slots are asked for in ascending order.
pub(super) struct Above<'a> {
    verified: &'a VerifiedProgram,
    btf: Option<Btf>,
    shown: Option<usize>,
}

impl<'a> Above<'a> {
    pub(super) fn new(verified: &'a VerifiedProgram) -> Above<'a> {
        let btf = verified.program().btf.as_deref().and_then(|section| Btf::parse(section).ok());
        Above { verified, btf, shown: None }
    }

    pub(super) fn at(&mut self, pc: usize) -> (Option<String>, Option<LineInfo>) {
        let program = self.verified.program();
        let Some(&orig) = self.verified.orig_pc().get(pc) else { return (None, None) };
        let starts = self.verified.subprogs().iter().any(|subprog| subprog.start as usize == pc);
        let func = program.func_at(orig as usize).filter(|_| starts);
        let proto = func.map(|func| {
            let proto = self.btf.as_ref().and_then(|btf| proto::prototype(btf, func.btf_id));
            proto.unwrap_or_else(|| func.name.clone())
        });
        let index = program.lines.partition_point(|line| line.insn_off <= orig).checked_sub(1);
        let line = index.filter(|index| self.shown != Some(*index)).map(|index| program.lines[index].clone());
        self.shown = index;
        (proto, line)
    }
}
