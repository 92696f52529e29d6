//! Longer and shorter packets: what the helpers that make room are made of.
//!
//! ```text
//!   insert(14, 4)   │ link header │ IP header …      ▶   │ link header │ 4 × 00 │ IP header …    data moves down
//!   remove(14, 4)   │ link header │ 4 bytes │ …      ▶   │ link header │ …                       data moves up
//! ```

use bpfreplay_uapi::Errno;

use super::{Layer, NO_TRANSPORT_HEADER, SkBuff};

/// Bytes before the packet of a `BPF_PROG_TEST_RUN`, and in what steps there get more (`NET_SKB_PAD`).
pub(super) const NET_SKB_PAD: u32 = 64;

impl SkBuff {
    /// Bytes from the MAC to the network header (`skb_mac_header_len`).
    pub(crate) fn mac_header_len(&self) -> u32 {
        self.network_header.wrapping_sub(self.mac_header)
    }

    /// Records how long the link header is (`skb_reset_mac_len`).
    pub(crate) fn reset_mac_len(&mut self) {
        self.mac_len = self.mac_header_len();
    }

    /// Says where the network header is (`skb_set_network_header`).
    pub(crate) fn set_network_header(&mut self, offset: u32) {
        self.network_header = (self.data - self.head) as u32 + offset;
    }

    /// The MAC header is where the packet begins (`skb_reset_mac_header`).
    pub(crate) fn reset_mac_header(&mut self) {
        self.mac_header = (self.data - self.head) as u32;
    }

    /// Puts `count` zero bytes before the packet; all headers stay where they are (`skb_cow`, `__skb_push`).
    pub(crate) fn push_zeroes(&mut self, count: u32) {
        self.push(count);
        self.packet_mut()[..count as usize].fill(0);
    }

    /// Puts `count` bytes before the packet that hold whatever was there.
    pub(super) fn push(&mut self, count: u32) {
        self.make_room(count, 0);
        self.count_headroom(count);
        self.data -= u64::from(count);
        self.data_meta = self.data;
        self.len += count;
    }

    /// Where Linux would have to move the packet to more headroom, it moves a transport header that nobody has set, too
    /// (`skb_headers_offset_update`): from then on it is set, to one byte before the headroom that there was. It
    /// decides how far `bpf_skb_change_tail` cuts.
    fn count_headroom(&mut self, count: u32) {
        if let Some(missing) = count.checked_sub(self.headroom).filter(|missing| *missing > 0) {
            if self.transport_header == NO_TRANSPORT_HEADER {
                self.transport_header = (self.data - self.head) as i32 - 1 - self.headroom as i32;
            }
            self.headroom += missing.next_multiple_of(NET_SKB_PAD);
        }
        self.headroom -= count;
    }

    /// Puts `count` zero bytes behind the first `offset` bytes; MAC and network header move down
    /// (`bpf_skb_net_hdr_push`).
    pub(crate) fn insert(&mut self, offset: u32, count: u32) {
        let transport_follows =
            self.has_transport_header() && self.transport_header == self.network_header as i32;
        self.push(count);
        let packet = self.packet_mut();
        // The kernel moves what lies behind a packet shorter than its headers; here that is zeroes.
        let (count_len, offset) = (count as usize, (offset as usize).min(packet.len() - count as usize));
        packet.copy_within(count_len..count_len + offset, 0);
        packet[offset..offset + count_len].fill(0);
        self.mac_header = self.mac_header.wrapping_sub(count);
        self.network_header = self.network_header.wrapping_sub(count);
        if transport_follows {
            self.transport_header = self.network_header as i32;
        }
    }

