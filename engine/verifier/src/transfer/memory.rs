use bpfreplay_isa::{AtomicOp, Operand, Reg, Size, Width};
use bpfreplay_program::KptrKind;
use bpfreplay_uapi::SkbValue;
use bpfreplay_uapi::sock::SockKind;

use super::{alu, operand, read, stack, writable};
use crate::check;
use crate::check::context::ContextAccess;
use crate::check::kptr::{self, Kptr};
use crate::check::memory::{self, How, Target};
use crate::error::{Checked, refuse};
use crate::explore::{Access, Env};
use crate::scalar::{self, Scalar};
use crate::state::{RegState, RegType, State, locate};

/// How a load fills the rest of the register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Extend {
    Zero,
    Sign,
}

/// `dst = *(size *)(base + off)`.
pub(super) fn load(
    env: &mut Env<'_>,
    state: &mut State,
    size: Size,
    extend: Extend,
    dst: Reg,
    (base, off): (Reg, i16),
) -> Checked {
    read(state, base)?;
    writable(dst)?;
    let how = match extend {
        Extend::Zero => How::Load,
        Extend::Sign => How::LoadSigned,
    };
    let target = memory::access(env, state, (base, off), size.bytes(), how)?;
    note(env, target, how)?;
    let loaded = match target {
        Target::Stack(range) => stack::read(env, state, (base, range))?,
        Target::Context(access) => context_value(env, access, size),
        Target::MapValue { map, off } => map_value(env, map, off, size),
        Target::Kptr(kptr) => kptr_value(env, kptr, how)?,
        Target::Packet | Target::Memory | Target::Object(_) | Target::Sock(_) => {
            RegState::scalar(Scalar::of_bits(size.bits()))
        }
    };
    state.set(dst, extended(loaded, size, extend));
    Ok(())
}

/// A number as a load of this size leaves it in the register. Pointers are loaded whole.
fn extended(loaded: RegState, size: Size, extend: Extend) -> RegState {
    if !loaded.is_scalar() || size == Size::Dw {
        return loaded;
    }
    let bits = size.bits();
    let mut result = loaded;
    // The link to what was spilled holds only if nothing is cut off.
    if loaded.value.width() > bits {
        result.unlink();
    }
    match extend {
        Extend::Zero => result.value = loaded.value.truncated(bits),
        Extend::Sign => {
            if loaded.value.truncated(bits).b64.umax >= 1 << (bits - 1) {
                result.unlink();
            }
            result.value = scalar::sign_extend_from(size, Width::W64, &loaded.value);
        }
    }
    result
}

/// All paths through an instruction reach the context, or none does: it is converted afterwards.
fn note(env: &mut Env<'_>, target: Target, how: How) -> Checked {
    env.note_access(match target {
        Target::Context(_) => Access::Context,
        Target::Sock(kind) => Access::Sock(kind),
        Target::Object(hold) if how == How::Store => Access::ObjectStore(hold),
        Target::Object(_) => Access::Object,
        Target::Stack(_) | Target::Packet | Target::MapValue { .. } | Target::Kptr(_) | Target::Memory => {
            Access::Memory
        }
    })
}

fn context_value(env: &mut Env<'_>, access: ContextAccess, size: Size) -> RegState {
    match access.value() {
        SkbValue::Scalar => RegState::scalar(Scalar::of_bits(size.bits())),
        SkbValue::Data => RegState::pointer(RegType::Packet),
        SkbValue::DataEnd => RegState::pointer(RegType::PacketEnd),
        SkbValue::DataMeta => RegState::pointer(RegType::PacketMeta),
        SkbValue::SockOrNull => RegState {
            nullable: true,
            id: env.new_id(),
            ..RegState::pointer(RegType::Sock(SockKind::Common))
        },
    }
}

/// A pointer to an object, or NULL.
fn kptr_value(env: &mut Env<'_>, kptr: Kptr, how: How) -> Checked<RegState> {
    if how != How::Load {
        refuse!(Access, "kptr in map can only be accessed using BPF_MEM instruction mode");
    }
    kptr::is_local(env, kptr)?;
    let loaded = RegState::pointer(kptr.loaded(env));
    Ok(RegState { nullable: true, id: env.new_id(), ..loaded })
}

/// Frozen data sections hold constants, everything else any number (linux: bpf_map_direct_read()).
fn map_value(env: &Env<'_>, map: u32, off: Option<u32>, size: Size) -> RegState {
    let bytes = env.map(map).frozen_bytes();
    let constant = off.zip(bytes).and_then(|(off, bytes)| {
        let at = off as usize;
        let bytes = bytes.get(at..at + size.bytes() as usize)?;
        Some(bytes.iter().rev().fold(0_u64, |x, &byte| x << 8 | u64::from(byte)))
    });
    match constant {
        Some(x) => RegState::constant(x),
        None => RegState::scalar(Scalar::of_bits(size.bits())),
    }
}

