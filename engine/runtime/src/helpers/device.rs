//! Devices and routes: helpers 13, 23, 69, 152, 155, 163.
//!
//! A replay has one device, the frame's. Every other number but 0 is taken for a device like it that is up: programs
//! that send to one go the way they go where it exists. Nothing is forwarded and no route is known.

use bpfreplay_uapi::Errno;
use bpfreplay_uapi::tc::{TC_ACT_REDIRECT, TC_ACT_SHOT};
use bpfreplay_uapi::xdp::{XDP_ABORTED, XDP_REDIRECT};

use crate::exec::{ExecutionContext, Redirect};
use crate::skb::SkBuff;

/// The target's ingress instead of its egress (`BPF_F_INGRESS`).
const BPF_F_INGRESS: u64 = 1;
/// Link addresses are the kernel's to find (`BPF_F_NEIGH`, internal).
const BPF_F_NEIGH: u64 = 1 << 16;
/// Into the other end of a pair, in its network namespace (`BPF_F_PEER`, internal).
const BPF_F_PEER: u64 = 1 << 17;

/// Bytes of a `struct bpf_redir_neigh`.
const REDIR_NEIGH_SIZE: u32 = 20;

/// `bpf_redirect` of tc: remembers the target, which counts if the verdict is the one returned here.
pub(super) fn redirect(exec: &mut ExecutionContext, ifindex: u32, flags: u64) -> u64 {
    if flags & !BPF_F_INGRESS != 0 {
        return TC_ACT_SHOT as u64;
    }
    target(exec, ifindex, flags)
}

/// `bpf_redirect_neigh`.
pub(super) fn redirect_neigh(exec: &mut ExecutionContext, ifindex: u32, params_len: u32, flags: u64) -> u64 {
    if (params_len != 0 && params_len < REDIR_NEIGH_SIZE) || flags != 0 {
        return TC_ACT_SHOT as u64;
    }
    target(exec, ifindex, BPF_F_NEIGH)
}

/// `bpf_redirect_peer`.
pub(super) fn redirect_peer(exec: &mut ExecutionContext, ifindex: u32, flags: u64) -> u64 {
    if flags != 0 {
        return TC_ACT_SHOT as u64;
    }
    target(exec, ifindex, BPF_F_PEER)
}

fn target(exec: &mut ExecutionContext, ifindex: u32, flags: u64) -> u64 {
    exec.redirect = Some(Redirect { ifindex, flags });
    TC_ACT_REDIRECT as u64
}

/// `bpf_redirect` of XDP.
pub(super) fn xdp_redirect(exec: &mut ExecutionContext, ifindex: u32, flags: u64) -> u64 {
    if flags != 0 {
        return u64::from(XDP_ABORTED);
    }
    exec.redirect = Some(Redirect { ifindex, flags: 0 });
    u64::from(XDP_REDIRECT)
}

/// `bpf_clone_redirect`: the copy is gone as soon as it is sent.
pub(super) fn clone_redirect(skb: &SkBuff, ifindex: u32, flags: u64) -> u64 {
    if flags & !BPF_F_INGRESS != 0 {
        return Errno::EINVAL.as_ret();
    }
    // A TEST_RUN context can say GSO; what it cannot say is of which type.
    if skb.gso_size != 0 {
        return Errno::EBADMSG.as_ret();
    }
    if ifindex == 0 { Errno::EINVAL.as_ret() } else { 0 }
}

/// What `bpf_check_mtu` says of a length.
mod check {
    /// It fits.
    pub(super) const SUCCESS: u64 = 0;
    /// It does not.
    pub(super) const FRAG_NEEDED: u64 = 1;
}

/// Segments of a GSO packet are to be looked at, too (`BPF_MTU_CHK_SEGS`).
const BPF_MTU_CHK_SEGS: u64 = 1;
/// Bytes of the link header (`hard_header_len`).
const HARD_HEADER_LEN: u32 = 14;

/// `bpf_check_mtu` of tc. `len` is the length to check, 0 for the packet's; it becomes the MTU.
pub(super) fn check_mtu(skb: &SkBuff, len: &mut u32, difference: i32, flags: u64) -> u64 {
    if flags & !BPF_MTU_CHK_SEGS != 0 || (flags != 0 && (difference != 0 || *len != 0)) {
        return Errno::EINVAL.as_ret();
    }
    let mut verdict = fits(*len, skb.len(), difference, skb.mtu);
    if verdict != check::SUCCESS && skb.gso_size != 0 {
        // Segments are measured from the transport header, which a TEST_RUN does not set.
        if flags & BPF_MTU_CHK_SEGS != 0 {
            return Errno::EINVAL.as_ret();
        }
        verdict = check::SUCCESS;
    }
    *len = skb.mtu;
    verdict
}

/// `bpf_check_mtu` of XDP.
pub(super) fn xdp_check_mtu(packet_len: u32, mtu: u32, len: &mut u32, difference: i32, flags: u64) -> u64 {
    if flags != 0 {
        return Errno::EINVAL.as_ret();
    }
    let verdict = fits(*len, packet_len, difference, mtu);
    *len = mtu;
    verdict
}

fn fits(asked: u32, packet_len: u32, difference: i32, mtu: u32) -> u64 {
    let len = if asked == 0 { packet_len } else { asked.wrapping_add(HARD_HEADER_LEN) };
    let len = (len as i32).wrapping_add(difference);
    if len <= mtu.wrapping_add(HARD_HEADER_LEN) as i32 { check::SUCCESS } else { check::FRAG_NEEDED }
}

/// Bytes of a `struct bpf_fib_lookup`.
const FIB_LOOKUP_SIZE: usize = 64;
/// `BPF_FIB_LOOKUP_*`: direct, output, skip_neigh, tbid, src, mark.
const FIB_LOOKUP_FLAGS: u32 = 0x3f;
/// The device does not forward (`BPF_FIB_LKUP_RET_FWD_DISABLED`).
const FWD_DISABLED: u64 = 5;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

/// `bpf_fib_lookup` on a host that does not forward: what Linux says of it before it looks at any route.
pub(super) fn fib_lookup(params: &[u8], flags: u32) -> u64 {
    let Some(params) = params.first_chunk::<FIB_LOOKUP_SIZE>() else { return Errno::EINVAL.as_ret() };
    if flags & !FIB_LOOKUP_FLAGS != 0 {
        return Errno::EINVAL.as_ret();
    }
    if !matches!(params[0], AF_INET | AF_INET6) {
        return Errno::EAFNOSUPPORT.as_ret();
    }
    let ifindex = u32::from_le_bytes([params[8], params[9], params[10], params[11]]);
    if ifindex == 0 { Errno::ENODEV.as_ret() } else { FWD_DISABLED }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(redirect_neigh(&mut exec, 3, 19, 0), 2);
        assert_eq!(redirect_neigh(&mut exec, 3, 20, 0), 7);
        assert_eq!(redirect_peer(&mut exec, 3, 1), 2);
        assert_eq!(exec.redirect, Some(Redirect { ifindex: 3, flags: BPF_F_NEIGH }));
        assert_eq!(xdp_redirect(&mut exec, 4, 1), 0);
        assert_eq!(xdp_redirect(&mut exec, 5, 0), 4);
        assert_eq!(exec.redirect, Some(Redirect { ifindex: 5, flags: 0 }));
    }
}
