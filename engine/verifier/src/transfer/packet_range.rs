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

use bpfreplay_isa::JmpOp;
use bpfreplay_uapi::limits::MAX_PACKET_OFF;

use crate::scalar::Branch;
use crate::state::{RegState, RegType, State};

/// Whether the byte at the pointer is inside as well.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Proof {
    /// pointer <= end
    UpTo,
    /// pointer < end
    Including,
}

pub(super) fn learn(state: &mut State, op: JmpOp, branch: Branch, lhs: &RegState, rhs: &RegState) {
    let (pointer, op) = if is_bounded_by(lhs, rhs) {
        (lhs, op)
    } else if is_bounded_by(rhs, lhs) {
        (rhs, mirrored(op))
    } else {
        return;
    };
    let proof = match (op, branch) {
        (JmpOp::Le, Branch::Taken) | (JmpOp::Gt, Branch::FallThrough) => Proof::UpTo,
        (JmpOp::Lt, Branch::Taken) | (JmpOp::Ge, Branch::FallThrough) => Proof::Including,
        (
            JmpOp::Le
            | JmpOp::Gt
            | JmpOp::Lt
            | JmpOp::Ge
            | JmpOp::Eq
            | JmpOp::Ne
            | JmpOp::Set
            | JmpOp::Sgt
            | JmpOp::Sge
            | JmpOp::Slt
            | JmpOp::Sle,
            _,
        ) => return,
    };
    prove(state, pointer, proof);
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
        | RegType::SockCommon
        | RegType::Mem { .. } => false,
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

fn prove(state: &mut State, pointer: &RegState, proof: Proof) {
    let Ok(off) = u32::try_from(pointer.off) else { return };
    let range = match proof {
        Proof::UpTo => off,
        Proof::Including => off + 1,
    };
    if off == 0 {
        // Nothing in front of the pointer; and the kernel does not take `data < data_end` as a proof of one byte.
        return;
    }
    // The pointer's address must not have wrapped round: packet offsets stay within 16 bits.
    let limit = u64::from(MAX_PACKET_OFF);
    if pointer.value.b64.umax > limit || pointer.value.b64.umax + u64::from(off) > limit {
        return;
    }
    state.each_mut(|reg| {
        if reg.kind == pointer.kind && reg.id == pointer.id {
            reg.range = reg.range.max(range);
        }
    });
}
