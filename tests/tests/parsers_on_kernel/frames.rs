//! Frames out of a seeded generator: every protocol the parsers know, nested in every way they allow, and broken in
//! most of the ways they count.

/// xorshift64*: small, seeded, the same everywhere.
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// 0 to `n` - 1.
    fn below(&mut self, n: usize) -> usize {
        (self.next() >> 33) as usize % n
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// True once in `n` times.
    fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.next().to_le_bytes()[7]).collect()
    }
}

/// Deepest nesting that the random choices make; deeper comes from [`nested`].
const DEPTH_MAX: usize = 8;

/// One frame, at most `len_max` bytes, perhaps with some bytes changed and perhaps cut short.
pub(crate) fn frame(rng: &mut Rng, len_max: usize) -> Vec<u8> {
    let mut frame = if rng.once_in(20) {
        let depth = 10 + rng.below(12);
        nested(rng, depth)
    } else {
        ethernet(rng, 0)
    };
    for _ in 0..rng.pick(&[0, 0, 0, 1, 1, 3]) {
        let at = rng.below(frame.len());
        frame[at] = rng.pick(&[0, 1, 4, 5, 6, 17, 41, 47, 0x45, 0x60, 0xff]);
    }
    if rng.once_in(4) {
        let len = 14 + rng.below(frame.len() - 13);
        frame.truncate(len);
    }
    frame.truncate(len_max);
    frame
}

/// TCP in `depth` layers of IP in IP.
fn nested(rng: &mut Rng, depth: usize) -> Vec<u8> {
    let mut packet = tcp(rng);
    let mut protocol = 6;
    for _ in 0..=depth {
        (packet, protocol) = if rng.once_in(2) {
            (ipv4_header(packet.len() + 20, 0, protocol, packet), 4)
        } else {
            (ipv6_header(packet.len(), protocol, packet), 41)
        };
    }
    let ethertype = if protocol == 4 { 0x0800 } else { 0x86dd };
    [rng.bytes(12), be16(ethertype), packet].concat()
}

fn ethernet(rng: &mut Rng, depth: usize) -> Vec<u8> {
    let (mut ethertype, mut payload) = network(rng, depth);
    for _ in 0..rng.pick(&[0, 0, 0, 0, 1, 2, 3, 4, 5]) {
        payload = [rng.bytes(2), be16(ethertype), payload].concat();
        ethertype = rng.pick(&[0x8100, 0x88a8]);
    }
    [rng.bytes(12), be16(ethertype), payload].concat()
}

fn network(rng: &mut Rng, depth: usize) -> (u16, Vec<u8>) {
    match rng.below(12) {
        0 => (0x0806, arp(rng)),
        1 => (rng.pick(&[0x88cc, 0x0030, 0x05ff, 0x0600]), rng.bytes(30)),
        2 => (rng.pick(&[0x8847, 0x8848]), mpls(rng, depth)),
        3..8 => (0x0800, ipv4(rng, depth)),
        _ => (0x86dd, ipv6(rng, depth)),
    }
}

fn arp(rng: &mut Rng) -> Vec<u8> {
    let (hln, pln) = (rng.pick(&[6, 6, 6, 8]), rng.pick(&[4, 4, 4, 16]));
    let addresses = rng.pick(&[20, 20, 20, 12, 0]);
    [vec![0, 1, 8, 0, hln, pln, 0, 1], rng.bytes(addresses)].concat()
}

fn mpls(rng: &mut Rng, depth: usize) -> Vec<u8> {
    let labels = rng.pick(&[1, 1, 2, 3, 8, 9]);
    let mut stack = Vec::new();
    for label in 1..=labels {
        let bottom = u8::from(label == labels);
        stack.extend([0, rng.below(256) as u8, (rng.below(128) as u8) << 1 | bottom, 64]);
    }
    let payload = match rng.below(5) {
        0 => rng.bytes(20),
        1 => Vec::new(),
        2 => ipv6(rng, depth),
        _ => ipv4(rng, depth),
    };
    [stack, payload].concat()
}

