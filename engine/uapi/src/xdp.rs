//! `struct xdp_md`: the fields a program sees, and XDP's verdicts (`enum xdp_action`).

use crate::skb_access::SkbValue;

/// A field of `struct xdp_md`; each has 4 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u32)]
#[expect(missing_docs, reason = "the UAPI's names")]
pub enum XdpField {
    Data = 0,
    DataEnd = 4,
    DataMeta = 8,
    IngressIfindex = 12,
    RxQueueIndex = 16,
    /// Only programs attached to a devmap may read it (linux: xdp_is_valid_access()).
    EgressIfindex = 20,
}

/// Bytes of `struct xdp_md`.
pub const XDP_MD_SIZE: u32 = 24;

/// `expected_attach_type` of programs in a devmap (`BPF_XDP_DEVMAP`).
pub const BPF_XDP_DEVMAP: u32 = 33;

/// `expected_attach_type` of programs in a cpumap (`BPF_XDP_CPUMAP`).
pub const BPF_XDP_CPUMAP: u32 = 35;

impl XdpField {
    /// Every field, by offset.
    pub const ALL: [XdpField; 6] = [
        XdpField::Data,
        XdpField::DataEnd,
        XdpField::DataMeta,
        XdpField::IngressIfindex,
        XdpField::RxQueueIndex,
        XdpField::EgressIfindex,
    ];

    /// How many there are.
    pub const COUNT: usize = XdpField::ALL.len();

    /// Its place in [`XdpField::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize / 4
    }

    /// What a load of it gives.
    #[must_use]
    pub const fn value(self) -> SkbValue {
        match self {
            XdpField::Data => SkbValue::Data,
            XdpField::DataEnd => SkbValue::DataEnd,
            XdpField::DataMeta => SkbValue::DataMeta,
            XdpField::IngressIfindex | XdpField::RxQueueIndex | XdpField::EgressIfindex => SkbValue::Scalar,
        }
    }

    /// Its offset in `struct xdp_md`.
    #[must_use]
    pub const fn offset(self) -> u32 {
        self as u32
    }
}

/// The field that a load of `size` bytes at this offset reads: whole fields only (linux: __is_valid_xdp_access()).
/// Nothing can be stored.
#[must_use]
pub fn xdp_load(off: i32, size: u32, expected_attach_type: u32) -> Option<XdpField> {
    let off = u32::try_from(off).ok()?;
    let field = XdpField::ALL.into_iter().find(|field| field.offset() == off && size == 4)?;
    (field != XdpField::EgressIfindex || expected_attach_type == BPF_XDP_DEVMAP).then_some(field)
}

/// Error in the program; the packet is dropped.
pub const XDP_ABORTED: u32 = 0;
/// Drop.
pub const XDP_DROP: u32 = 1;
/// On to the stack.
pub const XDP_PASS: u32 = 2;
/// Out of the device it came in by.
pub const XDP_TX: u32 = 3;
/// To where `bpf_redirect` or `bpf_redirect_map` said.
pub const XDP_REDIRECT: u32 = 4;

/// The name of a verdict, such as `XDP_PASS`; `None` for what the kernel warns about and treats as aborted.
#[must_use]
pub const fn action_name(action: u32) -> Option<&'static str> {
    Some(match action {
        XDP_ABORTED => "XDP_ABORTED",
        XDP_DROP => "XDP_DROP",
        XDP_PASS => "XDP_PASS",
        XDP_TX => "XDP_TX",
        XDP_REDIRECT => "XDP_REDIRECT",
        _ => return None,
    })
}
