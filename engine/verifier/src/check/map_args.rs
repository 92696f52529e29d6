//! Which helpers take which maps (linux: check_map_func_compatibility()).

use bpfreplay_isa::Reg;
use bpfreplay_program::MapSpec;
use bpfreplay_uapi::map::create_flags;
use bpfreplay_uapi::{HelperId, MapType, ProgType};

use super::helper_args::MapArgument;
use crate::error::{Checked, refuse};
use crate::explore::Env;
use crate::state::{RegState, RegType};

/// The map in a register; whether the helper takes it is asked when all arguments are known to be right.
pub(super) fn argument(env: &Env<'_>, reg: Reg, value: &RegState) -> Checked<MapArgument> {
    let RegType::MapPtr { map } = value.kind else {
        refuse!(Access, "R{} type={} expected=map_ptr", reg.number(), value.type_name());
    };
    let spec = env.map(map);
    if matches!(spec.map_type, MapType::ArrayOfMaps | MapType::HashOfMaps) && env.inner_map(map).is_none() {
        refuse!(Invalid, "the shape of the maps in map {} is not known", spec.name);
    }
    Ok(MapArgument { map, key: None, uid: value.map_uid })
}

/// Asked from both sides: what the map's type allows, and what the helper is for.
pub(crate) fn compatible(env: &Env<'_>, map: u32, helper: HelperId) -> Checked {
    let spec = env.map(map);
    let map_type = spec.map_type;
    if changes(helper) && is_read_only(spec) {
        refuse!(Access, "write into map forbidden");
    }
    if helper == HelperId::TailCall && map_type != MapType::ProgArray {
        let (name, map_type) = (&spec.name, map_type.name());
        refuse!(Invalid, "expected prog array map for tail call ({name} is a {map_type})");
    }
    if helper == HelperId::ForEachMapElem && !is_iterable(map_type) {
        refuse!(Unsupported, "callback function not allowed for map {}", spec.name);
    }
    if map_takes(env.program.prog_type, map_type, helper)? && helper_takes(helper, map_type) {
        return Ok(());
    }
    let (id, name) = (helper.id(), helper.proto().name);
    refuse!(Invalid, "cannot pass map_type {} into func {name}#{id}", map_type.id());
}

/// Programs only read its values: made so, or values that are the kernel's own.
pub(crate) fn is_read_only(spec: &MapSpec) -> bool {
    let own = matches!(spec.map_type, MapType::Devmap | MapType::DevmapHash);
    own || spec.map_flags & create_flags::RDONLY_PROG != 0 || spec.frozen_bytes().is_some()
}

/// Helpers that change a map (linux: record_func_map()).
fn changes(helper: HelperId) -> bool {
    use HelperId as H;
    matches!(helper, H::MapUpdateElem | H::MapDeleteElem | H::MapPushElem | H::MapPopElem)
}

/// Maps whose elements `bpf_for_each_map_elem` visits.
fn is_iterable(map_type: MapType) -> bool {
    use MapType as M;
    matches!(map_type, M::Array | M::PercpuArray | M::Hash | M::PercpuHash | M::LruHash | M::LruPercpuHash)
}

/// Whether maps of this type are for this helper.
fn map_takes(prog_type: ProgType, map_type: MapType, helper: HelperId) -> Checked<bool> {
    use HelperId as H;
    let lookup = helper == H::MapLookupElem;
    Ok(match map_type {
        MapType::ProgArray => helper == H::TailCall,
        MapType::PerfEventArray => helper == H::PerfEventOutput,
        MapType::Ringbuf => matches!(
            helper,
            H::RingbufOutput
                | H::RingbufReserve
                | H::RingbufQuery
                | H::RingbufReserveDynptr
                | H::RingbufSubmitDynptr
                | H::RingbufDiscardDynptr
        ),
        MapType::CgroupStorage | MapType::PercpuCgroupStorage => helper == H::GetLocalStorage,
        MapType::Devmap | MapType::DevmapHash | MapType::Xskmap => helper == H::RedirectMap || lookup,
        MapType::Cpumap => helper == H::RedirectMap,
        MapType::ArrayOfMaps | MapType::HashOfMaps => lookup,
        MapType::Sockmap | MapType::Sockhash => lookup || may_update_sockmap(prog_type, helper)?,
        MapType::Queue | MapType::Stack => {
            matches!(helper, H::MapPeekElem | H::MapPopElem | H::MapPushElem)
        }
        MapType::BloomFilter => matches!(helper, H::MapPeekElem | H::MapPushElem),
        MapType::SkStorage => matches!(helper, H::SkStorageGet | H::SkStorageDelete),
        // Their helpers are for programs of other types.
        MapType::StackTrace
        | MapType::CgroupArray
        | MapType::ReuseportSockarray
        | MapType::InodeStorage
        | MapType::TaskStorage
        | MapType::CgrpStorage => false,
        MapType::UserRingbuf => helper == H::UserRingbufDrain,
        MapType::Hash
        | MapType::Array
        | MapType::PercpuHash
        | MapType::PercpuArray
        | MapType::LruHash
        | MapType::LruPercpuHash
        | MapType::LpmTrie
        | MapType::StructOps
        | MapType::Arena => true,
    })
}

