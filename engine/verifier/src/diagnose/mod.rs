//! The words of a refusal: the kernel's message for slots that say nothing, and what was known of the registers.

mod fitted;
mod form;
mod hint;
mod objects;

use std::borrow::Cow;

use bpfreplay_isa::{Class, DecodeErrorKind, Insn, Instruction, KernelText, Operand, PacketIndex, Reg};
use bpfreplay_program::Program;

use crate::cfg::Code;
use crate::error::{Circumstances, ErrorKind, Evidence, Refusal, VerifierError};
use crate::log::{ProgramNames, RegText};
use crate::state::{RegType, State};

/// The public error of a refusal.
pub(crate) fn error(
    program: &Program,
    refusal: Refusal,
    circumstances: Circumstances,
    log: String,
) -> VerifierError {
    let Circumstances { registers, register, origin } = circumstances;
    let pc = refusal.pc;
    let hint = refusal
        .help
        .or_else(|| fitted::hint(program, &refusal.message, pc))
        .or_else(|| hint::hint(&refusal.message).map(Cow::Borrowed));
    let at = pc.map(|pc| pc as usize);
    VerifierError {
        pc,
        message: refusal.message,
        kind: refusal.kind,
        line: at.and_then(|pc| program.line_at(pc)).cloned().map(Box::new),
        instruction: at.and_then(|pc| instruction_text(program, pc)),
        registers,
        program: program.name.as_str().into(),
        evidence: Box::new(Evidence { log, register, origin, hint }),
    }
}

fn instruction_text(program: &Program, pc: usize) -> Option<String> {
    let names = ProgramNames { program };
    (pc < program.insns.len()).then(|| KernelText::new(&program.insns, pc, &names).to_string())
}

/// What is known of the registers the instruction uses: `R1=ctx() R2=pkt(r=14)`.
pub(crate) fn registers(program: &Program, code: &Code, pc: usize, state: &State) -> String {
    let used = match code.decoded.get(pc) {
        Some(Ok(instruction)) => used(*instruction),
        Some(Err(_)) | None => Vec::new(),
    };
    let known = used.into_iter().filter(|&reg| state.reg(reg).kind != RegType::NotInit);
    let text = |reg| RegText { reg: state.reg(reg), frame: state.depth(), program };
    let texts: Vec<_> = known.map(|reg| format!("R{}={}", reg.number(), text(reg))).collect();
    texts.join(" ")
}

/// The register at fault: the first the message names (`R2 !read_ok`), else the one a memory access goes through.
pub(crate) fn register_at_fault(code: &Code, pc: usize, message: &str) -> Option<Reg> {
    named(message).or_else(|| match code.decoded.get(pc) {
        Some(Ok(
            Instruction::Load { base, .. }
            | Instruction::Store { base, .. }
            | Instruction::Atomic { base, .. },
        )) => Some(*base),
        Some(Ok(Instruction::Exit)) => Some(Reg::R0),
        Some(_) | None => None,
    })
}