/// `*(size *)(base + off) = src`.
pub(super) fn store(
    env: &mut Env<'_>,
    state: &mut State,
    size: Size,
    (base, off): (Reg, i16),
    src: Operand,
) -> Checked {
    let value = operand(state, src)?;
    read(state, base)?;
    let target = memory::access(env, state, (base, off), size.bytes(), How::Store)?;
    note(env, target, How::Store)?;
    match target {
        Target::Stack(range) => {
            let value = match src {
                // A spilled copy learns from comparisons of the register, if it is all of it.
                Operand::Reg(reg)
                    if range.is_spill() && value.is_scalar() && value.value.width() <= size.bits() =>
                {
                    alu::link(env, state, reg)
                }
                Operand::Reg(_) | Operand::Imm(_) => value,
            };
            stack::write(env, state, range, &value, src)
        }
        Target::Packet => {
            let pc = env.pc();
            env.notes[pc].writes_packet = true;
            Ok(())
        }
        Target::Kptr(kptr) => store_kptr(env, kptr, &value, src),
        // A map value, context or memory does not remember: loads give any number.
        Target::Context(_)
        | Target::MapValue { .. }
        | Target::Memory
        | Target::Object(_)
        | Target::Sock(_) => Ok(()),
    }
}

/// A pointer that owns nothing, or NULL (linux: check_map_kptr_access()).
fn store_kptr(env: &Env<'_>, kptr: Kptr, value: &RegState, src: Operand) -> Checked {
    if kptr.kind != KptrKind::Unref {
        refuse!(Access, "store to referenced kptr disallowed");
    }
    match src {
        Operand::Imm(0) => Ok(()),
        Operand::Imm(_) => {
            refuse!(Access, "BPF_ST imm must be 0 when storing to kptr at off={}", kptr.off)
        }
        Operand::Reg(reg) => {
            kptr::is_local(env, kptr)?;
            kptr::store(env, kptr, reg, value)
        }
    }
}

/// `lock *(size *)(base + off) op= src` (linux: check_atomic()).
pub(super) fn atomic(
    env: &mut Env<'_>,
    state: &mut State,
    size: Size,
    op: AtomicOp,
    (base, off): (Reg, i16),
    src: Reg,
) -> Checked {
    read(state, src)?;
    let pointer = read(state, base)?;
    if op == AtomicOp::Cmpxchg {
        read(state, Reg::R0)?;
    }
    match pointer.kind {
        RegType::Ctx | RegType::Packet | RegType::PacketMeta | RegType::Sock(_) => refuse!(
            Access,
            "BPF_ATOMIC stores into R{} {} is not allowed",
            base.number(),
            pointer.type_name()
        ),
        // Where a dynptr's memory begins is not known, so neither is whether it is aligned.
        RegType::Mem { sort, .. } if !pointer.nullable && sort.is_of_dynptr() && !sort.is_read_only() => {
            refuse!(
                Access,
                "BPF_ATOMIC stores into R{} {} of a dynptr are not allowed",
                base.number(),
                pointer.type_name()
            )
        }
        RegType::Object { .. } if !pointer.nullable => {
            check::stack::aligned("", &pointer, off.into(), size.bytes())?;
        }
        RegType::MapValue { .. } | RegType::Mem { .. } if !pointer.nullable => {
            check::stack::aligned("value", &pointer, off.into(), size.bytes())?;
        }
        RegType::NotInit
        | RegType::Scalar
        | RegType::MapPtr { .. }
        | RegType::MapValue { .. }
        | RegType::Stack { .. }
        | RegType::PacketEnd
        | RegType::BtfSock(_)
        | RegType::Mem { .. }
        | RegType::MapKey { .. }
        | RegType::Func { .. }
        | RegType::Dynptr(_)
        | RegType::Object { .. } => {}
    }
    let fetched = match (op.fetches(), op) {
        (false, _) => None,
        (true, AtomicOp::Cmpxchg) => Some(Reg::R0),
        (true, _) => Some(src),
    };
    if let Some(reg) = fetched {
        writable(reg)?;
    }
    // Read and written; the messages are those of the read.
    let target = memory::access(env, state, (base, off), size.bytes(), How::Load)?;
    if let Target::Kptr(_) = target {
        refuse!(Access, "kptr in map can only be accessed using BPF_MEM instruction mode");
    }
    if let Target::Stack(range) = target
        && !range.is_fixed()
    {
        // The kernel's words are about other reads that go to no register (linux: check_stack_read()).
        refuse!(
            Access,
            "variable offset stack pointer cannot be passed into helper function; var_off={} off={} size={}",
            pointer.value.known_bits(),
            i64::from(off) + i64::from(pointer.off),
            size.bytes()
        );
    }
    // The kernel looks at the store after the fetched value is in its register: where that is the base, it no longer
    // sees a pointer.
    if fetched == Some(base) {
        let unknown = Scalar::of_bits(size.bits()).known_bits();
        refuse!(Access, "misaligned access off {unknown}+0+{off} size {}", size.bytes());
    }
    memory::access(env, state, (base, off), size.bytes(), How::Store)?;
    note(env, target, How::Store)?;
    let mut old = RegState::scalar(Scalar::of_bits(size.bits()));
    if let Target::Stack(range) = target {
        old = extended(stack::read(env, state, (base, range))?, size, Extend::Zero);
        old.unlink();
        stack::scramble(env, state, range, stack::Extent::Certain);
        if size == Size::Dw {
            env.log.writes_stack(range.frame, 1 << locate(range.min).0);
        }
    }
    if let Some(reg) = fetched {
        state.set(reg, old);
    }
    Ok(())
}
