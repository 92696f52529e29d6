//! Packets as hooks show them, against the observation tables.

use bpfreplay_isa::Size;
use bpfreplay_runtime::memory::Stack;
use bpfreplay_runtime::skb::{
    Bytes, Device, Frame, Header, Hook, Link, Refused, Stamp, TEST_RUN_MAX, TestRun, TestRunContext,
    load_packet,
};
use bpfreplay_runtime::{Context, ExecutionContext, Memory, Packet, SkBuff};
use bpfreplay_uapi::{Errno, HelperId};

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const BROADCAST: [u8; 6] = [0xff; 6];
const ALL_HOOKS: [&str; 3] = ["ingress", "egress", "test-run"];

fn hook(name: &str) -> Hook {
    let device = Device { ifindex: 7, mac: Some(MAC), stamp: Stamp::Zero, ..Device::default() };
    match name {
        "ingress" => Hook::Ingress(device),
        "egress" => Hook::Egress(device),
        _ => Hook::TestRun(TestRun::new()),
    }
}

/// Destination, a fixed source, what follows; 0, 1, 2 … up to `len`.
fn ethernet(dst: [u8; 6], rest: &[u8], len: usize) -> Vec<u8> {
    let mut frame = [&dst[..], &[2, 0, 0, 0, 0, 2], rest].concat();
    while frame.len() < len {
        frame.push(frame.len() as u8);
    }
    frame
}

fn frame(bytes: &[u8]) -> Frame<'_> {
    Frame { bytes: Bytes::Shared(bytes), link: Link::Ethernet, wire_len: bytes.len() as u32, time_ns: 1_000 }
}

fn refused(name: &str, frame: Frame<'_>) -> Refused {
    Packet::new().load(frame, &hook(name)).unwrap_err()
}

#[test]
fn pkt_type_by_destination() {
    for (dst, ingress, test_run) in [
        (MAC, 0, 3),
        (BROADCAST, 1, 2),
        ([1, 0, 0x5e, 0, 0, 1], 2, 2),
        ([2, 0, 0, 0, 0, 9], 3, 3),
        ([0; 6], 3, 0),
    ] {
        let bytes = ethernet(dst, &[8, 0], 60);
        for (name, expected) in ALL_HOOKS.into_iter().zip([ingress, 0, test_run]) {
            let mut packet = Packet::new();
            let skb = packet.load(frame(&bytes), &hook(name)).unwrap();
            assert_eq!(skb.pkt_type, expected, "{name} {dst:x?}");
        }
    }
    // Without an address of its own a device takes every unicast frame for its own.
    for (dst, expected) in [(MAC, 0), ([0; 6], 0), (BROADCAST, 1), ([3, 0, 0, 0, 0, 0], 2)] {
        let bytes = ethernet(dst, &[8, 0], 60);
        let mut packet = Packet::new();
        assert_eq!(packet.load(frame(&bytes), &Hook::Ingress(Device::default())).unwrap().pkt_type, expected);
    }
}

#[test]
fn lengths_and_devices() {
    let bytes = ethernet(MAC, &[8, 0], 60);
    for (name, wire_len, ifindex, ingress) in
        [("ingress", 46, 7, 7), ("egress", 60, 7, 0), ("test-run", 0, 1, 0)]
    {
        let mut packet = Packet::new();
        let skb = packet.load(frame(&bytes), &hook(name)).unwrap();
        assert_eq!((skb.len(), skb.wire_len), (60, wire_len), "{name}");
        assert_eq!((skb.ifindex, skb.ingress_ifindex), (ifindex, ingress), "{name}");
        assert_eq!((skb.protocol, skb.tstamp), (0x0800_u16.to_be(), 0), "{name}");
        assert_eq!((skb.header_offset(Header::Mac), skb.header_offset(Header::Net)), (0, 14), "{name}");
        assert_eq!(skb.packet(), bytes, "{name}");
    }
    // A frame the capture cut off: the length is of what there is, the wire length of what there was.
    let mut packet = Packet::new();
    let skb = packet.load(Frame { wire_len: 1500, ..frame(&bytes) }, &hook("ingress")).unwrap();
    assert_eq!((skb.len(), skb.wire_len), (60, 1486));
    // A 14-byte frame.
    let skb = packet.load(frame(&bytes[..14]), &hook("ingress")).unwrap_or_else(|why| panic!("{why}"));
    assert_eq!((skb.len(), skb.wire_len), (14, 0));
}