    /// Takes out `count` bytes behind the first `offset`; MAC and network header move up (`bpf_skb_net_hdr_pop`).
    ///
    /// ENOMEM if the packet does not have them.
    pub(crate) fn remove(&mut self, offset: u32, count: u32) -> Result<(), Errno> {
        if offset.checked_add(count).is_none_or(|end| end > self.len) {
            return Err(Errno::ENOMEM);
        }
        let transport_follows =
            self.has_transport_header() && self.transport_header == self.network_header as i32;
        self.packet_mut().copy_within(..offset as usize, count as usize);
        self.trim_front(count);
        self.mac_header = self.mac_header.wrapping_add(count);
        self.network_header = self.network_header.wrapping_add(count);
        if transport_follows {
            self.transport_header = self.network_header as i32;
        }
        Ok(())
    }

    /// Cuts the packet, or lengthens it with zeroes.
    pub(crate) fn set_len(&mut self, len: u32) {
        let old = self.len;
        self.make_room(0, len.saturating_sub(old));
        self.len = len;
        self.data_end = self.data + u64::from(len);
        if len > old {
            self.packet_mut()[old as usize..].fill(0);
        }
    }

    /// Puts the link header back, as zeroes, before a packet that was shown from this layer on: what
    /// `BPF_PROG_TEST_RUN` gives back. A packet shown from its link header on stays as it is.
    pub fn restore_link_header(&mut self, layer: Layer) {
        match layer {
            Layer::Link => {}
            Layer::Network => self.push_zeroes(super::hook::ETH_HLEN),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::skb::{Bytes, Frame, Header, Hook, Link, Packet, SkBuff, TestRun};

    fn with(bytes: Bytes<'_>, test: impl FnOnce(&mut SkBuff)) {
        let mut packet = Packet::new();
        let frame = Frame { bytes, link: Link::Ethernet, wire_len: 60, time_ns: 0 };
        test(packet.load(frame, &Hook::TestRun(TestRun::new())).unwrap());
    }

    #[test]
    fn a_frame_in_place_is_left_alone() {
        let frame: Vec<u8> = (0..60).collect();
        with(Bytes::Shared(&frame), |skb| {
            skb.insert(14, 8);
            assert_eq!(
                (skb.len(), skb.header_offset(Header::Net), skb.header_offset(Header::Mac)),
                (68, 14, 0)
            );
            assert_eq!(skb.packet(), [&frame[..14], &[0; 8], &frame[14..]].concat());
            skb.remove(14, 8).unwrap();
            assert_eq!(skb.packet(), frame);
            skb.set_len(70);
            assert_eq!(skb.packet(), [&frame[..], &[0; 10]].concat());
            skb.set_len(20);
            skb.push_zeroes(4);
            assert_eq!(skb.packet(), [&[0; 4], &frame[..20]].concat());
        });
        assert_eq!(frame, (0..60).collect::<Vec<u8>>());
    }

    #[test]
    fn a_packet_that_outgrows_its_memory_moves_with_its_headers() {
        let frame: Vec<u8> = (0..60).collect();
        with(Bytes::Copied(&frame), |skb| {
            for round in 1..=100 {
                skb.insert(14, 100);
                assert_eq!(skb.len(), 60 + round * 100);
            }
            assert_eq!(skb.header_offset(Header::Net), 14);
            skb.set_len(16_064);
            let packet = skb.packet();
            assert_eq!((&packet[..14], &packet[10_014..10_060]), (&frame[..14], &frame[14..]));
            assert!(packet[14..10_014].iter().chain(&packet[10_060..]).all(|byte| *byte == 0));
        });
    }

    #[test]
    fn what_a_packet_does_not_have_cannot_be_taken_out() {
        with(Bytes::Copied(&[0; 60]), |skb| {
            assert!(skb.remove(14, 47).is_err());
            assert!(skb.remove(u32::MAX, 2).is_err());
            assert!(skb.remove(14, 46).is_ok());
            assert_eq!(skb.len(), 14);
            // Headers beyond the end of what is left.
            skb.insert(34, 20);
            assert_eq!(skb.packet(), [0; 34]);
        });
    }
}
