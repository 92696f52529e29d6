//! SYN cookies without a socket: helpers 204 to 207.
//!
//! A cookie is the sequence number of a SYN-ACK that says what a listener would otherwise have to remember: which
//! connection, when, and the largest segment the client takes.
//!
//! ```text
//!   cookie = hash(connection) + client's sequence number + minute << 24 + (hash(connection, minute) + mss index) % 2^24
//! ```
//! The client's ACK brings it back, plus 1; it counts for the minute it was made in and the next. Linux draws the key
//! of the hash when it starts, so its cookies are never ours; here they are the same in every replay.

use bpfreplay_uapi::Errno;

use super::env::mixed;

/// Bytes of a TCP header without options.
const TCP_HLEN: usize = 20;
/// Nanoseconds a cookie's count stands for (`TCP_SYNCOOKIE_PERIOD`).
const PERIOD_NS: u64 = 60_000_000_000;
/// Counts a cookie is good for (`MAX_SYNCOOKIE_AGE`).
const MAX_AGE: u32 = 2;
/// Bits below the count (`COOKIEBITS`).
const COOKIE_BITS: u32 = 24;
const COOKIE_MASK: u32 = (1 << COOKIE_BITS) - 1;

const TCPOPT_EOL: u8 = 0;
const TCPOPT_NOP: u8 = 1;
const TCPOPT_MSS: u8 = 2;
const TCPOLEN_MSS: u8 = 4;

/// What matters of an IP header.
pub(super) struct Ip<'a> {
    /// Source and destination, side by side.
    addresses: &'a [u8],
    /// The segment sizes a cookie can say, ascending; a client that names none takes the first.
    mss: [u16; 4],
}