#[test]
fn time_stamps_are_the_captures_if_asked_for() {
    let bytes = ethernet(MAC, &[8, 0], 60);
    let device = Device { stamp: Stamp::Capture, ..Device::default() };
    for hook in [Hook::Ingress(device), Hook::Egress(device)] {
        assert_eq!(Packet::new().load(frame(&bytes), &hook).unwrap().tstamp, 1_000);
    }
}

#[test]
fn protocols_of_lengths() {
    for (rest, live, raw) in [
        (&[0x00, 0x30, 0x42, 0x42][..], 0x0004, 0x0030),
        (&[0x00, 0x30, 0xff, 0xff], 0x0001, 0x0030),
        (&[0x05, 0xff, 0x42, 0x42], 0x0004, 0x05ff),
        (&[0x06, 0x00, 0xff, 0xff], 0x0600, 0x0600),
        (&[0x00, 0x30], 0x0004, 0x0030),
    ] {
        let bytes = ethernet(MAC, rest, 0);
        for (name, expected) in ALL_HOOKS.into_iter().zip([live, raw, live]) {
            let mut packet = Packet::new();
            assert_eq!(
                packet.load(frame(&bytes), &hook(name)).unwrap().protocol,
                u16::to_be(expected),
                "{name} {rest:x?}"
            );
        }
    }
}

#[test]
fn the_outer_tag_goes_to_the_metadata_at_ingress_alone() {
    let tagged = [0x81, 0x00, 0x20, 0x05, 0x08, 0x00, 0x45];
    let qinq = [0x88, 0xa8, 0x00, 0x06, 0x81, 0x00, 0x00, 0x05, 0x08, 0x00, 0x45];
    for (rest, proto, tci, inner) in
        [(&tagged[..], 0x8100_u16, 0x2005, 0x0800_u16), (&qinq, 0x88a8, 6, 0x8100)]
    {
        let bytes = ethernet(MAC, rest, 64);
        let mut in_place = bytes.clone();
        for bytes_as in [Bytes::Shared(&bytes), Bytes::Copied(&bytes), Bytes::Exclusive(&mut in_place)] {
            let mut packet = Packet::new();
            let skb = packet.load(Frame { bytes: bytes_as, ..frame(&bytes) }, &hook("ingress")).unwrap();
            assert_eq!((skb.vlan_present, skb.vlan_proto, skb.vlan_tci), (1, proto.to_be(), tci));
            assert_eq!((skb.protocol, skb.len(), skb.wire_len), (inner.to_be(), 60, 46));
            assert_eq!(skb.packet(), [&bytes[..12], &bytes[16..]].concat());
            assert_eq!((skb.header_offset(Header::Mac), skb.header_offset(Header::Net)), (0, 14));
        }
        for (name, net) in [("egress", 14 + 4 * (rest.len() as u32 / 5)), ("test-run", 14)] {
            let mut packet = Packet::new();
            let skb = packet.load(frame(&bytes), &hook(name)).unwrap();
            assert_eq!((skb.vlan_present, skb.protocol, skb.len()), (0, proto.to_be(), 64));
            assert_eq!(skb.packet(), bytes);
            assert_eq!(skb.header_offset(Header::Net), net as i32, "{name}");
        }
        // What a tag left is gone with the next frame.
        let plain = ethernet(MAC, &[8, 0], 60);
        let mut packet = Packet::new();
        packet.load(frame(&bytes), &hook("ingress")).unwrap();
        let skb = packet.load(frame(&plain), &hook("ingress")).unwrap();
        assert_eq!((skb.vlan_present, skb.vlan_proto, skb.vlan_tci), (0, 0, 0));
    }
    // A length behind the tag is looked through as in any frame.
    let bytes = ethernet(MAC, &[0x81, 0, 0, 5, 0, 0x30, 0xff, 0xff], 64);
    assert_eq!(Packet::new().load(frame(&bytes), &hook("ingress")).unwrap().protocol, 1_u16.to_be());
}

/// As a live egress hook has it: tags are followed to what they carry, but not further than seven, and not to type 0.
#[test]
fn the_network_header_is_behind_the_tags_at_egress() {
    let tag = [0x81, 0, 0, 5];
    for (tags, carried, net) in
        [(1, [8, 0], 18), (7, [8, 0], 42), (8, [8, 0], 14), (1, [0, 0], 14), (2, [0, 0x30], 22)]
    {
        let bytes = ethernet(MAC, &[&tag.repeat(tags)[..], &carried].concat(), 90);
        let mut packet = Packet::new();
        let skb = packet.load(frame(&bytes), &hook("egress")).unwrap();
        assert_eq!(skb.header_offset(Header::Net), net, "{tags} tags, {carried:x?}");
    }
}

