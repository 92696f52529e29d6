//! A TCP session as a real stack makes it: smoltcp's, talking to itself over a lossy loop.

use std::cell::RefCell;
use std::rc::Rc;

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{
    Device, DeviceCapabilities, FaultInjector, Loopback, Medium, PcapLinkType, PcapMode, PcapSink, PcapWriter,
};
use smoltcp::socket::tcp;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr, Ipv4Address};

use crate::file::{EPOCH_NS, PcapFile, linktype};

const CLIENT: Ipv4Address = Ipv4Address::new(192, 0, 2, 1);
const SERVER: Ipv4Address = Ipv4Address::new(192, 0, 2, 2);
const PORT: u16 = 5001;
/// What the client sends; the server must have received exactly this for the capture to be written.
const TRANSFER: usize = 120_000;
const DROP_PERCENT: u8 = 4;
/// Retransmission timers back off, so the session must end well before this.
const POLLS_MAX: usize = 100_000;

/// 120 000 bytes from client to server with 4 % of the frames lost after they were captured:
/// retransmissions, duplicate acknowledgements, an orderly close.
pub(crate) fn lossy_tcp() -> Vec<u8> {
    let capture = Rc::new(RefCell::new(PcapFile::new(linktype::ETHERNET)));
    let recorded =
        PcapWriter::new(Wire(Loopback::new(Medium::Ethernet)), Sink(Rc::clone(&capture)), PcapMode::TxOnly);
    let mut device = FaultInjector::new(recorded, 0x5eed);
    device.set_drop_chance(DROP_PERCENT);

    let received = transfer(&mut device);
    assert_eq!(received, sent_bytes(), "the session did not deliver what was sent");

    drop(device);
    Rc::into_inner(capture).expect("the device held the only other reference").into_inner().finish()
}

fn transfer(device: &mut impl Device) -> Vec<u8> {
    let mut now =
        Instant::from_micros(i64::try_from(EPOCH_NS / 1000).expect("now is before the year 294247"));
    let mac = EthernetAddress([0x00, 0x00, 0x5e, 0x00, 0x53, 0x01]);
    let mut config = Config::new(mac.into());
    config.random_seed = 0x5eed;
    let mut interface = Interface::new(config, device, now);
    interface.update_ip_addrs(|addresses| {
        for address in [CLIENT, SERVER] {
            addresses.push(IpCidr::new(address.into(), 24)).expect("smoltcp holds two addresses");
        }
    });

    let mut sockets = SocketSet::new(Vec::new());
    let server = sockets.add(socket());
    let client = sockets.add(socket());
    sockets.get_mut::<tcp::Socket<'_>>(server).listen((SERVER, PORT)).expect("the port is free");
    sockets
        .get_mut::<tcp::Socket<'_>>(client)
        .connect(interface.context(), (IpAddress::from(SERVER), PORT), (IpAddress::from(CLIENT), 49_152))
        .expect("the server's address is on the link");

    let to_send = sent_bytes();
    let (mut sent, mut received) = (0, Vec::new());
    for _ in 0..POLLS_MAX {
        interface.poll(now, device, &mut sockets);
        sent += feed(&mut sockets, client, &to_send[sent..]);
        drain(&mut sockets, server, &mut received);
        if both_closed(&sockets, [client, server]) {
            break;
        }
        let step = interface.poll_delay(now, &sockets).unwrap_or(Duration::from_millis(1));
        now += step.max(Duration::from_micros(37)); // a link takes time
    }
    received
}

fn socket() -> tcp::Socket<'static> {
    tcp::Socket::new(tcp::SocketBuffer::new(vec![0; 16_384]), tcp::SocketBuffer::new(vec![0; 16_384]))
}

fn feed(sockets: &mut SocketSet<'_>, client: SocketHandle, bytes: &[u8]) -> usize {
    let socket = sockets.get_mut::<tcp::Socket<'_>>(client);
    if !socket.may_send() {
        return 0;
    }
    if bytes.is_empty() {
        socket.close();
        return 0;
    }
    socket.send_slice(bytes).expect("may_send")
}

fn drain(sockets: &mut SocketSet<'_>, server: SocketHandle, received: &mut Vec<u8>) {
    let socket = sockets.get_mut::<tcp::Socket<'_>>(server);
    while socket.can_recv() {
        socket
            .recv(|bytes| {
                received.extend_from_slice(bytes);
                (bytes.len(), ())
            })
            .expect("can_recv");
    }
    if socket.state() == tcp::State::CloseWait {
        socket.close();
    }
}

fn both_closed(sockets: &SocketSet<'_>, handles: [SocketHandle; 2]) -> bool {
    handles.iter().all(|handle| {
        let state = sockets.get::<tcp::Socket<'_>>(*handle).state();
        state == tcp::State::Closed || state == tcp::State::TimeWait
    })
}

fn sent_bytes() -> Vec<u8> {
    (0u32..).map(|index| index.to_le_bytes()[0]).take(TRANSFER).collect()
}

/// smoltcp's loop as an Ethernet wire: frames of 1514 bytes, and checksums that are computed.
struct Wire(Loopback);

impl Device for Wire {
    type RxToken<'a> = <Loopback as Device>::RxToken<'a>;
    type TxToken<'a> = <Loopback as Device>::TxToken<'a>;

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1514;
        capabilities
    }

    fn receive(&mut self, now: Instant) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        self.0.receive(now)
    }

    fn transmit(&mut self, now: Instant) -> Option<Self::TxToken<'_>> {
        self.0.transmit(now)
    }
}

/// Takes every frame the stack sends, before the injector loses some of them on the way back in.
struct Sink(Rc<RefCell<PcapFile>>);

impl PcapSink for Sink {
    fn write(&mut self, _: &[u8]) {}

    fn global_header(&mut self, _: PcapLinkType) {}

    fn packet(&mut self, timestamp: Instant, packet: &[u8]) {
        let micros = u64::try_from(timestamp.total_micros()).expect("after 1970");
        self.0.borrow_mut().frame_at(micros * 1000, packet);
    }
}
