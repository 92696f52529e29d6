use bpfreplay_runtime::skb::{self, Bytes, Link};
use bpfreplay_runtime::xdp::XdpHook;
use bpfreplay_runtime::{Packet, SkBuff, XdpBuff, XdpPacket};

use crate::frame::Refusal;
use crate::source::{Frame, LinkType, as_ethernet};

/// Where a worker's packets are.
pub(crate) struct PacketMemory {
    packet: Packet,
    xdp: XdpPacket,
    /// A frame with the Ethernet header it was given.
    rebuilt: Vec<u8>,
    in_place: bool,
}

impl PacketMemory {
    /// Frames are used where they were read, while no program writes to them.
    pub(crate) fn new(in_place: bool) -> PacketMemory {
        PacketMemory { packet: Packet::new(), xdp: XdpPacket::new(), rebuilt: Vec::new(), in_place }
    }

    /// Shows a frame to programs as the hook does.
    #[inline(always)]
    pub(crate) fn load<'f>(
        &'f mut self,
        hook: &skb::Hook,
        link: LinkType,
        captured: &'f [u8],
        frame: &Frame,
    ) -> Result<&'f mut SkBuff, Refusal> {
        let PacketMemory { packet, rebuilt, in_place, .. } = self;
        let (bytes, wire_len, pkt_type) = ethernet(rebuilt, *in_place, link, captured, frame)?;
        let framed = skb::Frame { bytes, link: Link::Ethernet, wire_len, time_ns: frame.time_ns };
        let skb = packet.load(framed, hook).map_err(Refusal::Hook)?;
        if let Some(pkt_type) = pkt_type {
            skb.pkt_type = pkt_type;
        }
        Ok(skb)
    }

    /// Shows a frame to XDP programs as the hook does.
    #[inline(always)]
    pub(crate) fn load_xdp<'f>(
        &'f mut self,
        hook: &XdpHook,
        link: LinkType,
        captured: &'f [u8],
        frame: &Frame,
    ) -> Result<&'f mut XdpBuff, Refusal> {
        let PacketMemory { xdp, rebuilt, in_place, .. } = self;
        let (bytes, _, _) = ethernet(rebuilt, *in_place, link, captured, frame)?;
        xdp.load(bytes, hook).map_err(Refusal::Hook)
    }
}

/// A frame with an Ethernet header, its length on the wire, and its packet type where a capture tells it.
#[inline(always)]
fn ethernet<'f>(
    rebuilt: &'f mut Vec<u8>,
    in_place: bool,
    link: LinkType,
    captured: &'f [u8],
    frame: &Frame,
) -> Result<(Bytes<'f>, u32, Option<u8>), Refusal> {
    let view = as_ethernet(link, captured)?;
    let Some(header) = view.header else {
        let bytes = if in_place { Bytes::Shared(view.rest) } else { Bytes::Copied(view.rest) };
        return Ok((bytes, frame.orig_len, view.pkt_type));
    };
    rebuilt.clear();
    rebuilt.extend_from_slice(&header);
    rebuilt.extend_from_slice(view.rest);
    // On the wire, too, it would have been longer or shorter by this.
    let added = rebuilt.len() as i64 - i64::from(frame.len);
    let wire_len = u32::try_from(i64::from(frame.orig_len) + added).unwrap_or(frame.orig_len);
    Ok((Bytes::Copied(rebuilt), wire_len, view.pkt_type))
}
