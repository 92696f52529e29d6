//! What a program asks of the machine it runs on: randomness. Time and CPU are fields of the context.

use crate::exec::ExecutionContext;

/// `bpf_get_prandom_u32`: splitmix64's upper half, so that a seed decides the whole replay.
pub(super) fn prandom_u32(exec: &mut ExecutionContext) -> u64 {
    exec.prandom = exec.prandom.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed(exec.prandom) >> 32
}

/// splitmix64's output function: every bit of the word changes half of the result's.
pub(super) const fn mixed(mut word: u64) -> u64 {
    word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
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
}
