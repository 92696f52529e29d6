//! Whoever runs while a packet comes in: helpers 14 to 17, 24, 42, 46, 47, 79, 80, 83, 118, 120, 122, 123, 151.
//!
//! A packet is received in an interrupt. Here that is always one of the idle task, which is pid 0 of root, in the root
//! cgroup and the first network namespace; and a packet of a capture has no socket.

use bpfreplay_uapi::Errno;

/// Nanoseconds of a tick (`CONFIG_HZ` 250).
const TICK_NS: u64 = 4_000_000;
/// Cookie of the first network namespace.
pub(super) const INIT_NETNS_COOKIE: u64 = 1;
/// Id of the root cgroup.
const ROOT_CGROUP_ID: u64 = 1;
/// Whom files of unmapped users belong to (`DEFAULT_OVERFLOWUID`).
pub(super) const OVERFLOW_UID: u64 = 65534;
/// Bytes of a task's name, its NUL included (`TASK_COMM_LEN`).
const TASK_COMM_LEN: usize = 16;

/// `bpf_get_current_comm`: the idle task's name, padded with zeroes.
pub(super) fn current_comm(cpu: u32, to: &mut [u8]) -> u64 {
    let mut digits = [0; 10];
    let mut rest = cpu;
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    let name = b"swapper/".iter().chain(&digits[at..]).copied();
    to.fill(0);
    let room = to.len().min(TASK_COMM_LEN).saturating_sub(1);
    to.iter_mut().zip(name.take(room)).for_each(|(to, from)| *to = from);
    0
}

/// `bpf_get_ns_current_pid_tgid`: of no namespace that a program could name.
pub(super) fn ns_current_pid_tgid(to: &mut [u8]) -> u64 {
    to.fill(0);
    Errno::EINVAL.as_ret()
}

/// `bpf_get_current_ancestor_cgroup_id`: the root has itself only.
pub(super) fn current_ancestor_cgroup_id(level: i32) -> u64 {
    if level == 0 { ROOT_CGROUP_ID } else { 0 }
}

/// `bpf_get_current_cgroup_id`.
pub(super) fn current_cgroup_id() -> u64 {
    ROOT_CGROUP_ID
}

/// `bpf_jiffies64`.
pub(super) fn jiffies(now_ns: u64) -> u64 {
    now_ns / TICK_NS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_and_padded() {
        for (cpu, len, expected) in [
            (0, 16, &b"swapper/0\0\0\0\0\0\0\0"[..]),
            (120, 10, b"swapper/1\0"),
            (7, 1, b"\0"),
            (3, 12, b"swapper/3\0\0\0"),
        ] {
            let mut name = vec![0xff; len];
            assert_eq!(current_comm(cpu, &mut name), 0);
            assert_eq!(name, expected);
        }
        let mut long = [0xff; 40];
        current_comm(u32::MAX, &mut long);
        assert_eq!(&long[..17], b"swapper/4294967\0\0");
    }
}