/// Where the reference was acquired that is not released: `Unreleased reference id=2 alloc_insn=5`.
pub(crate) fn acquired_at(message: &str) -> Option<u32> {
    let (_, rest) = message.split_once("alloc_insn=")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn named(message: &str) -> Option<Reg> {
    let numbers =
        message.split(|c: char| !c.is_ascii_alphanumeric()).filter_map(|word| word.strip_prefix('R'));
    numbers.filter_map(|number| number.parse::<u8>().ok()).find_map(Reg::new)
}

fn used(instruction: Instruction) -> Vec<Reg> {
    let with = |reg: Reg, operand: Operand| match operand {
        Operand::Imm(_) => vec![reg],
        Operand::Reg(src) if src == reg => vec![reg],
        Operand::Reg(src) => vec![reg, src],
    };
    match instruction {
        Instruction::Alu { dst, src, .. } | Instruction::JumpIf { dst, src, .. } => with(dst, src),
        Instruction::Neg { dst, .. } | Instruction::Endian { dst, .. } => vec![dst],
        Instruction::MovSx { src, .. } => vec![src],
        Instruction::Load { base, .. } => vec![base],
        Instruction::Store { base, src, .. } => with(base, src),
        Instruction::Atomic { base, src, .. } => vec![base, src],
        Instruction::LoadPacket { index: PacketIndex::Abs, .. } => vec![Reg::R6],
        Instruction::LoadPacket { index: PacketIndex::Ind(src), .. } => vec![Reg::R6, src],
        Instruction::Call(_) | Instruction::TailCall => Reg::ARGS.to_vec(),
        Instruction::Exit => vec![Reg::R0],
        Instruction::LoadImm64 { .. } | Instruction::Jump { .. } | Instruction::MayGoto { .. } => Vec::new(),
    }
}

/// Why a slot that execution got to is no instruction, in the kernel's words.
pub(crate) fn not_an_instruction(insn: Insn, kind: DecodeErrorKind) -> Refusal {
    let invalid = |message: String| Refusal::new(ErrorKind::Invalid, message);
    match kind {
        DecodeErrorKind::BadDst => invalid(format!("R{} is invalid", insn.dst())),
        DecodeErrorKind::BadSrc => invalid(format!("R{} is invalid", insn.src())),
        DecodeErrorKind::ReservedField | DecodeErrorKind::UnknownKind => reserved(insn),
        DecodeErrorKind::UnknownOpcode => match insn.class() {
            Class::Stx if insn.opcode & 0xe0 == 0xc0 => atomic(insn),
            Class::Alu
            | Class::Alu64
            | Class::Jmp
            | Class::Jmp32
            | Class::Ld
            | Class::Ldx
            | Class::St
            | Class::Stx => invalid(format!("unknown opcode {:02x}", insn.opcode)),
        },
        DecodeErrorKind::BadWide | DecodeErrorKind::PastEnd => invalid("invalid BPF_LD_IMM insn".to_owned()),
    }
}

fn atomic(insn: Insn) -> Refusal {
    let message = match (insn.imm, insn.opcode & 0x18) {
        (0x100 | 0x110, _) => {
            let message = "load-acquire and store-release atomics are not supported".to_owned();
            return Refusal::new(ErrorKind::Unsupported, message);
        }
        (imm, 0x08 | 0x10) if bpfreplay_isa::AtomicOp::from_code(imm).is_some() => {
            "invalid atomic operand size".to_owned()
        }
        (imm, _) => format!("BPF_ATOMIC uses invalid atomic opcode {imm:02x}"),
    };
    Refusal::new(ErrorKind::Invalid, message)
}

fn reserved(insn: Insn) -> Refusal {
    if insn.class() == Class::Jmp && insn.opcode & 0xf0 == 0xe0 {
        let message = format!("invalid may_goto imm {}", insn.imm);
        return Refusal::new(ErrorKind::Invalid, message);
    }
    let family = match insn.class() {
        Class::Alu | Class::Alu64 => match insn.opcode & 0xf0 {
            0x80 => "BPF_NEG",
            0xd0 => "BPF_END",
            0xb0 => "BPF_MOV",
            _ => "BPF_ALU",
        },
        Class::Jmp | Class::Jmp32 => match insn.opcode & 0xf0 {
            0x00 => "BPF_JA",
            0x80 => "BPF_CALL",
            0x90 => "BPF_EXIT",
            _ => "BPF_JMP/JMP32",
        },
        Class::St => "BPF_ST",
        Class::Stx if insn.opcode & 0xe0 == 0xc0 => "BPF_ATOMIC",
        Class::Stx => "BPF_STX",
        Class::Ldx => "BPF_LDX",
        Class::Ld if insn.is_wide() => "BPF_LD_IMM64",
        Class::Ld => "BPF_LD_[ABS|IND]",
    };
    Refusal::new(ErrorKind::Invalid, format!("{family} uses reserved fields"))
}