#[test]
fn frames_linux_would_not_show_are_refused_with_the_reason() {
    let ip = |len| ethernet(MAC, &[8, 0], 0)[..14].iter().copied().chain(0..len).collect::<Vec<u8>>();
    for name in ALL_HOOKS {
        for len in 0..14 {
            assert_eq!(refused(name, frame(&ip(0)[..len])), Refused::NoEthernetHeader);
        }
    }
    let tag = ethernet(MAC, &[0x81, 0, 0, 5, 8, 0], 0);
    for len in 14..20 {
        let mut packet = Packet::new();
        let loaded = packet.load(frame(&[&tag[..], &[0, 0]].concat()[..len]), &hook("ingress")).map(|_| ());
        assert_eq!(loaded, Err(Refused::TruncatedVlan), "{len}");
    }
    assert!(Packet::new().load(frame(&[&tag[..], &[0, 0]].concat()), &hook("ingress")).is_ok());

    let ipv6 = [&ethernet(MAC, &[0x86, 0xdd], 0)[..], &[0; 40]].concat();
    assert_eq!(refused("test-run", frame(&ip(19))), Refused::TestRunShortIp);
    assert!(Packet::new().load(frame(&ip(20)), &hook("test-run")).is_ok());
    assert_eq!(refused("test-run", frame(&ipv6[..53])), Refused::TestRunShortIp);
    assert!(Packet::new().load(frame(&ipv6), &hook("test-run")).is_ok());
    let arp = ethernet(MAC, &[8, 6], 0);
    assert!(Packet::new().load(frame(&arp), &hook("test-run")).is_ok());
    let long = ethernet(MAC, &[8, 0], TEST_RUN_MAX as usize + 1);
    assert_eq!(refused("test-run", frame(&long)), Refused::TestRunTooLong);
    assert!(Packet::new().load(frame(&long[..TEST_RUN_MAX as usize]), &hook("test-run")).is_ok());
    assert!(Packet::new().load(frame(&long), &hook("ingress")).is_ok());
    assert_eq!(TEST_RUN_MAX, 3712);
}

#[test]
fn packets_without_a_link_header() {
    for (first, protocol) in [(0x45, 0x0800_u16), (0x60, 0x86dd)] {
        let bytes = [first; 40];
        let bare = || Frame { link: Link::Ip, ..frame(&bytes) };
        for (name, ingress) in [("ingress", 7), ("egress", 0)] {
            let mut packet = Packet::new();
            let skb = packet.load(bare(), &hook(name)).unwrap();
            assert_eq!((skb.protocol, skb.pkt_type, skb.wire_len), (protocol.to_be(), 0, 40));
            assert_eq!(
                (skb.ingress_ifindex, skb.header_offset(Header::Mac), skb.header_offset(Header::Net)),
                (ingress, 0, 0)
            );
        }
        assert_eq!(refused("test-run", bare()), Refused::NotEthernet);
    }
    for bytes in [&[][..], &[0x50], &[0x00, 0x45]] {
        assert_eq!(refused("ingress", Frame { link: Link::Ip, ..frame(bytes) }), Refused::NoProtocol);
    }
    let stripped = Link::Stripped { protocol: 0x0806, pkt_type: 1 };
    let mut packet = Packet::new();
    let skb = packet.load(Frame { link: stripped, ..frame(&[1, 2, 3]) }, &hook("ingress")).unwrap();
    assert_eq!((skb.protocol, skb.pkt_type, skb.len()), (0x0806_u16.to_be(), 1, 3));
}

#[test]
fn test_run_takes_a_context() {
    let bytes = ethernet(MAC, &[8, 0], 60);
    let context = TestRunContext {
        mark: 1,
        priority: 2,
        ingress_ifindex: 99,
        cb: [1, 2, 3, 4, 5],
        tstamp: 6,
        gso_size: 65541,
        gso_segs: 3,
        ..TestRunContext::default()
    };
    let run = |context| TestRun::with_context(context).map(Hook::TestRun);
    let mut packet = Packet::new();
    let skb = packet.load(frame(&bytes), &run(context).unwrap()).unwrap();
    assert_eq!((skb.mark, skb.priority, skb.ingress_ifindex, skb.ifindex), (1, 2, 99, 1));
    assert_eq!(
        (skb.cb, skb.tstamp, skb.gso_size, skb.gso_segs, skb.wire_len),
        ([1, 2, 3, 4, 5], 6, 5, 3, 60)
    );
    for (wire_len, expected) in [(60, None), (59, Some(Refused::TestRunWireLen)), (65536, None)] {
        let hook = run(TestRunContext { wire_len, ..context }).unwrap();
        assert_eq!(Packet::new().load(frame(&bytes), &hook).err(), expected);
    }
    assert_eq!(run(TestRunContext { wire_len: 65537, ..context }).unwrap_err(), Errno::EINVAL);
    assert_eq!(run(TestRunContext { gso_segs: 65536, ..context }).unwrap_err(), Errno::EINVAL);
}

