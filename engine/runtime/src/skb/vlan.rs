//! VLAN tags in the bytes and in the metadata.
//!
//! ```text
//!   push   metadata empty:   the tag goes there             pop   metadata full:   it is forgotten
//!          full:             what was there goes in-band          empty:           the outer in-band tag goes
//!                                                                 then a next in-band tag moves to the metadata
//! ```

use bpfreplay_uapi::Errno;

use super::hook::{ETH_HLEN, VLAN_HLEN, VLAN_MAX_DEPTH, encapsulated_type, is_vlan};
use super::{Header, SkBuff};

/// Both addresses: what stays in front of a tag.
const ADDRESSES: usize = 12;

impl SkBuff {
    /// `skb_vlan_push`. The protocol is in network order, the TCI in host order.
    pub(crate) fn vlan_push(&mut self, proto: u16, tci: u16) -> Result<(), Errno> {
        if self.vlan_present != 0 {
            if self.header_offset(Header::Mac) != 0 || self.len < ETH_HLEN {
                return Err(Errno::EINVAL);
            }
            self.push(VLAN_HLEN);
            let ([p0, p1], [t0, t1]) = (self.vlan_proto.to_ne_bytes(), self.vlan_tci.to_be_bytes());
            let packet = self.packet_mut();
            let tag = VLAN_HLEN as usize;
            packet.copy_within(tag..tag + ADDRESSES, 0);
            packet[ADDRESSES..ADDRESSES + tag].copy_from_slice(&[p0, p1, t0, t1]);
            self.mac_header = self.mac_header.wrapping_sub(VLAN_HLEN);
            self.network_header = self.network_header.wrapping_sub(VLAN_HLEN);
            self.protocol = self.vlan_proto;
        }
        self.put_tag(proto, tci);
        Ok(())
    }

    /// `skb_vlan_pop`.
    pub(crate) fn vlan_pop(&mut self) -> Result<(), Errno> {
        if self.vlan_present != 0 {
            self.vlan_present = 0;
            self.vlan_proto = 0;
            self.vlan_tci = 0;
        } else if self.is_tagged() {
            self.remove_tag()?;
        }
        if self.is_tagged() {
            let proto = self.protocol;
            let tci = self.remove_tag()?;
            self.put_tag(proto, tci);
        }
        Ok(())
    }

    /// The protocol behind in-band tags, in network order; 0 where they lead nowhere (`vlan_get_protocol`).
    ///
    /// The first tag is taken to end where the link header does, as far as the stack has recorded that.
    pub(crate) fn network_protocol(&self) -> u16 {
        if !self.is_tagged() {
            return self.protocol;
        }
        let mut depth = match self.mac_len {
            0 => ETH_HLEN,
            len => match len.checked_sub(VLAN_HLEN) {
                Some(depth) => depth,
                None => return 0,
            },
        };
        // The last of them is not looked behind.
        for _ in 1..VLAN_MAX_DEPTH {
            let Some(&[_, _, p0, p1]) = self.at(depth, VLAN_HLEN).and_then(|tag| tag.first_chunk()) else {
                break;
            };
            let protocol = u16::from_be_bytes([p0, p1]);
            if !is_vlan(protocol) {
                return protocol.to_be();
            }
            depth += VLAN_HLEN;
        }
        0
    }

    fn is_tagged(&self) -> bool {
        is_vlan(u16::from_be(self.protocol))
    }

    fn put_tag(&mut self, proto: u16, tci: u16) {
        self.vlan_present = 1;
        self.vlan_proto = proto;
        self.vlan_tci = tci;
    }

    /// Takes the outer tag out of the bytes; gives its TCI (`__skb_vlan_pop`).
    fn remove_tag(&mut self) -> Result<u16, Errno> {
        if self.header_offset(Header::Mac) != 0 {
            return Err(Errno::EINVAL);
        }
        let Some(&[t0, t1, p0, p1]) = self.at(ETH_HLEN, VLAN_HLEN).and_then(|tag| tag.first_chunk()) else {
            return Err(Errno::ENOMEM);
        };
        self.protocol = encapsulated_type([p0, p1], self.at(ETH_HLEN + VLAN_HLEN, 2)).to_be();
        self.packet_mut().copy_within(..ADDRESSES, VLAN_HLEN as usize);
        self.trim_front(VLAN_HLEN);
        self.mac_header = self.mac_header.wrapping_add(VLAN_HLEN);
        if self.header_offset(Header::Net) < ETH_HLEN as i32 {
            self.set_network_header(ETH_HLEN);
        }
        self.reset_mac_len();
        Ok(u16::from_be_bytes([t0, t1]))
    }
}
