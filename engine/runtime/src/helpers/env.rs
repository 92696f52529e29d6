//! What a program asks of the machine it runs on: randomness, redirection. Time and CPU are fields of the context.

use bpfreplay_uapi::tc::{TC_ACT_REDIRECT, TC_ACT_SHOT};

use crate::exec::{ExecutionContext, Redirect};

/// The target's ingress instead of its egress (`BPF_F_INGRESS`).
const BPF_F_INGRESS: u64 = 1;

/// `bpf_get_prandom_u32`: splitmix64's upper half, so that a seed decides the whole replay.
pub(super) fn prandom_u32(exec: &mut ExecutionContext) -> u64 {
    exec.prandom = exec.prandom.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut word = exec.prandom;
    word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    (word ^ word >> 31) >> 32
}

/// `bpf_redirect` of tc: remembers the target, which counts if the verdict is the one returned here.
pub(super) fn redirect(exec: &mut ExecutionContext, ifindex: u32, flags: u64) -> u64 {
    if flags & !BPF_F_INGRESS != 0 {
        return TC_ACT_SHOT as u64;
    }
    exec.redirect = Some(Redirect { ifindex, flags });
    TC_ACT_REDIRECT as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prandom_repeats_by_worker_and_keeps_the_upper_half_clear() {
        let draw = |cpu| {
            let mut exec = ExecutionContext::new(cpu);
            (0..100).map(|_| prandom_u32(&mut exec)).collect::<Vec<_>>()
        };
        assert_eq!(draw(0), draw(0));
        assert_ne!(draw(0), draw(1));
        assert!(draw(0).iter().all(|value| *value <= u64::from(u32::MAX)));
    }

    #[test]
    fn redirect_refuses_flags_and_keeps_the_last_target() {
        let mut exec = ExecutionContext::new(0);
        assert_eq!(redirect(&mut exec, 7, 2), 2);
        assert_eq!(exec.redirect, None);
        assert_eq!(redirect(&mut exec, 7, 0), 7);
        assert_eq!(redirect(&mut exec, 8, 1), 7);
        assert_eq!(exec.redirect, Some(Redirect { ifindex: 8, flags: 1 }));
        assert_eq!(redirect(&mut exec, 9, 1 << 40), 2);
        assert_eq!(exec.redirect, Some(Redirect { ifindex: 8, flags: 1 }));
    }
}
