//! The machine code of a program, with the same lines above it as the xlated listing.

use std::collections::BTreeMap;
use std::sync::Arc;

use bpfreplay_isa::{CallTarget, Imm64, Instruction as Xlated};
use bpfreplay_jit::JitedProgram;
use bpfreplay_program::LineInfo;
use bpfreplay_runtime::{ContextKind, Map, helpers};
use bpfreplay_uapi::{HelperId, MapType, helper_name};
use bpfreplay_verifier::VerifiedProgram;
use iced_x86::{Decoder, DecoderOptions, Formatter, Instruction, IntelFormatter, OpKind};

use super::names::symbol;
use super::rows::Above;

/// The machine code of a function, or what is kept out of the way of all of them.
pub(crate) struct Function {
    pub proto: Option<String>,
    pub name: String,
    pub insns: Vec<MachineInsn>,
}

pub(crate) struct MachineInsn {
    /// Bytes from the start of the program's code.
    pub offset: u64,
    pub line: Option<LineInfo>,
    pub operation: String,
    pub operands: Vec<String>,
    /// Whether an address outside the program is among the operands.
    pub has_address: bool,
    /// What that address is of.
    pub symbol: Option<String>,
}

/// What is jumped to where something seldom happens: a failed tail call, a packet load past the linear part.
const SELDOM: &str = "seldom";

pub(super) fn bytes(jited: &JitedProgram) -> usize {
    jited.code().len()
}

pub(super) fn functions(
    verified: &VerifiedProgram,
    jited: &JitedProgram,
    maps: &[Arc<Map>],
) -> Vec<Function> {
    let symbols = symbols(maps, ContextKind::of(verified.program().prog_type));
    let mut above = Above::new(verified);
    let mut functions: Vec<Function> = Vec::new();
    let offsets = jited.offsets();
    let slots = offsets.len().saturating_sub(1);
    for pc in 0..slots {
        let (proto, mut line) = above.at(pc);
        if verified.subprogs().iter().any(|subprog| subprog.start as usize == pc) || functions.is_empty() {
            let name = symbol(verified, pc);
            functions.push(Function { proto, name, insns: Vec::new() });
        }
        // What comes before the first instruction, to record the program, belongs to it.
        let start = if pc == 0 { 0 } else { offsets[pc] };
        let range = start as usize..offsets[pc + 1] as usize;
        let Some(function) = functions.last_mut() else { continue };
        for mut insn in decode(jited, range, &symbols) {
            insn.line = line.take();
            insn.symbol = insn.symbol.or_else(|| referred(verified, pc).filter(|_| insn.has_address));
            function.insns.push(insn);
        }
    }
    let behind = offsets.last().map_or(0, |&end| end as usize)..jited.code().len();
    let insns = decode(jited, behind, &symbols);
    if !insns.is_empty() {
        functions.push(Function { proto: None, name: SELDOM.to_owned(), insns });
    }
    functions
}

/// Addresses that have names: helpers and maps.
fn symbols(maps: &[Arc<Map>], kind: ContextKind) -> BTreeMap<u64, String> {
    let mut symbols = BTreeMap::new();
    for helper in HelperId::ALL {
        if let Some(function) = helpers::function(*helper, kind) {
            symbols.insert(function as usize as u64, helper.proto().name.to_owned());
        }
    }
    for (index, map) in maps.iter().enumerate() {
        let at = Arc::as_ptr(map).expose_provenance() as u64;
        symbols.insert(at, format!("map[id:{}]", index + 1));
    }
    symbols
}

fn decode(
    jited: &JitedProgram,
    range: std::ops::Range<usize>,
    symbols: &BTreeMap<u64, String>,
) -> Vec<MachineInsn> {
    let base = jited.address() as u64;
    let Some(code) = jited.code().get(range.clone()) else { return Vec::new() };
    let mut decoder = Decoder::with_ip(64, code, base + range.start as u64, DecoderOptions::NONE);
    let mut formatter = IntelFormatter::new();
    formatter.options_mut().set_hex_prefix("0x");
    formatter.options_mut().set_hex_suffix("");
    formatter.options_mut().set_uppercase_hex(false);
    formatter.options_mut().set_branch_leading_zeros(false);
    let mut insns = Vec::new();
    let mut instruction = Instruction::default();
    while decoder.can_decode() {
        decoder.decode_out(&mut instruction);
        let (operation, operands) = text(&mut formatter, &instruction, base, jited.code().len());
        let inside = base..base + jited.code().len() as u64;
        let address = address(&instruction).filter(|address| !inside.contains(address));
        let symbol = address.and_then(|address| symbols.get(&address).cloned());
        let offset = instruction.ip() - base;
        let has_address = address.is_some();
        insns.push(MachineInsn { offset, line: None, operation, operands, has_address, symbol });
    }
    insns
}

/// What an xlated instruction refers to, for addresses that are not a symbol's: of a value, of a prog array's slots, of
/// a helper's form for one kind of map.
fn referred(verified: &VerifiedProgram, pc: usize) -> Option<String> {
    match bpfreplay_isa::decode(verified.xlated(), pc).ok()? {
        Xlated::Call(CallTarget::Helper(id)) => {
            looked_up(verified, pc, id).or_else(|| helper_name(id).map(str::to_owned))
        }
        Xlated::LoadImm64 { value: Imm64::MapValue { map, off }, .. } => {
            Some(format!("map[id:{}][0]+{off}", map + 1))
        }
        Xlated::TailCall => {
            let site = verified.facts().tail_calls.iter().find(|site| site.pc as usize == pc)?;
            let map = site.map? + 1;
            Some(
                site.index
                    .map_or_else(|| format!("map[id:{map}]"), |index| format!("map[id:{map}][{index}]")),
            )
        }
        _ => None,
    }
}

/// A lookup in a known array is done in place: the address is that of the value, or of the first one.
fn looked_up(verified: &VerifiedProgram, pc: usize, helper: u32) -> Option<String> {
    if helper != HelperId::MapLookupElem.id() {
        return None;
    }
    let access = verified.facts().map_accesses.iter().find(|access| access.pc as usize == pc)?;
    let spec = verified.program().maps.get(access.map as usize)?;
    let is_array = matches!(spec.map_type, MapType::Array | MapType::PercpuArray);
    is_array.then(|| format!("map[id:{}][{}]+0", access.map + 1, access.key.unwrap_or(0)))
}

/// Jumps within the program show where they lead as the offsets in front of instructions do.
fn text(
    formatter: &mut IntelFormatter,
    instruction: &Instruction,
    base: u64,
    len: usize,
) -> (String, Vec<String>) {
    let mut operation = String::new();
    formatter.format_mnemonic(instruction, &mut operation);
    let target = instruction.near_branch_target();
    if instruction.op_count() > 0
        && instruction.op0_kind() == OpKind::NearBranch64
        && let Some(offset) = target.checked_sub(base).filter(|&offset| offset < len as u64)
    {
        return (operation, vec![format!("{offset:#x}")]);
    }
    let mut operands = Vec::new();
    for operand in 0..formatter.operand_count(instruction) {
        let mut text = String::new();
        if formatter.format_operand(instruction, &mut text, operand).is_ok() {
            operands.push(text);
        }
    }
    (operation, operands)
}

/// The address an instruction loads or calls.
fn address(instruction: &Instruction) -> Option<u64> {
    if instruction.op_count() > 0 && instruction.op0_kind() == OpKind::NearBranch64 {
        return Some(instruction.near_branch_target());
    }
    let immediate = instruction.op_count() == 2 && instruction.op1_kind() == OpKind::Immediate64;
    immediate.then(|| instruction.immediate64())
}