impl<'a> Ip<'a> {
    /// Of 20 bytes, `struct iphdr`.
    pub(super) fn v4(header: &'a [u8]) -> Ip<'a> {
        Ip { addresses: header.get(12..20).unwrap_or_default(), mss: [536, 1300, 1440, 1460] }
    }

    /// Of 40 bytes, `struct ipv6hdr`.
    pub(super) fn v6(header: &'a [u8]) -> Ip<'a> {
        Ip { addresses: header.get(8..40).unwrap_or_default(), mss: [1220, 1420, 1440, 8940] }
    }
}

/// `bpf_tcp_raw_gen_syncookie_ipv4`, `_ipv6`: the cookie in the lower half, the segment size it says in the upper.
/// EINVAL if `tcp` is not a header as long as it says.
pub(super) fn generate(ip: &Ip<'_>, tcp: &[u8], now_ns: u64) -> u64 {
    let Some(header) = tcp.first_chunk::<TCP_HLEN>().filter(|header| header_len(header) == tcp.len()) else {
        return Errno::EINVAL.as_ret();
    };
    let wanted = mss_option(&tcp[TCP_HLEN..]).unwrap_or(ip.mss[0]);
    let index = ip.mss.iter().rposition(|&mss| mss <= wanted).unwrap_or(0);
    let (hash, count) = (Hash::of(ip, header), count(now_ns));
    let cookie = hash
        .of_connection()
        .wrapping_add(be32(header, 4))
        .wrapping_add(count << COOKIE_BITS)
        .wrapping_add(hash.of_minute(count).wrapping_add(index as u32) & COOKIE_MASK);
    u64::from(cookie) | u64::from(ip.mss[index]) << 32
}

/// `bpf_tcp_raw_check_syncookie_ipv4`, `_ipv6`: 0 for an ACK of one of our cookies, else EACCES.
pub(super) fn check(ip: &Ip<'_>, tcp: &[u8], now_ns: u64) -> u64 {
    let Some(header) = tcp.first_chunk::<TCP_HLEN>() else { return Errno::EINVAL.as_ret() };
    let (hash, now) = (Hash::of(ip, header), count(now_ns));
    let sequence = be32(header, 4).wrapping_sub(1);
    let cookie = be32(header, 8).wrapping_sub(1).wrapping_sub(hash.of_connection()).wrapping_sub(sequence);
    let age = now.wrapping_sub(cookie >> COOKIE_BITS) & (u32::MAX >> COOKIE_BITS);
    let index = cookie.wrapping_sub(hash.of_minute(now.wrapping_sub(age))) & COOKIE_MASK;
    let is_ours = age < MAX_AGE && (index as usize) < ip.mss.len();
    if is_ours { 0 } else { Errno::EACCES.as_ret() }
}

/// Of addresses and ports.
struct Hash(u64);

impl Hash {
    fn of(ip: &Ip<'_>, header: &[u8; TCP_HLEN]) -> Hash {
        let words = ip.addresses.chunks(4).chain([&header[..4]]);
        Hash(words.fold(0, |hash, word| {
            mixed(hash ^ word.iter().fold(1, |word, &byte| word << 8 | u64::from(byte)))
        }))
    }

    fn of_connection(&self) -> u32 {
        mixed(self.0 ^ 1 << 63) as u32
    }

    fn of_minute(&self, count: u32) -> u32 {
        mixed(self.0 ^ u64::from(count)) as u32
    }
}

fn count(now_ns: u64) -> u32 {
    (now_ns / PERIOD_NS) as u32
}

fn header_len(header: &[u8; TCP_HLEN]) -> usize {
    usize::from(header[12] >> 4) * 4
}

/// The segment size a client takes: the last option that says one, up to the first that is broken.
fn mss_option(mut options: &[u8]) -> Option<u16> {
    let mut mss = None;
    while let [kind, rest @ ..] = options {
        match (*kind, rest) {
            (TCPOPT_EOL, _) | (_, []) => break,
            (TCPOPT_NOP, _) => options = rest,
            (kind, [len, ..]) => {
                let Some(next) = options.get(usize::from(*len)..).filter(|_| *len >= 2) else { break };
                if let (TCPOPT_MSS, TCPOLEN_MSS, [_, high, low, ..]) = (kind, *len, rest)
                    && (*high, *low) != (0, 0)
                {
                    mss = Some(u16::from_be_bytes([*high, *low]));
                }
                options = next;
            }
        }
    }
    mss
}

fn be32(bytes: &[u8; TCP_HLEN], at: usize) -> u32 {
    bytes[at..].first_chunk().map_or(0, |word| u32::from_be_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::*;

    const IP: [u8; 20] = [69, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 192, 0, 2, 1, 198, 51, 100, 1];

    fn tcp(sequence: u32, acknowledges: u32, options: &[u8]) -> Vec<u8> {
        let mut header = vec![4, 0, 0, 80];
        header.extend(sequence.to_be_bytes());
        header.extend(acknowledges.to_be_bytes());
        header.extend([((TCP_HLEN + options.len()) * 4) as u8, 2, 0x20, 0, 0, 0, 0, 0]);
        header.extend(options);
        header
    }

    #[test]
    fn an_ack_brings_it_back_for_two_minutes() {
        let now = 5 * PERIOD_NS + 1;
        let made = generate(&Ip::v4(&IP), &tcp(7, 0, &[2, 4, 5, 0xb4]), now);
        assert_eq!(made >> 32, 1460);
        let ack = tcp(8, (made as u32).wrapping_add(1), &[]);
        let checked = |ack: &[u8], now| check(&Ip::v4(&IP), ack, now);
        assert_eq!((checked(&ack, now), checked(&ack, now + PERIOD_NS)), (0, 0));
        let refused = Errno::EACCES.as_ret();
        assert_eq!(checked(&ack, now + 2 * PERIOD_NS), refused);
        assert_eq!(
            checked(&tcp(100, (made as u32).wrapping_add(1), &[]), now),
            refused,
            "another sequence number"
        );
        let mut other = IP;
        other[15] ^= 1;
        assert_eq!(check(&Ip::v4(&other), &ack, now), refused, "another client");
    }

    #[test]
    fn sizes_are_rounded_down_to_what_a_cookie_can_say() {
        let mss = |options: &[u8]| generate(&Ip::v4(&IP), &tcp(1, 0, options), 0) >> 32;
        assert_eq!(mss(&[]), 536, "none named");
        assert_eq!(mss(&[2, 4, 0, 100]), 536, "less than any");
        assert_eq!(mss(&[1, 2, 4, 5, 0x9f, 0, 0, 0]), 1300, "1439, behind a NOP");
        assert_eq!(mss(&[0, 2, 4, 5, 0xb4, 0, 0, 0]), 536, "behind the end");
        assert_eq!(mss(&[3, 40, 2, 4, 5, 0xb4, 0, 0]), 536, "behind a broken one");
        let v6 = [0; 40];
        assert_eq!(generate(&Ip::v6(&v6), &tcp(1, 0, &[]), 0) >> 32, 1220);
    }

    #[test]
    fn a_header_has_the_length_it_says() {
        let header = tcp(1, 0, &[1, 1, 1, 0]);
        let invalid = Errno::EINVAL.as_ret();
        assert_eq!(generate(&Ip::v4(&IP), &header[..20], 0), invalid);
        assert_eq!(generate(&Ip::v4(&IP), &header[..19], 0), invalid);
        assert_ne!(generate(&Ip::v4(&IP), &header, 0), invalid);
    }
}
