//! The packet and its metadata: what `struct __sk_buff` is a view of.
//!
//! ```text
//!   head              data_meta = data                    data_end           end
//!    │ headroom            │ len bytes, all linear             │ tailroom      │
//!    └─ mac_header, network_header count from here
//! ```
//!
//! A [`Packet`] belongs to a worker. It takes one frame at a time, in place or copied, and hands out the [`SkBuff`]
//! that a [`Hook`] of Linux would show a program.

mod access;
mod buffer;
mod flow_hash;
mod hook;
mod load;
mod packet;
mod resize;
mod test_run;
mod transport;
mod vlan;

use std::mem::offset_of;

use bpfreplay_uapi::skb::SkbField;
use bpfreplay_uapi::{ContextLayout, NativeField};

pub use access::Header;
pub use hook::{Device, Hook, Refused, Stamp};
pub use load::load_packet;
pub use packet::{Bytes, Frame, Link, Packet};
pub use test_run::{Layer, TEST_RUN_MAX, TestRun, TestRunContext};

pub(crate) use buffer::Buffer;

/// The engine's `struct sk_buff`: converted context accesses read and write these fields at their offsets.
///
/// Byte orders and widths are the kernel's (spec: column T): `protocol` and `vlan_proto` are in network order,
/// `vlan_tci` in host order. The addresses are always those of live memory, which is why only this crate sets them.
#[derive(Debug, Default)]
#[repr(C)]
pub struct SkBuff {
    // Programs read these and never write them: SkBuff::READ_ONLY.
    pub(crate) data: u64,
    pub(crate) data_end: u64,
    pub(crate) data_meta: u64,
    pub(crate) len: u32,

    /// Mark.
    pub mark: u32,
    /// Scratch area of the layer that owns the packet.
    pub cb: [u32; 5],
    /// Priority.
    pub priority: u32,
    /// Device.
    pub ifindex: u32,
    /// Device the packet came in by.
    pub ingress_ifindex: u32,
    /// Flow hash, 0 if not computed.
    pub hash: u32,
    /// Bytes on the wire as the hook records them.
    pub wire_len: u32,
    /// Whether an outer VLAN tag is in the metadata, 0 or 1.
    pub vlan_present: u32,
    /// NAPI instance.
    pub napi_id: u32,
    /// EtherType, network order.
    pub protocol: u16,
    /// Tag in the metadata: protocol, network order.
    pub vlan_proto: u16,
    /// Tag in the metadata: PCP, DEI and VID, host order.
    pub vlan_tci: u16,
    /// Queue.
    pub queue_mapping: u16,
    /// Index of tc.
    pub tc_index: u16,
    /// Class id of tc, low half.
    pub tc_classid: u16,
    /// GSO segments.
    pub gso_segs: u16,
    /// GSO segment size.
    pub gso_size: u16,
    /// `PACKET_HOST` and so on.
    pub pkt_type: u8,
    /// Clock of `tstamp`.
    pub tstamp_type: u8,
    /// Time stamp, ns.
    pub tstamp: u64,
    /// Hardware time stamp, ns.
    pub hwtstamp: u64,
    /// Socket; always NULL.
    pub sk: u64,

    // No program reaches what follows: SkBuff::VISIBLE.
    pub(crate) head: u64,
    pub(crate) end: u64,
    pub(crate) mac_header: u32,
    pub(crate) network_header: u32,
    /// Or [`NO_TRANSPORT_HEADER`], or to be looked for (`transport.rs`).
    pub(crate) transport_header: i32,
    /// Bytes the kernel's packet would have before it (`resize.rs`).
    pub(crate) headroom: u32,
    /// Bytes of the link header as the stack last recorded them (`skb->mac_len`), which is not always where the network
    /// header is.
    pub(crate) mac_len: u32,
    /// MTU of the device.
    pub(crate) mtu: u32,
    /// `bpf_skb_adjust_room` has put an outer header before the packet.
    pub(crate) encapsulation: bool,
    pub(crate) checksum: Checksum,
    pub(crate) ownership: Ownership,
    pub(crate) hash_state: HashState,
    pub(crate) buffer: Buffer,
}

/// Whose the packet's bytes are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Ownership {
    /// A capture's: a write copies the packet first, as a write to a cloned skb does.
    #[default]
    Shared,
    /// This packet's alone.
    Exclusive,
}

/// What the device has said of checksums (`ip_summed`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Checksum {
    /// Nothing (`CHECKSUM_NONE`).
    #[default]
    None,
    /// So many checksums in a row are good, less one (`CHECKSUM_UNNECESSARY` and `csum_level`).
    Unnecessary(u8),
}

/// `transport_header` before it is known (`skb_transport_header_was_set`).
pub(crate) const NO_TRANSPORT_HEADER: i32 = i32::MIN;

/// Whether `hash` is one (`l4_hash`, `sw_hash`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum HashState {
    /// To be computed by who asks.
    #[default]
    Unset,
    /// Computed, or set by a program.
    Set,
}

impl SkBuff {
    /// Bytes from the start that programs only read.
    pub(crate) const READ_ONLY: usize = offset_of!(SkBuff, mark);
    /// Bytes from the start that programs reach.
    pub(crate) const VISIBLE: usize = offset_of!(SkBuff, head);
}

/// Where [`SkBuff`] keeps the fields of `struct __sk_buff`.
pub const SKB_LAYOUT: ContextLayout = layout();

const fn layout() -> ContextLayout {
    let mut skb = [NativeField { off: 0, width: 0 }; SkbField::COUNT];
    macro_rules! native {
        ($($field:ident $name:ident $width:literal)*) => {
            $(skb[SkbField::$field as usize] = NativeField { off: offset_of!(SkBuff, $name) as u16, width: $width };)*
        };
    }
    native! {
        Len len 4  PktType pkt_type 1  Mark mark 4  QueueMapping queue_mapping 2  Protocol protocol 2
        VlanPresent vlan_present 4  VlanTci vlan_tci 2  VlanProto vlan_proto 2  Priority priority 4
        IngressIfindex ingress_ifindex 4  Ifindex ifindex 4  TcIndex tc_index 2  Cb cb 20  Hash hash 4
        TcClassid tc_classid 2  Data data 8  DataEnd data_end 8  NapiId napi_id 4  DataMeta data_meta 8
        Tstamp tstamp 8  WireLen wire_len 4  GsoSegs gso_segs 2  Sk sk 8  GsoSize gso_size 2
        TstampType tstamp_type 1  Hwtstamp hwtstamp 8
    }
    ContextLayout { skb, xdp: crate::xdp::layout() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_reach_every_field_of_the_layout_and_nothing_behind() {
        for field in SkbField::ALL {
            let native = SKB_LAYOUT.field(*field);
            assert!(
                usize::from(native.off) + usize::from(native.width) <= SkBuff::VISIBLE,
                "{}",
                field.name()
            );
        }
        // 8-byte accesses to cb[0] and cb[2] are aligned.
        assert_eq!(SKB_LAYOUT.field(SkbField::Cb).off % 8, 0);
    }
}
