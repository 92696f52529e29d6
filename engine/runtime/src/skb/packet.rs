use super::hook::{Hook, Refused};
use super::{Checksum, HashState, Ownership, SkBuff};

/// A worker's packet: takes one frame after the other.
#[derive(Debug, Default)]
pub struct Packet {
    skb: SkBuff,
}

/// A frame of a capture.
#[derive(Debug)]
pub struct Frame<'a> {
    /// The bytes, from the link header on.
    pub bytes: Bytes<'a>,
    /// What link header they begin with.
    pub link: Link,
    /// Bytes the frame had on the wire; more than `bytes` if the capture cut it off.
    pub wire_len: u32,
    /// When it was captured, ns since 1970.
    pub time_ns: u64,
}

/// How a packet may use the bytes of a frame.
#[derive(Debug)]
pub enum Bytes<'a> {
    /// In place while nothing writes; helpers that write copy them first. Not for programs that write through packet
    /// pointers (`ProgramInfo::writes_packet` of the entry and of all it can tail-call).
    Shared(&'a [u8]),
    /// By a copy in the worker's buffer, with headroom and tailroom.
    Copied(&'a [u8]),
    /// In place, and written in place.
    Exclusive(&'a mut [u8]),
}

/// What a frame begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Link {
    /// An Ethernet header of 14 bytes.
    Ethernet,
    /// Nothing: an IPv4 or IPv6 packet, which its first four bits tell (ARPHRD_NONE devices, as tun gives them up).
    Ip,
    /// Nothing; what the bytes are was told by a header of the capture's (Linux cooked, null and loop).
    Stripped {
        /// EtherType, host order.
        protocol: u16,
        /// `PACKET_HOST` and so on.
        pkt_type: u8,
    },
}

impl Packet {
    /// A packet without a frame.
    #[must_use]
    pub fn new() -> Packet {
        Packet::default()
    }

    /// Takes a frame, and shows it as a hook shows it to programs. What an earlier frame left is gone.
    ///
    /// The result is this packet's `SkBuff` for as long as the frame's bytes are borrowed; it is not to be swapped with
    /// another's.
    ///
    /// # Errors
    ///
    /// The reason why Linux would not run a program on such a frame at this hook.
    #[inline]
    pub fn load<'a>(&'a mut self, frame: Frame<'a>, hook: &Hook) -> Result<&'a mut SkBuff, Refused> {
        self.skb.reset();
        let Frame { bytes, link, wire_len, time_ns } = frame;
        match bytes {
            Bytes::Shared(bytes) => {
                self.skb.attach(
                    bytes.as_ptr().expose_provenance() as u64,
                    bytes.len() as u32,
                    Ownership::Shared,
                );
            }
            Bytes::Copied(bytes) => self.skb.copy_in(bytes),
            Bytes::Exclusive(bytes) => {
                let addr = bytes.as_mut_ptr().expose_provenance() as u64;
                self.skb.attach(addr, bytes.len() as u32, Ownership::Exclusive);
            }
        }
        hook.receive(&mut self.skb, link, wire_len, time_ns)?;
        Ok(&mut self.skb)
    }
}

impl SkBuff {
    /// Every field a frame sets or a program may have left, back to 0; the addresses follow by `attach`.
    #[inline]
    fn reset(&mut self) {
        self.mark = 0;
        self.cb = [0; 5];
        self.priority = 0;
        self.ifindex = 0;
        self.ingress_ifindex = 0;
        self.hash = 0;
        self.wire_len = 0;
        self.vlan_present = 0;
        self.napi_id = 0;
        self.protocol = 0;
        self.vlan_proto = 0;
        self.vlan_tci = 0;
        self.queue_mapping = 0;
        self.tc_index = 0;
        self.tc_classid = 0;
        self.gso_segs = 0;
        self.gso_size = 0;
        self.pkt_type = 0;
        self.tstamp_type = 0;
        self.tstamp = 0;
        self.hwtstamp = 0;
        self.sk = 0;
        self.hash_state = HashState::Unset;
        self.mtu = 0;
        self.encapsulation = false;
        self.checksum = Checksum::None;
    }
}
