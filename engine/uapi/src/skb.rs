//! `struct __sk_buff`: the fields a program sees, and where an engine keeps them.
//!
//! The struct in the UAPI header is a view: no such bytes exist. A program's access at a UAPI offset is converted at
//! load to an access of the engine's own context, whose layout the engine declares in a [`ContextLayout`].

use crate::xdp::XdpField;

macro_rules! fields {
    ($($variant:ident $name:literal $off:literal $size:literal;)*) => {
        /// A field of `struct __sk_buff`. `cb` is one field of 20 bytes, the IPv6 addresses one of 16 each.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(usize)]
        #[expect(missing_docs, reason = "the UAPI's names")]
        pub enum SkbField { $($variant,)* }

        impl SkbField {
            /// Every field, by offset.
            pub const ALL: &[SkbField] = &[$(SkbField::$variant),*];
            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();

            /// Its name in the UAPI header.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(SkbField::$variant => $name,)* }
            }

            /// Its offset in `struct __sk_buff`.
            #[must_use]
            pub const fn offset(self) -> u32 {
                match self { $(SkbField::$variant => $off,)* }
            }

            /// Its size in `struct __sk_buff`, in bytes.
            #[must_use]
            pub const fn size(self) -> u32 {
                match self { $(SkbField::$variant => $size,)* }
            }
        }
    };
}
fields! {
    Len "len" 0 4;
    PktType "pkt_type" 4 4;
    Mark "mark" 8 4;
    QueueMapping "queue_mapping" 12 4;
    Protocol "protocol" 16 4;
    VlanPresent "vlan_present" 20 4;
    VlanTci "vlan_tci" 24 4;
    VlanProto "vlan_proto" 28 4;
    Priority "priority" 32 4;
    IngressIfindex "ingress_ifindex" 36 4;
    Ifindex "ifindex" 40 4;
    TcIndex "tc_index" 44 4;
    Cb "cb" 48 20;
    Hash "hash" 68 4;
    TcClassid "tc_classid" 72 4;
    Data "data" 76 4;
    DataEnd "data_end" 80 4;
    NapiId "napi_id" 84 4;
    Family "family" 88 4;
    RemoteIp4 "remote_ip4" 92 4;
    LocalIp4 "local_ip4" 96 4;
    RemoteIp6 "remote_ip6" 100 16;
    LocalIp6 "local_ip6" 116 16;
    RemotePort "remote_port" 132 4;
    LocalPort "local_port" 136 4;
    DataMeta "data_meta" 140 4;
    FlowKeys "flow_keys" 144 8;
    Tstamp "tstamp" 152 8;
    WireLen "wire_len" 160 4;
    GsoSegs "gso_segs" 164 4;
    Sk "sk" 168 8;
    GsoSize "gso_size" 176 4;
    TstampType "tstamp_type" 180 1;
    Hwtstamp "hwtstamp" 184 8;
}

/// Where an engine keeps a field, and how wide it is there: column T of the access table.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NativeField {
    /// Offset from the context pointer, in bytes.
    pub off: u16,
    /// Width in bytes: 1, 2, 4 or 8 (`cb` 20, the addresses 16). 0: the engine has no such field.
    pub width: u8,
}

impl NativeField {
    /// A field the engine does not have: it reads as 0.
    pub const NONE: NativeField = NativeField { off: 0, width: 0 };
}

/// Where an engine keeps every field of its `struct __sk_buff` and of its `struct xdp_md`.
#[derive(Clone, Debug)]
pub struct ContextLayout {
    /// Indexed by `SkbField as usize`.
    pub skb: [NativeField; SkbField::COUNT],
    /// In the order of [`XdpField::ALL`]; `data`, `data_end` and `data_meta` are pointers of 8 bytes.
    pub xdp: [NativeField; XdpField::COUNT],
}

impl ContextLayout {
    /// Where this field is.
    #[must_use]
    pub const fn field(&self, field: SkbField) -> NativeField {
        self.skb[field as usize]
    }

    /// Where this field of `struct xdp_md` is.
    #[must_use]
    pub const fn xdp_field(&self, field: XdpField) -> NativeField {
        self.xdp[field.index()]
    }
}
