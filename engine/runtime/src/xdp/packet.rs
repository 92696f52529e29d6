use super::hook::XdpHook;
use super::{HEADROOM, XdpBuff};
use crate::skb::{Bytes, Ownership, Refused};

/// A worker's XDP frame: takes one after the other.
#[derive(Debug, Default)]
pub struct XdpPacket {
    xdp: XdpBuff,
}

impl XdpPacket {
    /// Without a frame.
    #[must_use]
    pub fn new() -> XdpPacket {
        XdpPacket::default()
    }

    /// Takes a frame that begins with its Ethernet header, and shows it as a hook shows it to programs. What an earlier
    /// frame left is gone.
    ///
    /// A frame that is [`Bytes::Exclusive`] is copied like any that is to be written: it has no headroom.
    ///
    /// # Errors
    ///
    /// The reason why Linux would not run a program on such a frame at this hook.
    #[inline]
    pub fn load<'a>(&'a mut self, bytes: Bytes<'a>, hook: &XdpHook) -> Result<&'a mut XdpBuff, Refused> {
        let (frame, in_place) = match bytes {
            Bytes::Shared(frame) => (frame, true),
            Bytes::Copied(frame) => (frame, false),
            Bytes::Exclusive(frame) => (&*frame, false),
        };
        let shape = hook.shape(frame.len())?;
        let (linear, rest) = frame.split_at(shape.linear as usize);
        let xdp = &mut self.xdp;
        xdp.frame_sz = shape.frame_sz;
        xdp.fragments.clear();
        xdp.fragments.extend_from_slice(rest);
        xdp.attach(linear);
        if !in_place {
            xdp.own();
        }
        hook.receive(xdp);
        Ok(xdp)
    }
}

impl XdpBuff {
    /// Makes these bytes the linear part, in place.
    #[inline]
    fn attach(&mut self, linear: &[u8]) {
        let addr = linear.as_ptr().expose_provenance() as u64;
        self.data = addr;
        self.data_meta = addr;
        self.data_end = addr + linear.len() as u64;
        self.hard_start = addr.wrapping_sub(u64::from(HEADROOM));
        self.ownership = Ownership::Shared;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(frame: &[u8], copied: bool, hook: &XdpHook, test: impl FnOnce(&mut XdpBuff)) {
        let mut packet = XdpPacket::new();
        let bytes = if copied { Bytes::Copied(frame) } else { Bytes::Shared(frame) };
        test(packet.load(bytes, hook).unwrap());
    }

    /// spec skb-context section 6, the observed limits.
    #[test]
    fn ends_move_as_far_as_in_a_test_run() {
        let frame: Vec<u8> = (0..60).collect();
        for copied in [true, false] {
            with(&frame, copied, &XdpHook::TestRun, |xdp| {
                assert!(xdp.adjust_head(-217).is_err());
                assert!(xdp.adjust_head(47).is_err());
                assert!(xdp.adjust_tail(3461).is_err());
                assert!(xdp.adjust_tail(-47).is_err());
                assert_eq!(xdp.linear(), frame);
                xdp.adjust_head(-216).unwrap();
                assert_eq!(xdp.linear(), [&[0; 216][..], &frame].concat());
                xdp.adjust_head(216 + 46).unwrap();
                assert_eq!(xdp.linear(), &frame[46..]);
                xdp.adjust_head(-46).unwrap();
                xdp.adjust_tail(3460).unwrap();
                assert_eq!(xdp.len(), 3520);
                assert_eq!(xdp.linear(), [&frame[..], &[0; 3460]].concat());
                xdp.adjust_tail(-3506).unwrap();
                assert_eq!(xdp.len(), 14);
            });
        }
        assert_eq!(frame, (0..60).collect::<Vec<u8>>());
    }

    #[test]
    fn metadata_moves_with_the_start() {
        let frame: Vec<u8> = (0..60).collect();
        with(&frame, false, &XdpHook::TestRun, |xdp| {
            for (offset, errno) in [(-3, -13), (-217, -22), (4, -22), (i32::MIN, -22)] {
                assert_eq!(xdp.adjust_meta(offset).unwrap_err().as_ret() as i64, errno, "{offset}");
            }
            xdp.adjust_meta(-8).unwrap();
            let (meta, data) = (xdp.data_meta, xdp.data);
            xdp.own_bytes(meta, data).copy_from_slice(b"metadata");
            xdp.adjust_head(-4).unwrap();
            assert_eq!(xdp.metadata(), b"metadata");
            xdp.adjust_head(20).unwrap();
            assert_eq!((xdp.metadata(), xdp.linear()), (&b"metadata"[..], &frame[16..]));
            xdp.adjust_meta(8).unwrap();
            assert_eq!(xdp.metadata(), b"");
        });
    }

    #[test]
    fn long_frames_are_in_fragments_in_a_test_run_only() {
        let frame: Vec<u8> = (0..9000_u32).map(|n| n as u8).collect();
        with(&frame, false, &XdpHook::TestRun, |xdp| {
            assert_eq!((xdp.linear().len(), xdp.fragments().len(), xdp.len()), (3520, 5480, 9000));
            let (data, fragments) = (xdp.data(), xdp.fragments().as_ptr().expose_provenance() as u64);
            assert_eq!(xdp.pieces(3500, 40), [(data + 3500, 20), (fragments, 20)]);
            assert_eq!(xdp.pieces(3530, 9000), [(data + 3530, 0), (fragments + 10, 5470)]);
            assert_eq!(xdp.pieces(9001, 1)[1].1, 0);
            assert_eq!([0, 4095, 4096, 5479, 5480].map(|at| xdp.fragment_rest(at)), [4096, 1, 1384, 1, 0]);
            assert!(xdp.adjust_tail(2713).is_err());
            xdp.adjust_tail(2712).unwrap();
            assert_eq!(xdp.fragments().len(), 8192);
            assert!(xdp.adjust_tail(1).is_err());
            assert!(xdp.adjust_tail(-11_699).is_err());
            xdp.adjust_tail(-8200).unwrap();
            assert_eq!((xdp.linear().len(), xdp.fragments().len()), (3512, 0));
        });
        with(&frame, false, &XdpHook::Ingress(crate::skb::Device::default()), |xdp| {
            assert_eq!(xdp.linear(), frame);
        });
        let mut packet = XdpPacket::new();
        assert_eq!(
            packet.load(Bytes::Shared(&[0; 13]), &XdpHook::TestRun).unwrap_err(),
            Refused::NoEthernetHeader
        );
        assert!(packet.load(Bytes::Shared(&vec![0; 73_153]), &XdpHook::TestRun).is_err());
    }
}
