//! Where an XDP program is shown a frame.

use super::{HEADROOM, PAGE, TAILROOM, XdpBuff};
use crate::skb::{Device, Refused};

/// Bytes of the longest frame `BPF_PROG_TEST_RUN` takes: the linear part and 17 fragments (`MAX_SKB_FRAGS`).
pub const XDP_TEST_RUN_MAX: u32 = LINEAR_MAX + 17 * PAGE;
/// Bytes of the linear part there.
pub(super) const LINEAR_MAX: u32 = PAGE - HEADROOM - TAILROOM;

const ETH_HLEN: u32 = 14;
const LOOPBACK: u32 = 1;
const LOOPBACK_MTU: u32 = 65536;

/// A hook of XDP.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum XdpHook {
    /// A driver's receive path: the frame as it was on the wire, VLAN tags included, all in one piece.
    Ingress(Device),
    /// `BPF_PROG_TEST_RUN` without a context: on the loopback device, in fragments beyond 3520 bytes.
    TestRun,
}

/// Of a frame's bytes, how many are linear, and how much memory it has.
pub(super) struct Shape {
    pub(super) linear: u32,
    pub(super) frame_sz: u32,
}

impl XdpHook {
    /// What becomes of a frame of this length.
    pub(super) fn shape(&self, len: usize) -> Result<Shape, Refused> {
        let len = u32::try_from(len).map_err(|_| Refused::XdpTestRunTooLong)?;
        if len < ETH_HLEN {
            return Err(Refused::NoEthernetHeader);
        }
        match self {
            // Whole pages, as drivers for large frames have them.
            XdpHook::Ingress(_) => {
                Ok(Shape { linear: len, frame_sz: (HEADROOM + len + TAILROOM).next_multiple_of(PAGE) })
            }
            XdpHook::TestRun if len > XDP_TEST_RUN_MAX => Err(Refused::XdpTestRunTooLong),
            XdpHook::TestRun => Ok(Shape { linear: len.min(LINEAR_MAX), frame_sz: PAGE }),
        }
    }

    /// Sets the metadata.
    pub(super) fn receive(&self, xdp: &mut XdpBuff) {
        let (ifindex, mtu) = match self {
            XdpHook::Ingress(device) => (device.ifindex, device.mtu),
            XdpHook::TestRun => (LOOPBACK, LOOPBACK_MTU),
        };
        xdp.ingress_ifindex = ifindex;
        xdp.rx_queue_index = 0;
        xdp.egress_ifindex = 0;
        xdp.mtu = mtu;
    }
}