#[test]
fn load_packet_by_the_observations() {
    let bytes = ethernet(MAC, &[8, 0], 60);
    let mut packet = Packet::new();
    let skb = packet.load(frame(&bytes), &hook("test-run")).unwrap();
    let (net, ll, ad) = (-0x10_0000, -0x20_0000, -0x1000);
    for (size, offset, expected) in [
        (Size::B, 59, Some(59)),
        (Size::B, 60, None),
        (Size::H, 58, Some(58 << 8 | 59)),
        (Size::H, 59, None),
        (Size::W, 56, Some(56 << 24 | 57 << 16 | 58 << 8 | 59)),
        (Size::W, 57, None),
        (Size::B, net + 45, Some(59)),
        (Size::B, net + 46, None),
        (Size::B, ll + 59, Some(59)),
        (Size::B, ll + 60, None),
        (Size::H, net - 2, None),
        (Size::B, ad, None),
        (Size::B, -1, None),
        (Size::B, i32::MIN, None),
        (Size::B, i32::MAX, None),
        (Size::B, ll - 1, None),
        (Size::H, 12, Some(0x0800)),
        (Size::B, net, Some(14)),
    ] {
        assert_eq!(load_packet(skb, size, offset), expected, "{size:?} {offset}");
    }
}

/// Calls a helper on this packet with 8 bytes of stack at `fp - 8`; returns r0 and those bytes.
fn call(
    skb: &mut SkBuff,
    helper: HelperId,
    args: impl FnOnce(u64, u64) -> [u64; 5],
    bytes: u64,
) -> (i64, u64) {
    let mut stack = Stack::new();
    let mut exec = ExecutionContext::new(0);
    let mut memory = Memory::new(&mut stack, Context::Skb(skb));
    let at = memory.push_frame().unwrap() - 8;
    memory.store(&[], at, Size::Dw, bytes).unwrap();
    let args = args(memory.context_address(), at);
    let r0 = memory.call(&[], helper, args, &mut exec).unwrap();
    (r0 as i64, memory.load(&[], at, Size::Dw).unwrap())
}

#[test]
fn bytes_are_loaded_and_what_cannot_be_is_zero() {
    let bytes = ethernet(MAC, &[8, 0], 60);
    let mut packet = Packet::new();
    let skb = packet.load(frame(&bytes), &hook("ingress")).unwrap();
    let word = |from: u64| u64::from_le_bytes(std::array::from_fn(|i| from as u8 + i as u8));
    for (offset, expected) in [
        (20, (0, word(20))),
        (0x1_0000_0014, (0, word(20))),
        (52, (0, word(52))),
        (53, (-14, 0)),
        (0x8000_0000, (-14, 0)),
        (0xffff_ffff, (-14, 0)),
    ] {
        let got = call(skb, HelperId::SkbLoadBytes, |ctx, at| [ctx, offset, at, 8, 0], u64::MAX);
        assert_eq!(got, expected, "{offset:#x}");
    }
    for (offset, header, expected) in [
        (20, 0, (0, word(20))),
        (20, 1, (0, word(34))),
        (38, 1, (0, word(52))),
        (39, 1, (-14, 0)),
        (0x10000, 0, (-14, 0)),
        (20, 2, (-14, 0)),
    ] {
        let got = call(skb, HelperId::SkbLoadBytesRelative, |ctx, at| [ctx, offset, at, 8, header], u64::MAX);
        assert_eq!(got, expected, "{offset} {header}");
    }
}

#[test]
fn a_write_to_a_captures_bytes_copies_them_first() {
    let bytes = ethernet(MAC, &[8, 0], 60);
    let kept = bytes.clone();
    let mut packet = Packet::new();
    let skb = packet.load(frame(&bytes), &hook("ingress")).unwrap();
    let before = skb.data();
    let store = |offset, flags| move |ctx, at| [ctx, offset, at, 8, flags];
    let value = u64::from_le_bytes([0xee; 8]);
    for (offset, flags, expected) in [
        (0, 4, -22),
        (53, 0, -14),
        (0x8000_0000, 0, -14),
        (0xffff_fffa, 0, -14),
        (52, 3, 0),
        (0x1_0000_0000, 0, 0),
    ] {
        assert_eq!(
            call(skb, HelperId::SkbStoreBytes, store(offset, flags), value).0,
            expected,
            "{offset:#x}"
        );
    }
    assert_ne!(skb.data(), before);
    assert_eq!(skb.packet(), [&[0xee; 8], &kept[8..52], &[0xee; 8]].concat());
    assert_eq!((skb.len(), skb.header_offset(Header::Net), skb.data_end() - skb.data()), (60, 14, 60));
    assert_eq!(bytes, kept);
}

