//! TCP headers: flags, options, data offsets.

use smoltcp::wire::{TcpControl, TcpRepr, TcpTimestampRepr};

use super::{eth_ip, ethernet_capture};
use crate::wire::{Ends, protocol, segment, tcp, tcp_with_options};

/// Options as stacks send them, then every way to send them wrong.
pub(crate) fn options() -> Vec<u8> {
    let mut frames = Vec::new();
    for ends in [Ends::v4(1, 2), Ends::v6(1, 2)] {
        let syn = segment(ends, TcpControl::Syn, 1, None, b"");
        let data = segment(ends, TcpControl::Psh, 2, Some(1), b"with data");
        let carry = |bytes: &[u8]| eth_ip(ends, protocol::TCP, bytes);

        let proper = [
            TcpRepr { max_seg_size: Some(1460), ..syn },
            TcpRepr { max_seg_size: Some(1460), window_scale: Some(7), sack_permitted: true, ..syn },
            TcpRepr { timestamp: Some(TcpTimestampRepr::new(1000, 0)), ..syn },
            TcpRepr { timestamp: Some(TcpTimestampRepr::new(2000, 1000)), ..data },
            TcpRepr { sack_ranges: [Some((10, 20)), None, None], ..data },
            TcpRepr { sack_ranges: [Some((10, 20)), Some((30, 40)), Some((50, 60))], ..data },
        ];
        frames.extend(proper.iter().map(|segment| carry(&tcp(ends, segment))));

        let areas: &[&[u8]] = &[
            &[1; 40],                                                  // forty no-operations
            &[0; 40],                                                  // end of list at once
            &[1, 1, 1, 0, 2, 4, 5, 0xb4],                              // end of list before an option
            &[2, 0, 0, 0],                                             // length 0
            &[2, 1, 0, 0],                                             // length 1
            &[1, 1, 8, 0],                                             // length 0 behind no-operations
            &[2, 4, 5, 0xb4, 8, 10, 0, 0],                             // timestamp past the end
            &[1, 1, 1, 2],                                             // kind as the last byte
            &[2, 40, 0, 0],                                            // length past the header
            &[2, 255, 0, 0],                                           // the longest length there is
            &[2, 3, 5, 0],                                             // MSS of the wrong length
            &[3, 2, 1, 1],                                             // window scale without its byte
            &[3, 3, 255, 1],                       // shift count over 14 (RFC 7323 section 2.3)
            &[5, 2, 1, 1],                         // SACK without a block
            &[5, 9, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1], // SACK with a block and a bit
            &[19, 18, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], // MD5 signature (RFC 2385)
            &[28, 4, 0, 9],                        // user timeout
            &[30, 4, 0x10, 0],                     // multipath
            &[34, 10, 1, 2, 3, 4, 5, 6, 7, 8],     // fast open cookie
            &[254, 4, 0xf9, 0x89],                 // experiment
            &[2, 4, 5, 0xb4, 2, 4, 5, 0xb4],       // the same twice
        ];
        for area in areas {
            frames.push(carry(&tcp_with_options(ends, &syn, area)));
            frames.push(carry(&tcp_with_options(ends, &data, area)));
        }
    }
    ethernet_capture(&frames)
}

/// All 256 flag bytes, every data offset, and a port 0 on either side.
pub(crate) fn flags_and_offsets() -> Vec<u8> {
    let ends = Ends::v4(1, 2);
    let plain = tcp(ends, &segment(ends, TcpControl::None, 1, Some(1), b"sixteen bytes ok"));
    let mut frames = Vec::new();
    for flags in 0..=255u8 {
        let mut bytes = plain.clone();
        bytes[13] = flags;
        frames.push(eth_ip(ends, protocol::TCP, &bytes));
    }
    for data_offset in 0..16u8 {
        let mut bytes = plain.clone();
        bytes[12] = data_offset << 4;
        frames.push(eth_ip(ends, protocol::TCP, &bytes));
    }
    for ends in [ends.ports(0, 80), ends.ports(1024, 0)] {
        frames.push(eth_ip(ends, protocol::TCP, &tcp(ends, &segment(ends, TcpControl::Rst, 0, None, b""))));
    }
    ethernet_capture(&frames)
}
