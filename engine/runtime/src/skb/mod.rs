//! The packet and its metadata: what `struct __sk_buff` is a view of.

use std::mem::offset_of;

use bpfreplay_uapi::skb::SkbField;
use bpfreplay_uapi::{ContextLayout, NativeField};

/// The engine's `struct sk_buff`: converted context accesses read and write these fields at their offsets.
///
/// Byte orders and widths are the kernel's (spec: column T): `protocol` and `vlan_proto` are in network order,
/// `vlan_tci` in host order.
#[derive(Debug, Default)]
#[repr(C)]
pub struct SkBuff {
    /// Address of the first byte a program sees.
    pub data: u64,
    /// Address after the last byte.
    pub data_end: u64,
    /// Address of metadata before the packet; equals `data` without XDP.
    pub data_meta: u64,
    /// Bytes of the packet.
    pub len: u32,
    /// Mark.
    pub mark: u32,
    /// Priority.
    pub priority: u32,
    /// Scratch area of the layer that owns the packet.
    pub cb: [u32; 5],
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
    /// Offset of the MAC header from `head`.
    pub mac_header: u16,
    /// Offset of the network header from `head`.
    pub network_header: u16,
    /// Time stamp, ns.
    pub tstamp: u64,
    /// Hardware time stamp, ns.
    pub hwtstamp: u64,
    /// Socket; always NULL.
    pub sk: u64,
    /// Address of the first byte of the buffer (headroom begins).
    pub head: u64,
    /// Address after the last byte of the buffer (tailroom ends).
    pub end: u64,
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
    ContextLayout { skb }
}
