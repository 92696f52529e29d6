use std::fmt::Write as _;
use std::ops::RangeInclusive;

use bpfreplay_isa::Reg;
use bpfreplay_program::Program;
use bpfreplay_uapi::ProgType;
use bpfreplay_uapi::prog::BPF_CGROUP_INET_EGRESS;

use crate::error::{Checked, refuse};
use crate::explore::Env;
use crate::state::State;

/// What the program may return, if not anything (linux: check_return_code()).
pub(super) fn of_program(program: &Program) -> Option<RangeInclusive<i64>> {
    match program.prog_type {
        // Drop or pass, and at egress whether congestion was met.
        ProgType::CgroupSkb if program.expected_attach_type == BPF_CGROUP_INET_EGRESS => Some(0..=3),
        ProgType::CgroupSkb => Some(0..=1),
        ProgType::SocketFilter
        | ProgType::Kprobe
        | ProgType::SchedCls
        | ProgType::SchedAct
        | ProgType::Tracepoint
        | ProgType::Xdp
        | ProgType::LwtIn
        | ProgType::LwtOut
        | ProgType::LwtXmit
        | ProgType::LwtSeg6local => None,
    }
}

/// The register is a number in the range; `when` is the kernel's word for the occasion.
pub(super) fn check(
    env: &mut Env<'_>,
    state: &State,
    when: &str,
    reg: Reg,
    range: &RangeInclusive<i64>,
) -> Checked {
    let (result, n) = (state.reg(reg), reg.number());
    if !result.is_scalar() {
        refuse!(Invalid, "{when} the register R{n} is not a known value ({})", result.type_name());
    }
    // Later states are only like this one if their result is in the range too.
    env.mark_precise(state, reg);
    let b = result.value.b64;
    if range.contains(&b.smin) && range.contains(&b.smax) {
        return Ok(());
    }
    let mut known = String::new();
    if b.smin > i64::MIN {
        let _ = write!(known, " smin={}", b.smin);
    }
    if b.smax < i64::MAX {
        let _ = write!(known, " smax={}", b.smax);
    }
    if known.is_empty() {
        known.push_str(" unknown scalar value");
    }
    let (low, high) = (range.start(), range.end());
    refuse!(Invalid, "{when} the register R{n} has{known} should have been in [{low}, {high}]");
}
