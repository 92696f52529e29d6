//! Sockets: fields of `struct bpf_sock` and its kin.
//!
//! This engine has no sockets: lookups find none and `skb->sk` is NULL, so no run gets behind a NULL check of one. What
//! is there is checked by the kernel's rules and its loads stay in the program as they are.

use bpfreplay_isa::Reg;
use bpfreplay_uapi::sock::{SockKind, sock_load};

use super::helper_args::expect;
use super::memory::How;
use crate::error::{Checked, refuse};
use crate::state::{RegState, RegType};

/// An access to a field (linux: check_sock_access()).
pub(super) fn access(
    (reg, pointer): (Reg, &RegState),
    kind: SockKind,
    off: i32,
    size: u32,
    how: How,
) -> Checked<SockKind> {
    let (n, name) = (reg.number(), pointer.type_name());
    match how {
        How::Store => refuse!(Access, "R{n} cannot write into {name}"),
        How::Load | How::LoadSigned => {}
    }
    // No arithmetic on sockets is allowed: pointers have no offset.
    if !sock_load(kind, off, size) {
        refuse!(Access, "R{n} invalid {name} access off={off} size={size}");
    }
    Ok(kind)
}

/// Which pointers an argument that is a socket may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Accepts {
    /// Those of this module.
    Plain,
    /// The kernel's own too.
    BtfToo,
}

/// A socket as an argument.
pub(super) fn argument(reg: Reg, value: &RegState, accepts: Accepts) -> Checked {
    let expected = match accepts {
        Accepts::Plain => "sock_common, sock, tcp_sock, xdp_sock",
        Accepts::BtfToo => "sock_common, sock, tcp_sock, xdp_sock, ptr_, trusted_ptr_",
    };
    let is_btf = accepts == Accepts::BtfToo && matches!(value.kind, RegType::BtfSock(_));
    expect(reg, value, is_btf || matches!(value.kind, RegType::Sock(_)), expected)
}