fn ipv4(rng: &mut Rng, depth: usize) -> Vec<u8> {
    let (protocol, payload) = transport(rng, depth);
    let words = rng.pick(&[0, 0, 0, 0, 0, 1, 2, 10]);
    let options = options(rng, words * 4);
    let header = 20 + options.len();
    let whole = header + payload.len();
    let total = rng.pick(&[whole, whole, whole, whole, whole, whole, 0, header, header + 8, 19, 0xffff]);
    let mut packet = ipv4_header(total, words, protocol, [options, payload].concat());
    if rng.once_in(12) {
        packet[0] = rng.pick(&[0x44, 0x55, 0x40]);
    }
    let fragment = rng.pick(&[0, 0, 0, 0, 0, 0, 0x4000, 0x2000, 0x2003, 0x0003]);
    packet[6..8].copy_from_slice(&be16(fragment));
    packet
}

/// A header of 5 + `words` words, the options at the start of `rest`.
fn ipv4_header(total: usize, words: usize, protocol: u8, rest: Vec<u8>) -> Vec<u8> {
    let total = be16(u16::try_from(total).unwrap_or(u16::MAX));
    let mut packet = vec![0x45 + words as u8, 0, total[0], total[1], 0, 1, 0, 0, 64, protocol, 0, 0];
    packet.extend([10, 0, 0, 1, 10, 0, 0, 2]);
    packet.extend(rest);
    packet
}

fn ipv6(rng: &mut Rng, depth: usize) -> Vec<u8> {
    let (protocol, mut payload) = transport(rng, depth);
    let mut next = if rng.once_in(20) { 59 } else { protocol };
    for _ in 0..rng.pick(&[0, 0, 0, 0, 1, 2, 3, 8, 9]) {
        let kind = rng.pick(&[60, 60, 43, 44, 51]);
        payload = [extension(rng, kind, next), payload].concat();
        next = kind;
    }
    if rng.once_in(6) {
        payload = [extension(rng, 0, next), payload].concat();
        next = 0;
    }
    let whole = payload.len();
    let claimed = rng.pick(&[whole, whole, whole, whole, whole, 0, whole.saturating_sub(3), 1, 0xffff]);
    let mut packet = ipv6_header(claimed, next, payload);
    if rng.once_in(15) {
        packet[0] = 0x50;
    }
    packet
}

fn ipv6_header(payload: usize, next: u8, rest: Vec<u8>) -> Vec<u8> {
    let len = be16(u16::try_from(payload).unwrap_or(u16::MAX));
    let mut packet = vec![0x60, 0, 0, 0, len[0], len[1], next, 64];
    packet.extend([0x20; 16]);
    packet.extend([0x21; 16]);
    packet.extend(rest);
    packet
}

fn extension(rng: &mut Rng, kind: u8, next: u8) -> Vec<u8> {
    match kind {
        44 => {
            let fragment = rng.pick(&[1, 1, 1, 0, 6, 8, 0xfff8]);
            [vec![next, 0], be16(fragment), rng.bytes(4)].concat()
        }
        51 => {
            let words = rng.pick(&[4, 4, 4, 1, 0, 2]);
            [vec![next, words], rng.bytes((usize::from(words) + 2) * 4 - 2)].concat()
        }
        _ => {
            let units = rng.pick(&[0, 0, 1, 2]);
            [vec![next, units], rng.bytes((usize::from(units) + 1) * 8 - 2)].concat()
        }
    }
}

fn transport(rng: &mut Rng, depth: usize) -> (u8, Vec<u8>) {
    let tunnels = depth < DEPTH_MAX;
    match rng.below(14) {
        0 | 1 => (6, tcp(rng)),
        2..5 => (17, udp(rng, depth)),
        5 => (1, short(rng, &[8, 7, 20])),
        6 => (58, short(rng, &[4, 3, 20])),
        7 => (132, sctp(rng)),
        8 | 9 if tunnels => (47, gre(rng, depth)),
        10 if tunnels => (4, ipv4(rng, depth + 1)),
        11 if tunnels => (41, ipv6(rng, depth + 1)),
        12 => (rng.pick(&[50, 51, 89, 2]), rng.bytes(20)),
        _ => (6, tcp(rng)),
    }
}

fn short(rng: &mut Rng, lengths: &[usize]) -> Vec<u8> {
    let len = rng.pick(lengths);
    rng.bytes(len)
}

