//! XDP's packet: helpers 44, 54, 65, 188 to 190, the latter two with `packet_abi`.

use bpfreplay_uapi::Errno;

use super::ret;
use crate::xdp::XdpBuff;

/// Offsets and lengths end here.
const REACH: u32 = 0xffff;

/// `bpf_xdp_adjust_head`.
pub(super) fn adjust_head(xdp: &mut XdpBuff, offset: i32) -> u64 {
    ret(xdp.adjust_head(offset))
}

/// `bpf_xdp_adjust_meta`.
pub(super) fn adjust_meta(xdp: &mut XdpBuff, offset: i32) -> u64 {
    ret(xdp.adjust_meta(offset))
}

/// `bpf_xdp_adjust_tail`.
pub(super) fn adjust_tail(xdp: &mut XdpBuff, offset: i32) -> u64 {
    ret(xdp.adjust_tail(offset))
}

/// Offsets and lengths of `bpf_xdp_load_bytes` and `bpf_xdp_store_bytes` that the frame has (`bpf_xdp_pointer`).
pub(super) fn within_reach(xdp: &XdpBuff, offset: u32, len: u32) -> Result<(), Errno> {
    if offset > REACH || len > REACH {
        return Err(Errno::EFAULT);
    }
    if offset + len <= xdp.len() { Ok(()) } else { Err(Errno::EINVAL) }
}

/// Where `len` bytes at an offset are, if they are in one piece (`bpf_xdp_pointer`).
pub(super) fn pointer(xdp: &mut XdpBuff, offset: u32, len: u32) -> Result<Option<u64>, Errno> {
    within_reach(xdp, offset, len)?;
    let [linear, fragment] = xdp.pieces(offset, len);
    Ok(match offset.checked_sub(xdp.linear().len() as u32) {
        None => (linear.1 == len).then_some(linear.0),
        // No bytes at the very end: Linux looks at the start then.
        Some(behind) if behind == xdp.fragments().len() as u32 => Some(xdp.data()),
        Some(behind) => (len <= xdp.fragment_rest(behind)).then_some(fragment.0),
    })
}
