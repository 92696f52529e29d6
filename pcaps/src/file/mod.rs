//! Capture files in memory, written through pcap-file.
//!
//! pcap-file's typed layer refuses some of what a capture in the wild contains, so the cases that
//! need it wrong use the raw layer or patch the finished bytes.

mod pcap;
mod pcapng;

pub use pcap::{PcapFile, Resolution};
pub use pcapng::{Interface, PcapNgFile};

/// Link types (tcpdump.org's LINKTYPE_ numbers) of the captures here.
pub mod linktype {
    #![allow(missing_docs, reason = "the names are the documentation")]
    pub const NULL: u32 = 0;
    pub const ETHERNET: u32 = 1;
    /// DLT_RAW of most systems, found in files of old writers.
    pub const RAW_BSD: u32 = 12;
    pub const RAW: u32 = 101;
    pub const LOOP: u32 = 108;
    pub const LINUX_SLL: u32 = 113;
    pub const USER0: u32 = 147;
    pub const IPV4: u32 = 228;
    pub const IPV6: u32 = 229;
    pub const LINUX_SLL2: u32 = 276;
}

/// The time of the first frame of every generated capture: 2026-01-01 00:00:00 UTC.
pub const EPOCH_NS: u64 = 1_767_225_600_000_000_000;
