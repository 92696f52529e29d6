//! Which fields of `struct __sk_buff` a program may load and store, by program type
//! (linux: bpf_skb_is_valid_access() and the per-type functions around it, net/core/filter.c).

use crate::prog::ProgType;
use crate::skb::SkbField;

/// How a field may be loaded.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Loads {
    /// Not at all.
    No,
    /// As a whole only; of `remote_ip6` and `local_ip6` any one of the four words.
    Whole,
    /// As a whole or any aligned part of it.
    Narrow,
    /// `cb`: any aligned 1, 2, 4 or 8 bytes, across words too.
    Bytes,
}

/// How a field may be stored.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Stores {
    /// Not at all.
    No,
    /// As a whole only.
    Whole,
    /// `cb`: any aligned 1, 2, 4 or 8 bytes, across words too.
    Bytes,
}

/// What a load of a field gives.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SkbValue {
    /// A number.
    Scalar,
    /// The first packet byte.
    Data,
    /// One past the last linear packet byte.
    DataEnd,
    /// The first metadata byte.
    DataMeta,
    /// The socket, or NULL.
    SockOrNull,
}

impl SkbField {
    /// What a load of it gives.
    #[must_use]
    pub const fn value(self) -> SkbValue {
        match self {
            SkbField::Data => SkbValue::Data,
            SkbField::DataEnd => SkbValue::DataEnd,
            SkbField::DataMeta => SkbValue::DataMeta,
            SkbField::Sk => SkbValue::SockOrNull,
            _ => SkbValue::Scalar,
        }
    }
}

/// The program types with the same rules: a column of the table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Column {
    Tc,
    Socket,
    Cgroup,
    Lwt,
}

/// The column of a type that has a `struct __sk_buff`.
const fn column(prog_type: ProgType) -> Option<Column> {
    match prog_type {
        ProgType::SchedCls | ProgType::SchedAct => Some(Column::Tc),
        ProgType::SocketFilter => Some(Column::Socket),
        ProgType::CgroupSkb => Some(Column::Cgroup),
        ProgType::LwtIn | ProgType::LwtOut | ProgType::LwtXmit | ProgType::LwtSeg6local => Some(Column::Lwt),
        ProgType::Kprobe | ProgType::Tracepoint | ProgType::Xdp => None,
    }
}

/// The table: loads and stores by column.
const fn rules(field: SkbField, column: Column) -> (Loads, Stores) {
    use Column::{Cgroup, Lwt, Socket, Tc};
    use Loads::{Bytes, Narrow, Whole};
    match (field, column) {
        (SkbField::Cb, _) => (Bytes, Stores::Bytes),

        (SkbField::Mark | SkbField::Priority, Tc | Cgroup | Lwt) => (Narrow, Stores::Whole),
        (SkbField::QueueMapping | SkbField::TcIndex | SkbField::TcClassid, Tc) => (Narrow, Stores::Whole),
        (SkbField::TcClassid, Socket | Cgroup | Lwt) => (Loads::No, Stores::No),

        (SkbField::Data | SkbField::DataEnd, Tc | Cgroup | Lwt) => (Whole, Stores::No),
        (SkbField::Data | SkbField::DataEnd, Socket) => (Loads::No, Stores::No),
        (SkbField::DataMeta, Tc) => (Whole, Stores::No),
        (SkbField::DataMeta, Socket | Cgroup | Lwt) => (Loads::No, Stores::No),

        (SkbField::Family | SkbField::RemotePort | SkbField::LocalPort, Cgroup) => (Narrow, Stores::No),
        (SkbField::RemoteIp4 | SkbField::LocalIp4 | SkbField::RemoteIp6 | SkbField::LocalIp6, Cgroup) => {
            (Whole, Stores::No)
        }
        (
            SkbField::Family
            | SkbField::RemotePort
            | SkbField::LocalPort
            | SkbField::RemoteIp4
            | SkbField::LocalIp4
            | SkbField::RemoteIp6
            | SkbField::LocalIp6,
            Tc | Socket | Lwt,
        ) => (Loads::No, Stores::No),

        (SkbField::FlowKeys, _) => (Loads::No, Stores::No),
        (SkbField::Tstamp, Tc | Cgroup) => (Whole, Stores::Whole),
        (SkbField::Hwtstamp, Tc | Cgroup) => (Whole, Stores::No),
        (SkbField::Tstamp | SkbField::Hwtstamp, Socket | Lwt) => (Loads::No, Stores::No),
        (SkbField::WireLen, Tc) => (Narrow, Stores::No),
        (SkbField::WireLen, Socket | Cgroup | Lwt) => (Loads::No, Stores::No),
        (SkbField::TstampType, Tc) => (Whole, Stores::No),
        (SkbField::TstampType, Socket | Cgroup | Lwt) => (Loads::No, Stores::No),
        (SkbField::Sk, _) => (Whole, Stores::No),

        (
            SkbField::Len
            | SkbField::PktType
            | SkbField::Mark
            | SkbField::QueueMapping
            | SkbField::Protocol
            | SkbField::VlanPresent
            | SkbField::VlanTci
            | SkbField::VlanProto
            | SkbField::Priority
            | SkbField::IngressIfindex
            | SkbField::Ifindex
            | SkbField::TcIndex
            | SkbField::Hash
            | SkbField::NapiId
            | SkbField::GsoSegs
            | SkbField::GsoSize,
            _,
        ) => (Narrow, Stores::No),
    }
}