#[test]
fn pulling_makes_bytes_ours() {
    let bytes = ethernet(MAC, &[8, 0], 60);
    let mut packet = Packet::new();
    let skb = packet.load(frame(&bytes), &hook("ingress")).unwrap();
    for (len, expected) in [(61, -12), (0xffff_ffff, -12)] {
        assert_eq!(call(skb, HelperId::SkbPullData, |ctx, _| [ctx, len, 0, 0, 0], 0).0, expected);
    }
    assert!(!skb.is_exclusive());
    assert_eq!(call(skb, HelperId::SkbPullData, |ctx, _| [ctx, 0, 0, 0, 0], 0).0, 0);
    assert!(skb.is_exclusive());
    assert_eq!(skb.packet(), bytes);
}

#[test]
fn hashes_are_of_the_flow_and_stick_until_cleared() {
    let udp = |source: [u8; 4], dest: [u8; 4], ports: [u8; 4]| {
        let mut bytes = ethernet(MAC, &[8, 0, 0x45], 60);
        bytes[20..22].fill(0);
        bytes[23] = 17;
        bytes[26..30].copy_from_slice(&source);
        bytes[30..34].copy_from_slice(&dest);
        bytes[34..38].copy_from_slice(&ports);
        bytes
    };
    let (a, b) = ([10, 0, 0, 1], [10, 0, 0, 2]);
    let hash = |bytes: &[u8]| {
        let mut packet = Packet::new();
        let skb = packet.load(frame(bytes), &hook("ingress")).unwrap();
        assert_eq!(skb.hash, 0);
        let (hash, _) = call(skb, HelperId::GetHashRecalc, |ctx, _| [ctx, 0, 0, 0, 0], 0);
        assert_eq!(i64::from(skb.hash), hash);
        hash
    };
    let there = hash(&udp(a, b, [1, 2, 3, 4]));
    assert_ne!(there, 0);
    assert_eq!(there, hash(&udp(a, b, [1, 2, 3, 4])));
    assert_eq!(there, hash(&udp(b, a, [3, 4, 1, 2])));
    assert_ne!(there, hash(&udp(a, b, [1, 2, 3, 5])));
    assert_ne!(hash(&[0; 14]), 0);

    let bytes = udp(a, b, [1, 2, 3, 4]);
    let mut packet = Packet::new();
    let skb = packet.load(frame(&bytes), &hook("ingress")).unwrap();
    let get = |skb: &mut SkBuff| call(skb, HelperId::GetHashRecalc, |ctx, _| [ctx, 0, 0, 0, 0], 0).0;
    assert_eq!(call(skb, HelperId::SetHash, |ctx, _| [ctx, 0x1_0000_0005, 0, 0, 0], 0).0, 0);
    assert_eq!((skb.hash, get(skb)), (5, 5));
    assert_eq!(call(skb, HelperId::SetHash, |ctx, _| [ctx, 0, 0, 0, 0], 0).0, 0);
    assert_eq!(get(skb), 0);
    assert_eq!(call(skb, HelperId::SetHashInvalid, |ctx, _| [ctx, 0, 0, 0, 0], 0).0, 0);
    assert_eq!(skb.hash, 0);
    assert_eq!(get(skb), there);
    let store = |ctx, at| [ctx, 40, at, 8, 2];
    assert_eq!(call(skb, HelperId::SkbStoreBytes, store, 0).0, 0);
    assert_eq!(skb.hash, 0);
}

#[test]
fn a_packet_serves_frames_of_every_size() {
    let mut packet = Packet::new();
    for len in [14, 60, 1500, 262_144, 64, 9000] {
        let bytes = ethernet(MAC, &[8, 6], len);
        let frame = Frame { bytes: Bytes::Copied(&bytes), ..frame(&bytes) };
        let skb = packet.load(frame, &hook("ingress")).unwrap();
        assert_eq!(skb.packet(), bytes);
        assert_eq!(skb.wire_len as usize, len - 14);
    }
}
