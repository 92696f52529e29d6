use bpfreplay_isa::{PacketIndex, Reg};
use bpfreplay_uapi::ProgType;

use super::{call, callback, read, reference};
use crate::check::context;
use crate::error::{Checked, refuse};
use crate::explore::{Env, Next};
use crate::state::{RegState, RegType, State};

/// `LD_ABS`, `LD_IND`: r0 = packet bytes, or the function ends with r0 = 0 (linux: check_ld_abs()).
pub(super) fn execute(env: &mut Env<'_>, state: &mut State, index: PacketIndex) -> Checked<Next> {
    match env.program.prog_type {
        ProgType::SocketFilter | ProgType::SchedCls | ProgType::SchedAct => {}
        ProgType::Kprobe
        | ProgType::Tracepoint
        | ProgType::Xdp
        | ProgType::CgroupSkb
        | ProgType::LwtIn
        | ProgType::LwtOut
        | ProgType::LwtXmit
        | ProgType::LwtSeg6local => {
            refuse!(Invalid, "BPF_LD_[ABS|IND] instructions not allowed for this program type")
        }
    }
    if callback::is_inside(state) {
        refuse!(Invalid, "cannot use BPF_LD_[ABS|IND] within callback");
    }
    let context = read(state, Reg::R6)?;
    if context.kind != RegType::Ctx {
        refuse!(Invalid, "at the time of BPF_LD_ABS|IND R6 != pointer to skb");
    }
    if let PacketIndex::Ind(src) = index {
        read(state, src)?;
    }
    reference::none_left(state, reference::Place::PacketLoad)?;
    context::unmodified(Reg::R6, &context)?;
    call::clobber_caller_saved(state);
    // The kernel does not say here that the value has at most 32 bits.
    state.set(Reg::R0, RegState::UNKNOWN);
    let left = state.clone();
    call::leave_early(env, state, left, RegState::constant(0))
}
