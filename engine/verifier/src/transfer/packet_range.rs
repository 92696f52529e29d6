//! Comparisons with `data_end` prove bytes to be in the packet (linux: try_match_pkt_pointers(),
//! find_good_pkt_pointers()).
//!
//! ```text
//!   data                 p = data + off                 data_end
//!    |--------------------|-------------------------------|
//!    p <= end  proves  bytes [data, p)     : range = off
//!    p <  end  proves  bytes [data, p]     : range = off + 1
//! ```
//! What is proved holds for every pointer with p's identity, that is with the same variables added to `data`: their
//! constant offsets differ, the base does not. In the same way `data_meta` pointers are compared with `data`.
//!
//! On the other side of the branch the pointer is known to be behind the end, which decides later comparisons.

use bpfreplay_isa::{JmpOp, Reg};
use bpfreplay_uapi::limits::MAX_PACKET_OFF;

use crate::scalar::Branch;
use crate::state::{PacketRange, RegState, RegType, State};

/// What an outcome says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Proof {
    /// pointer <= end
    UpTo,
    /// pointer < end
    Including,
    /// pointer >= end
    NotBefore,
    /// pointer > end
    Behind,
}

/// The pointer and the comparison as `pointer op end`, if it is one.
fn as_bounded(op: JmpOp, lhs: &RegState, rhs: &RegState) -> Option<(RegState, JmpOp)> {
    if is_bounded_by(lhs, rhs) {
        Some((*lhs, op))
    } else if is_bounded_by(rhs, lhs) {
        Some((*rhs, mirrored(op)))
    } else {
        None
    }
}

pub(super) fn learn(state: &mut State, op: JmpOp, branch: Branch, (dst, src): (Reg, Reg)) {
    let (lhs, rhs) = (*state.reg(dst), *state.reg(src));
    let Some((pointer, op)) = as_bounded(op, &lhs, &rhs) else { return };
    let proof = match (op, branch) {
        (JmpOp::Le, Branch::Taken) | (JmpOp::Gt, Branch::FallThrough) => Proof::UpTo,
        (JmpOp::Lt, Branch::Taken) | (JmpOp::Ge, Branch::FallThrough) => Proof::Including,
        (JmpOp::Ge, Branch::Taken) | (JmpOp::Lt, Branch::FallThrough) => Proof::NotBefore,
        (JmpOp::Gt, Branch::Taken) | (JmpOp::Le, Branch::FallThrough) => Proof::Behind,
        (JmpOp::Eq | JmpOp::Ne | JmpOp::Set | JmpOp::Sgt | JmpOp::Sge | JmpOp::Slt | JmpOp::Sle, _) => return,
    };
    let off_end = match proof {
        Proof::UpTo => return prove(state, &pointer, 0),
        Proof::Including => return prove(state, &pointer, 1),
        Proof::NotBefore => PacketRange::AtEnd,
        Proof::Behind => PacketRange::BeyondEnd,
    };
    // Metadata pointers have their end at `data`; the kernel does not follow those.
    if pointer.kind == RegType::Packet {
        let reg = if is_bounded_by(&lhs, &rhs) { dst } else { src };
        state.reg_mut(reg).range = off_end;
    }
}

/// How a comparison goes with a pointer known to be behind `data_end` (linux: is_pkt_ptr_branch_taken()).
pub(super) fn predict(op: JmpOp, lhs: &RegState, rhs: &RegState) -> Option<Branch> {
    let (pointer, op) = as_bounded(op, lhs, rhs)?;
    if pointer.kind != RegType::Packet {
        return None;
    }
    match (pointer.range, op) {
        (PacketRange::BeyondEnd, JmpOp::Gt) => Some(Branch::Taken),
        (PacketRange::BeyondEnd, JmpOp::Le) => Some(Branch::FallThrough),
        (PacketRange::AtEnd | PacketRange::BeyondEnd, JmpOp::Ge) => Some(Branch::Taken),
        (PacketRange::AtEnd | PacketRange::BeyondEnd, JmpOp::Lt) => Some(Branch::FallThrough),
        (PacketRange::Bytes(_) | PacketRange::AtEnd | PacketRange::BeyondEnd, _) => None,
    }
}

/// A packet pointer against `data_end`, or a metadata pointer against the start of the packet.
fn is_bounded_by(pointer: &RegState, end: &RegState) -> bool {
    match pointer.kind {
        RegType::Packet => end.kind == RegType::PacketEnd,
        RegType::PacketMeta => end.is_initial(RegType::Packet),
        RegType::NotInit
        | RegType::Scalar
        | RegType::Ctx
        | RegType::MapPtr { .. }
        | RegType::MapValue { .. }
        | RegType::Stack { .. }
        | RegType::PacketEnd
        | RegType::Sock(_)
        | RegType::BtfSock(_)
        | RegType::Mem { .. }
        | RegType::MapKey { .. }
        | RegType::Func { .. }
        | RegType::Dynptr(_)
        | RegType::Object { .. } => false,
    }
}

/// `a op b` as `b op' a`.
fn mirrored(op: JmpOp) -> JmpOp {
    match op {
        JmpOp::Gt => JmpOp::Lt,
        JmpOp::Lt => JmpOp::Gt,
        JmpOp::Ge => JmpOp::Le,
        JmpOp::Le => JmpOp::Ge,
        JmpOp::Eq | JmpOp::Ne | JmpOp::Set | JmpOp::Sgt | JmpOp::Sge | JmpOp::Slt | JmpOp::Sle => op,
    }
}

/// The bytes before the pointer, and `more`, are in the packet.
fn prove(state: &mut State, pointer: &RegState, more: u32) {
    let Ok(off) = u32::try_from(pointer.off) else { return };
    if off == 0 {
        // Nothing in front of the pointer; and the kernel does not take `data < data_end` as a proof of one byte.
        return;
    }
    // The pointer's address must not have wrapped round: packet offsets stay within 16 bits.
    let limit = u64::from(MAX_PACKET_OFF);
    if pointer.value.b64.umax > limit || pointer.value.b64.umax + u64::from(off) > limit {
        return;
    }
    let range = off + more;
    state.each_mut(|reg| {
        if reg.kind == pointer.kind && reg.id == pointer.id && reg.range.bytes() < range {
            reg.range = PacketRange::Bytes(range);
        }
    });
}
