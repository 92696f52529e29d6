//! Sockets, tunnels and routes, which packets of a capture have none of: helpers 20, 21, 29, 30, 66, 74, 75, 84 to 86,
//! 95, 96, 98 to 100, 110, 124, 128, 129, 136 to 140, 178, 196.

use bpfreplay_uapi::Errno;

/// Bytes of a `struct bpf_tunnel_key`, and of its older forms.
const TUNNEL_KEY_SIZES: [usize; 5] = [44, 28, 24, 22, 8];
/// `BPF_F_TUNINFO_IPV6`
const TUNINFO_IPV6: u64 = 1;
/// What `bpf_skb_set_tunnel_key` takes besides: ZERO_CSUM_TX, DONT_FRAGMENT, SEQ_NUMBER, NO_TUNNEL_KEY.
const SET_KEY_FLAGS: u64 = TUNINFO_IPV6 | 1 << 1 | 1 << 2 | 1 << 3 | 1 << 5;

/// A lookup finds nothing: NULL.
pub(super) const NO_SOCKET: u64 = 0;

/// `bpf_skb_get_tunnel_key` and `bpf_skb_get_xfrm_state`, of a packet without.
pub(super) fn nothing_there(to: &mut [u8]) -> u64 {
    to.fill(0);
    Errno::EINVAL.as_ret()
}

/// `bpf_skb_get_tunnel_opt` of a packet that came through no tunnel.
pub(super) fn get_tunnel_opt(to: &mut [u8]) -> u64 {
    to.fill(0);
    Errno::ENOENT.as_ret()
}

/// `bpf_skb_set_tunnel_key`: for a tunnel device the packet may be sent to, which is nothing a replay looks at.
pub(super) fn set_tunnel_key(from: &[u8], flags: u64) -> u64 {
    if flags & !SET_KEY_FLAGS != 0 || !TUNNEL_KEY_SIZES.contains(&from.len()) {
        return Errno::EINVAL.as_ret();
    }
    // What an older form does not have is 0.
    let is_set = |at: usize, len: usize| from.iter().skip(at).take(len).any(|byte| *byte != 0);
    let (ext, label) = (is_set(22, 2), is_set(24, 4));
    if ext || (label && flags & TUNINFO_IPV6 == 0) { Errno::EINVAL.as_ret() } else { 0 }
}

/// `bpf_skb_set_tunnel_opt`: not before a key that stays.
pub(super) fn set_tunnel_opt() -> u64 {
    Errno::EINVAL.as_ret()
}

/// What a socket is handed to: no program comes here, because no lookup gives it one.
pub(super) fn needs_socket() -> u64 {
    Errno::EINVAL.as_ret()
}

/// `bpf_lwt_seg6_store_bytes`, `bpf_lwt_seg6_adjust_srh`: no route has looked at the packet's segment routing header.
pub(super) fn needs_srh() -> u64 {
    Errno::EINVAL.as_ret()
}