fn tcp(rng: &mut Rng) -> Vec<u8> {
    let words = rng.pick(&[0, 0, 1, 3, 5, 10]);
    let doff = rng.pick(&[5 + words, 5 + words, 5 + words, 5 + words, 5 + words, 4, 15]) as u8;
    let options = options(rng, words * 4);
    let data = rng.below(30);
    [rng.bytes(12), vec![doff << 4, 2], rng.bytes(6), options, rng.bytes(data)].concat()
}

fn options(rng: &mut Rng, len: usize) -> Vec<u8> {
    let mut list = Vec::new();
    while list.len() < len {
        match rng.below(12) {
            0..3 => list.push(1),
            3 => list.push(0),
            4 => list.extend([2, 4, 5, 0xb4]),
            5 => list.extend([3, 3, 7]),
            6 => list.extend([4, 2]),
            7 => list.extend([8, 10, 0, 0, 0, 1, 0, 0, 0, 2]),
            8 => {
                let len = rng.pick(&[10, 18, 26, 34, 10, 11]);
                list.extend([5, len]);
                list.extend(vec![0; usize::from(len) - 2]);
            }
            9 => list.extend([148, 4, 0, 0]),
            _ => {
                let (kind, claimed) = (rng.below(256) as u8, rng.below(12) as u8);
                list.extend([kind, claimed, 0, 0]);
            }
        }
    }
    list.truncate(len);
    list
}

fn udp(rng: &mut Rng, depth: usize) -> Vec<u8> {
    let (source, destination) =
        rng.pick(&[(53, 9999), (9999, 53), (4789, 9999), (9, 4789), (5, 6), (4789, 53), (53, 4789)]);
    let payload = match destination {
        4789 if depth < DEPTH_MAX => {
            let flags = rng.pick(&[8, 8, 8, 8, 0, 0xff]);
            [vec![flags], rng.bytes(7), ethernet(rng, depth + 1)].concat()
        }
        _ => dns(rng),
    };
    let whole = 8 + payload.len();
    let claimed = rng.pick(&[whole, whole, whole, whole, whole, 0, 3, 7, 8, 60_000]);
    let claimed = u16::try_from(claimed).unwrap_or(u16::MAX);
    [be16(source), be16(destination), be16(claimed), be16(0), payload].concat()
}

fn dns(rng: &mut Rng) -> Vec<u8> {
    let questions = rng.pick(&[0, 1, 1, 1]);
    let mut message = [rng.bytes(4), be16(questions), rng.bytes(6)].concat();
    let mut labels = vec![rng.pick(&[1, 3, 10, 63]); rng.pick(&[1, 2, 5, 4, 140])];
    if rng.once_in(4) {
        // A name of 255 bytes, the longest there may be, or of 256.
        labels = vec![63, 63, 63, rng.pick(&[61, 62])];
    }
    for label in labels {
        message.push(label);
        message.extend(rng.bytes(usize::from(label)));
    }
    message.push(rng.pick(&[0, 0, 0, 0xc0, 0x40]));
    [message, short(rng, &[4, 4, 3, 10])].concat()
}

fn sctp(rng: &mut Rng) -> Vec<u8> {
    let chunk: &[u8] = rng.pick(&[&[][..], &[0, 0, 0], &[0, 0, 0, 3], &[1, 0, 0, 20, 0, 0]]);
    [rng.bytes(12), chunk.to_vec()].concat()
}

fn gre(rng: &mut Rng, depth: usize) -> Vec<u8> {
    let flags = rng.pick(&[0, 0, 0, 0x8000, 0x2000, 0x1000, 0xb000, 0x0001, 0x0002, 0x4000]);
    let fields = (flags & 0xb000_u16).count_ones() as usize * 4;
    let (protocol, payload) = match rng.below(6) {
        0 => (0x6558, ethernet(rng, depth + 1)),
        1 => (0x86dd, ipv6(rng, depth + 1)),
        2 => (0x8847, mpls(rng, depth + 1)),
        3 => (0x88be, rng.bytes(30)),
        _ => (0x0800, ipv4(rng, depth + 1)),
    };
    [be16(flags), be16(protocol), rng.bytes(fields), payload].concat()
}

fn be16(value: u16) -> Vec<u8> {
    value.to_be_bytes().to_vec()
}
