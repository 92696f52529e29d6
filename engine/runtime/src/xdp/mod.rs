//! XDP's packet: what `struct xdp_md` is a view of.
//!
//! ```text
//!   hard_start                data_meta   data                 data_end              hard_end
//!    │ struct xdp_frame (40)  …  │ metadata │ the linear part      │  zeroed on growth   │ skb_shared_info │
//!    ├──────── headroom, 256 at first ──────┤                                                 frame_sz ────┤
//!
//!   fragments: what a frame of BPF_PROG_TEST_RUN has beyond 3520 bytes, out of reach of packet pointers
//! ```
//!
//! An [`XdpPacket`] belongs to a worker. It takes one frame at a time, in place or copied, and hands out the
//! [`XdpBuff`].

mod access;
mod adjust;
mod hook;
mod packet;

use std::mem::offset_of;

use bpfreplay_uapi::{NativeField, XdpField};

pub use hook::{XDP_TEST_RUN_MAX, XdpHook};
pub use packet::XdpPacket;

use crate::skb::{Buffer, Ownership};

/// Bytes before a frame (`XDP_PACKET_HEADROOM`).
pub(crate) const HEADROOM: u32 = 256;
/// Bytes behind the room for a frame (`struct skb_shared_info`).
pub(crate) const TAILROOM: u32 = 320;
/// A page: the room of a frame with all before and behind it, and of a fragment.
pub(crate) const PAGE: u32 = 4096;

/// The engine's `struct xdp_buff`: converted context accesses read these fields at their offsets.
#[derive(Debug, Default)]
#[repr(C)]
pub struct XdpBuff {
    // Programs read these and never write them: XdpBuff::VISIBLE.
    pub(crate) data: u64,
    pub(crate) data_end: u64,
    pub(crate) data_meta: u64,
    /// Device the frame came in by.
    pub ingress_ifindex: u32,
    /// Receive queue.
    pub rx_queue_index: u32,
    /// Device it goes out by, for programs in a devmap.
    pub egress_ifindex: u32,

    // No program reaches what follows.
    /// MTU of the device.
    pub(crate) mtu: u32,
    /// Where the frame's memory begins. Of a frame in place it is where it would: `data` less the headroom.
    pub(crate) hard_start: u64,
    /// Bytes of the frame's memory, from `hard_start`.
    pub(crate) frame_sz: u32,
    pub(crate) ownership: Ownership,
    pub(crate) buffer: Buffer,
    /// One page after the other, all full but the last.
    pub(crate) fragments: Vec<u8>,
}

impl XdpBuff {
    /// Bytes from the start that programs reach.
    pub(crate) const VISIBLE: usize = offset_of!(XdpBuff, mtu);
}

/// Where [`XdpBuff`] keeps the fields of `struct xdp_md`, in the order of [`XdpField::ALL`].
pub(crate) const fn layout() -> [NativeField; XdpField::COUNT] {
    [
        NativeField { off: offset_of!(XdpBuff, data) as u16, width: 8 },
        NativeField { off: offset_of!(XdpBuff, data_end) as u16, width: 8 },
        NativeField { off: offset_of!(XdpBuff, data_meta) as u16, width: 8 },
        NativeField { off: offset_of!(XdpBuff, ingress_ifindex) as u16, width: 4 },
        NativeField { off: offset_of!(XdpBuff, rx_queue_index) as u16, width: 4 },
        NativeField { off: offset_of!(XdpBuff, egress_ifindex) as u16, width: 4 },
    ]
}
