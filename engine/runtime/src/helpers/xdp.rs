//! XDP's packet: helpers 44, 54, 65, 188 to 190.

use bpfreplay_uapi::Errno;

use super::ret;
use crate::xdp::XdpBuff;

/// Offsets and lengths of `bpf_xdp_load_bytes` and `bpf_xdp_store_bytes` end here.
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

/// `bpf_xdp_load_bytes`: what cannot be read leaves the buffer as it was.
pub(super) fn load_bytes(xdp: &XdpBuff, offset: u32, to: &mut [u8]) -> u64 {
    ret(within_reach(xdp, offset, to.len()).map(|()| xdp.read(offset, to)))
}

/// `bpf_xdp_store_bytes`.
pub(super) fn store_bytes(xdp: &mut XdpBuff, offset: u32, from: &[u8]) -> u64 {
    ret(within_reach(xdp, offset, from.len()).map(|()| xdp.write(offset, from)))
}

/// `bpf_xdp_pointer`
fn within_reach(xdp: &XdpBuff, offset: u32, len: usize) -> Result<(), Errno> {
    match u32::try_from(len) {
        Ok(len) if offset <= REACH && len <= REACH => {
            if offset + len <= xdp.len() {
                Ok(())
            } else {
                Err(Errno::EINVAL)
            }
        }
        Ok(_) | Err(_) => Err(Errno::EFAULT),
    }
}
