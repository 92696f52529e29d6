use std::collections::BTreeSet;

use bpfreplay_isa::{AluOp, Class, Insn, JmpOp};
use bpfreplay_program::{MapSpec, Program, SpecialKind};
use bpfreplay_uapi::limits::{MAX_USED_MAPS, MAX_VAR_OFF};
use bpfreplay_uapi::{MapType, ProgType};

use crate::error::{Checked, ErrorKind, Refusal};

/// Opcodes, pairs of slots and map references of all slots, dead ones too (linux: resolve_pseudo_ldimm64()).
pub(crate) fn check(insns: &[Insn], program: &Program) -> Checked {
    let mut used = BTreeSet::new();
    let mut pc = 0;
    while pc < insns.len() {
        let insn = insns[pc];
        let invalid = |message: String| Err(Refusal::new(ErrorKind::Invalid, message).at(pc));
        if insn.class() == Class::Ldx && (!matches!(insn.opcode & 0xe0, 0x60 | 0x80) || insn.imm != 0) {
            return invalid("BPF_LDX uses reserved fields".to_owned());
        }
        if insn.is_wide() {
            let Some(&high) = insns.get(pc + 1) else {
                return invalid("invalid bpf_ld_imm64 insn".to_owned());
            };
            if high.opcode != 0 || high.regs != 0 || high.off != 0 {
                return invalid("invalid bpf_ld_imm64 insn".to_owned());
            }
            if let Some(map) = map_reference(insn, high, program).map_err(|refusal| refusal.at(pc))? {
                used.insert(map);
                if used.len() > MAX_USED_MAPS {
                    let message = format!(
                        "The total number of maps per program has reached the limit of {MAX_USED_MAPS}"
                    );
                    return Err(Refusal::new(ErrorKind::TooBig, message).at(pc));
                }
            }
            pc += 2;
            continue;
        }
        if !is_known_opcode(insn.opcode) {
            return invalid(format!("unknown opcode {:02x}", insn.opcode));
        }
        pc += 1;
    }
    Ok(())
}

/// The map a wide instruction names, checked.
fn map_reference(insn: Insn, high: Insn, program: &Program) -> Checked<Option<u32>> {
    let refusal = |kind, message: String| Err(Refusal::new(kind, message));
    let unrecognized = || refusal(ErrorKind::Invalid, "unrecognized bpf_ld_imm64 insn".to_owned());
    match insn.src() {
        // Constants and functions name no map; they are looked at where they are executed.
        0 | 4 => Ok(None),
        // The kernel looks its variables up here (linux: check_pseudo_btf_id()).
        3 => refusal(
            ErrorKind::Unsupported,
            format!("kernel variables are not supported (ksym with BTF id {})", insn.imm as u32),
        ),
        1 if high.imm != 0 => unrecognized(),
        1 | 2 => {
            let index = insn.imm as u32;
            let Some(map) = program.maps.get(index as usize) else {
                let message = format!(
                    "fd {index} is not pointing to valid bpf_map (the program has {} maps)",
                    program.maps.len()
                );
                return refusal(ErrorKind::Invalid, message);
            };
            fits_program(map, program.prog_type)?;
            if insn.src() == 2 {
                direct_value(map, high.imm as u32)?;
            }
            Ok(Some(index))
        }
        5 | 6 => refusal(
            ErrorKind::Unsupported,
            format!("ld_imm64 with src {}: maps by index into fd_array are not supported", insn.src()),
        ),
        _ => unrecognized(),
    }
}

/// Where programs of the type could be interrupted by themselves, they must not take locks or start timers
/// (linux: check_map_prog_compatibility()).
fn fits_program(map: &MapSpec, prog_type: ProgType) -> Checked {
    let traces = match prog_type {
        ProgType::Kprobe | ProgType::Tracepoint => true,
        ProgType::SocketFilter
        | ProgType::SchedCls
        | ProgType::SchedAct
        | ProgType::Xdp
        | ProgType::CgroupSkb
        | ProgType::LwtIn
        | ProgType::LwtOut
        | ProgType::LwtXmit
        | ProgType::LwtSeg6local => false,
    };
    let has = |kind| map.fields().iter().any(|field| field.kind == kind);
    let refused = if prog_type == ProgType::SocketFilter && has(SpecialKind::SpinLock) {
        Some("socket filter progs cannot use bpf_spin_lock yet")
    } else if traces && has(SpecialKind::SpinLock) {
        Some("tracing progs cannot use bpf_spin_lock yet")
    } else if traces && has(SpecialKind::Timer) {
        Some("tracing progs cannot use bpf_timer yet")
    } else {
        None
    };
    match refused {
        Some(message) => Err(Refusal::new(ErrorKind::Invalid, format!("{message} (map {})", map.name))),
        None => Ok(()),
    }
}

/// The address of a value: of arrays with one entry, that is of data sections (linux: array_map_direct_value_addr()).
fn direct_value(map: &MapSpec, off: u32) -> Checked {
    let invalid = |message: String| Err(Refusal::new(ErrorKind::Invalid, message));
    if i64::from(off) >= MAX_VAR_OFF {
        return invalid(format!("direct value offset of {off} is not allowed"));
    }
    if map.map_type != MapType::Array {
        return invalid("no direct value access support for this map type".to_owned());
    }
    if map.max_entries != 1 || off >= map.value_size {
        return invalid(format!(
            "invalid access to map value pointer, value_size={} off={off}\nthe map has {} entries",
            map.value_size, map.max_entries
        ));
    }
    Ok(())
}

/// Whether any instruction has this opcode (linux: bpf_opcode_in_insntable()). The second slot of a wide instruction
/// is none, `ld_imm64` is dealt with before, and opcodes the kernel keeps to itself (tail_call, callx) are unknown.
fn is_known_opcode(opcode: u8) -> bool {
    const SRC_X: u8 = 0x08;
    let code = opcode & 0xf0;
    let size = opcode & 0x18;
    let mode = opcode & 0xe0;
    let dw = 0x18;
    match Class::of(opcode) {
        Class::Alu => matches!(code, 0x80 if opcode & SRC_X == 0) || code == 0xd0 || is_alu(code),
        Class::Alu64 => (matches!(code, 0x80 | 0xd0) && opcode & SRC_X == 0) || is_alu(code),
        Class::Jmp => {
            JmpOp::from_code(code).is_some()
                || (matches!(code, 0x00 | 0x80 | 0x90 | 0xe0) && opcode & SRC_X == 0)
        }
        Class::Jmp32 => JmpOp::from_code(code).is_some() || opcode == 0x06,
        Class::St => mode == 0x60,
        // The kernel's table has byte and half word atomics for load-acquire and store-release.
        Class::Stx => mode == 0x60 || mode == 0xc0,
        Class::Ldx => mode == 0x60 || (mode == 0x80 && size != dw),
        Class::Ld => matches!(mode, 0x20 | 0x40) && size != dw,
    }
}

fn is_alu(code: u8) -> bool {
    AluOp::from_code(code, 0).is_some()
}