/// The field at an offset, for an aligned access that stays inside it.
fn field_at(off: i32, size: u32) -> Option<SkbField> {
    let off = u32::try_from(off).ok()?;
    let inside = |field: &&SkbField| field.offset() <= off && off + size <= field.offset() + field.size();
    if !off.is_multiple_of(size) {
        return None;
    }
    SkbField::ALL.iter().find(inside).copied()
}

/// The field that a load of `size` bytes at this offset of the context reads, if programs of the type may.
#[must_use]
pub fn skb_load(prog_type: ProgType, off: i32, size: u32) -> Option<SkbField> {
    let field = field_at(off, size)?;
    let allowed = match rules(field, column(prog_type)?).0 {
        Loads::No => false,
        Loads::Whole => size == whole(field),
        Loads::Narrow => size <= field.size(),
        Loads::Bytes => true,
    };
    allowed.then_some(field)
}

/// The field that a store of `size` bytes at this offset of the context writes, if programs of the type may.
#[must_use]
pub fn skb_store(prog_type: ProgType, off: i32, size: u32) -> Option<SkbField> {
    let field = field_at(off, size)?;
    let allowed = match rules(field, column(prog_type)?).1 {
        Stores::No => false,
        Stores::Whole => size == whole(field),
        Stores::Bytes => true,
    };
    allowed.then_some(field)
}

/// Bytes of an access to all of a field; the addresses are accessed word by word.
const fn whole(field: SkbField) -> u32 {
    match field {
        SkbField::RemoteIp6 | SkbField::LocalIp6 => 4,
        _ => field.size(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_the_table() {
        let tc = ProgType::SchedCls;
        assert_eq!(skb_load(tc, 0, 4), Some(SkbField::Len));
        assert_eq!(skb_load(tc, 3, 1), Some(SkbField::Len));
        assert_eq!(skb_load(tc, 1, 2), None, "misaligned");
        assert_eq!(skb_load(tc, 0, 8), None, "across fields");
        assert_eq!(skb_load(tc, 76, 2), None, "pointers only as a whole");
        assert_eq!(skb_load(tc, 152, 8), Some(SkbField::Tstamp));
        assert_eq!(skb_load(tc, 152, 4), None);
        assert_eq!(skb_load(tc, 180, 1), Some(SkbField::TstampType));
        assert_eq!(skb_load(tc, 181, 1), None, "padding");
        assert_eq!(skb_load(tc, -4, 4), None);
        assert_eq!(skb_load(tc, 192, 4), None);
        assert_eq!(skb_store(tc, 8, 4), Some(SkbField::Mark));
        assert_eq!(skb_store(tc, 8, 2), None, "stores only as a whole");
        assert_eq!(skb_store(tc, 48, 8), Some(SkbField::Cb));
        assert_eq!(skb_store(tc, 52, 8), None, "misaligned");
        assert_eq!(skb_store(tc, 64, 8), None, "past cb");
        assert_eq!(skb_load(ProgType::SocketFilter, 76, 4), None);
        assert_eq!(skb_load(ProgType::CgroupSkb, 104, 4), Some(SkbField::RemoteIp6));
        assert_eq!(skb_load(ProgType::CgroupSkb, 104, 2), None);
        assert_eq!(skb_load(ProgType::Xdp, 0, 4), None);
    }
}