/// Programs that may change a map of sockets: no lock of a socket can be taken where they run.
fn may_update_sockmap(prog_type: ProgType, helper: HelperId) -> Checked<bool> {
    if !matches!(helper, HelperId::MapUpdateElem | HelperId::MapDeleteElem) {
        return Ok(false);
    }
    match prog_type {
        ProgType::SocketFilter | ProgType::SchedCls | ProgType::SchedAct | ProgType::Xdp => Ok(true),
        ProgType::Kprobe
        | ProgType::Tracepoint
        | ProgType::CgroupSkb
        | ProgType::LwtIn
        | ProgType::LwtOut
        | ProgType::LwtXmit
        | ProgType::LwtSeg6local => refuse!(Invalid, "cannot update sockmap in this context"),
    }
}

/// Whether this helper is for maps of this type: most are for any.
fn helper_takes(helper: HelperId, map_type: MapType) -> bool {
    use HelperId as H;
    use MapType as M;
    if matches!(helper, H::MapPopElem) {
        return matches!(map_type, M::Queue | M::Stack);
    }
    if matches!(helper, H::MapPeekElem | H::MapPushElem) {
        return matches!(map_type, M::Queue | M::Stack | M::BloomFilter);
    }
    if matches!(helper, H::MapLookupPercpuElem) {
        return matches!(map_type, M::PercpuArray | M::PercpuHash | M::LruPercpuHash);
    }
    if matches!(helper, H::RedirectMap) {
        return matches!(map_type, M::Devmap | M::DevmapHash | M::Cpumap | M::Xskmap);
    }
    if matches!(helper, H::PerfEventOutput) {
        return map_type == M::PerfEventArray;
    }
    if matches!(helper, H::UserRingbufDrain) {
        return map_type == M::UserRingbuf;
    }
    if matches!(helper, H::GetLocalStorage) {
        return matches!(map_type, M::CgroupStorage | M::PercpuCgroupStorage);
    }
    if matches!(helper, H::SkStorageGet | H::SkStorageDelete) {
        return map_type == M::SkStorage;
    }
    let rings = [
        H::RingbufOutput,
        H::RingbufReserve,
        H::RingbufQuery,
        H::RingbufReserveDynptr,
        H::RingbufSubmitDynptr,
        H::RingbufDiscardDynptr,
    ];
    !rings.contains(&helper) || map_type == M::Ringbuf
}

/// The kernel's struct behind a map pointer.
pub(super) const fn structure(map_type: MapType) -> &'static str {
    match map_type {
        MapType::Hash
        | MapType::PercpuHash
        | MapType::LruHash
        | MapType::LruPercpuHash
        | MapType::HashOfMaps => "bpf_htab",
        MapType::Array
        | MapType::PercpuArray
        | MapType::ProgArray
        | MapType::PerfEventArray
        | MapType::CgroupArray
        | MapType::ArrayOfMaps => "bpf_array",
        MapType::StackTrace => "bpf_stack_map",
        MapType::LpmTrie => "lpm_trie",
        MapType::Devmap | MapType::DevmapHash => "bpf_dtab",
        MapType::Sockmap => "bpf_stab",
        MapType::Sockhash => "bpf_shtab",
        MapType::Cpumap => "bpf_cpu_map",
        MapType::Xskmap => "xsk_map",
        MapType::CgroupStorage | MapType::PercpuCgroupStorage => "bpf_cgroup_storage_map",
        MapType::ReuseportSockarray => "reuseport_array",
        MapType::Queue | MapType::Stack => "bpf_queue_stack",
        MapType::SkStorage | MapType::InodeStorage | MapType::TaskStorage | MapType::CgrpStorage => {
            "bpf_local_storage_map"
        }
        MapType::StructOps => "bpf_struct_ops_map",
        MapType::Ringbuf | MapType::UserRingbuf => "bpf_ringbuf_map",
        MapType::BloomFilter => "bpf_bloom_filter",
        MapType::Arena => "bpf_arena",
    }
}
