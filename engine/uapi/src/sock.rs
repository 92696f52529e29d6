//! What programs may load of a socket: `struct bpf_sock`, `struct bpf_tcp_sock`, `struct bpf_xdp_sock`. Nothing can be
//! stored.

use crate::helper::HelperId;

/// What a socket pointer is known to point to (`PTR_TO_SOCK_COMMON` and its kin).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SockKind {
    /// Any socket, request and timewait sockets included: the first fields of `struct bpf_sock`.
    Common,
    /// A full socket: all of `struct bpf_sock`.
    Full,
    /// A TCP socket: `struct bpf_tcp_sock`.
    Tcp,
    /// An AF_XDP socket: `struct bpf_xdp_sock`.
    Xdp,
}

/// A socket as the kernel itself has it, by the name of its structure in BTF: what `bpf_skc_to_*` makes of one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[expect(missing_docs, reason = "the kernel's structures")]
pub enum BtfSock {
    Tcp6,
    Tcp,
    TcpTimewait,
    TcpRequest,
    Udp6,
    Unix,
    Mptcp,
}

impl BtfSock {
    /// What a helper makes of a socket.
    #[must_use]
    pub const fn of(helper: HelperId) -> Option<BtfSock> {
        match helper {
            HelperId::SkcToTcp6Sock => Some(BtfSock::Tcp6),
            HelperId::SkcToTcpSock => Some(BtfSock::Tcp),
            HelperId::SkcToTcpTimewaitSock => Some(BtfSock::TcpTimewait),
            HelperId::SkcToTcpRequestSock => Some(BtfSock::TcpRequest),
            HelperId::SkcToUdp6Sock => Some(BtfSock::Udp6),
            HelperId::SkcToUnixSock => Some(BtfSock::Unix),
            HelperId::SkcToMptcpSock => Some(BtfSock::Mptcp),
            _ => None,
        }
    }

    /// The name of the structure.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            BtfSock::Tcp6 => "tcp6_sock",
            BtfSock::Tcp => "tcp_sock",
            BtfSock::TcpTimewait => "tcp_timewait_sock",
            BtfSock::TcpRequest => "tcp_request_sock",
            BtfSock::Udp6 => "udp6_sock",
            BtfSock::Unix => "unix_sock",
            BtfSock::Mptcp => "mptcp_sock",
        }
    }
}

/// Bytes of `struct bpf_sock`.
const SOCK_SIZE: u32 = 80;
/// Bytes of `struct bpf_tcp_sock`.
const TCP_SOCK_SIZE: u32 = 112;
/// Bytes of `struct bpf_xdp_sock`.
const XDP_SOCK_SIZE: u32 = 4;

/// Whether `size` bytes at this offset may be loaded (linux: bpf_sock_common_is_valid_access(),
/// bpf_sock_is_valid_access(), bpf_tcp_sock_is_valid_access(), bpf_xdp_sock_is_valid_access()).
#[must_use]
pub fn sock_load(kind: SockKind, off: i32, size: u32) -> bool {
    let Ok(off) = u32::try_from(off) else { return false };
    let inside = |end: u32| off < end && off.is_multiple_of(size);
    match kind {
        SockKind::Common => inside(SOCK_SIZE) && !(8..24).contains(&off) && bpf_sock(off, size),
        SockKind::Full => inside(SOCK_SIZE) && bpf_sock(off, size),
        // bytes_received and bytes_acked are the two fields of 8 bytes. (The kernel lets their second halves pass, and
        // then finds no way to convert the load.)
        SockKind::Tcp => inside(TCP_SOCK_SIZE) && size == if (80..96).contains(&off) { 8 } else { 4 },
        SockKind::Xdp => inside(XDP_SOCK_SIZE) && size == 4,
    }
}

/// An aligned load of `struct bpf_sock`: of which fields parts may be loaded.
fn bpf_sock(off: u32, size: u32) -> bool {
    match off {
        // family, type, protocol, src_port, state, rx_queue_mapping: from the first byte.
        4 | 8 | 12 | 44 | 72 | 76 => size <= 4,
        // The addresses: any part.
        24..44 | 52..72 => size <= 4,
        // dst_port has two bytes, and may be loaded as four.
        48 | 49 => size <= 2 || size == 4,
        50..52 => false,
        _ => size == 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_the_tables() {
        assert!(sock_load(SockKind::Full, 16, 4), "mark");
        assert!(!sock_load(SockKind::Full, 16, 2), "not a part of mark");
        assert!(!sock_load(SockKind::Common, 16, 4), "only full sockets have one");
        assert!(sock_load(SockKind::Common, 4, 1), "part of family");
        assert!(!sock_load(SockKind::Common, 5, 1), "but not from its middle");
        assert!(sock_load(SockKind::Common, 31, 1), "any part of an address");
        assert!(sock_load(SockKind::Full, 48, 4) && sock_load(SockKind::Full, 49, 1), "dst_port");
        assert!(!sock_load(SockKind::Full, 50, 2), "padding");
        assert!(!sock_load(SockKind::Full, 80, 4) && !sock_load(SockKind::Full, -4, 4), "outside");
        assert!(sock_load(SockKind::Tcp, 88, 8) && !sock_load(SockKind::Tcp, 88, 4));
        assert!(sock_load(SockKind::Tcp, 108, 4) && !sock_load(SockKind::Tcp, 112, 4));
        assert!(sock_load(SockKind::Xdp, 0, 4) && !sock_load(SockKind::Xdp, 4, 4));
    }
}
