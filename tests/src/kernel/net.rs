//! The system calls of a live link: a namespace for one thread, and a socket that sends whole frames.
#![allow(unsafe_code, reason = "unshare(2), packet(7) sockets and sendto(2) are calls into libc")]

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Puts the calling thread, and what it starts from here on, into a network namespace of its own. The namespace is
/// gone when the last of them ends.
pub(super) fn enter_own_namespace() -> io::Result<()> {
    // SAFETY: no memory is passed; only this thread's membership changes.
    let result = unsafe { libc::unshare(libc::CLONE_NEWNET) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The number of a device in the calling thread's namespace.
pub(super) fn ifindex(name: &str) -> io::Result<u32> {
    let name = CString::new(name)?;
    // SAFETY: `name` is a string with a zero at its end, alive across the call.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    if index == 0 { Err(io::Error::last_os_error()) } else { Ok(index) }
}

/// A packet(7) socket that only sends.
#[derive(Debug)]
pub(super) struct FrameSocket(OwnedFd);

impl FrameSocket {
    pub(super) fn open() -> io::Result<FrameSocket> {
        // SAFETY: no memory is passed.
        let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor was just made and nothing else owns it.
        Ok(FrameSocket(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Sends a frame, from its Ethernet header on, out of this device.
    pub(super) fn send(&self, ifindex: u32, frame: &[u8]) -> io::Result<()> {
        let address = libc::sockaddr_ll {
            sll_family: libc::AF_PACKET as u16,
            sll_protocol: 0,
            sll_ifindex: ifindex.cast_signed(),
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 6,
            sll_addr: [0; 8],
        };
        let size = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
        // SAFETY: `frame` and `address` are alive across the call, and their sizes are passed with them.
        let sent = unsafe {
            libc::sendto(
                self.0.as_raw_fd(),
                frame.as_ptr().cast(),
                frame.len(),
                0,
                (&raw const address).cast(),
                size,
            )
        };
        match usize::try_from(sent) {
            Ok(sent) if sent == frame.len() => Ok(()),
            Ok(sent) => Err(io::Error::other(format!("{sent} of {} bytes sent", frame.len()))),
            Err(_) => Err(io::Error::last_os_error()),
        }
    }
}
