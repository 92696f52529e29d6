//! Which maps are made with the types of their keys and values: those whose types `BPF_MAP_CREATE` takes. libbpf makes
//! the others without.

use std::sync::Arc;

use bpfreplay_btf::{Btf, Kind};
use bpfreplay_program::MapSpec;
use bpfreplay_uapi::MapType;

use crate::error::LoadError;
use crate::special;

/// Gives a map its types, or takes the ids away where the kernel would refuse them.
pub(super) fn settle(spec: &mut MapSpec, btf: Option<&Arc<Btf>>) -> Result<(), LoadError> {
    if let Some(inner) = &mut spec.inner {
        settle(inner, btf)?;
    }
    spec.special = btf.map_or_else(Vec::new, |btf| special::of_map_value(btf, spec.btf_value_type_id));
    spec.btf = match btf {
        Some(btf) if is_taken(spec, btf)? => Some(Arc::clone(btf)),
        Some(_) | None => {
            (spec.btf_key_type_id, spec.btf_value_type_id) = (0, 0);
            None
        }
    };
    Ok(())
}

/// `map_check_btf` of the kernel, and what libbpf does not even try (`bpf_object__create_map`).
fn is_taken(spec: &MapSpec, btf: &Btf) -> Result<bool, LoadError> {
    let (key, value) = (spec.btf_key_type_id, spec.btf_value_type_id);
    if value == 0 || btf.size_of(value)? != Some(u64::from(spec.value_size)) {
        return Ok(false);
    }
    if key == 0 {
        return Ok(match spec.map_type {
            // A data section.
            MapType::Array => spec.max_entries == 1 && matches!(btf.get(value)?.kind, Kind::Datasec { .. }),
            MapType::BloomFilter => true,
            _ => false,
        });
    }
    if btf.size_of(key)? != Some(u64::from(spec.key_size)) {
        return Ok(false);
    }
    let key = &btf.resolve(key)?.1.kind;
    Ok(match spec.map_type {
        MapType::Array | MapType::PercpuArray => matches!(key, Kind::Int { bits: 32, offset: 0, .. }),
        MapType::LpmTrie => matches!(key, Kind::Struct { union: false, .. }),
        MapType::BloomFilter
        | MapType::PerfEventArray
        | MapType::CgroupArray
        | MapType::StackTrace
        | MapType::ArrayOfMaps
        | MapType::HashOfMaps
        | MapType::Devmap
        | MapType::DevmapHash
        | MapType::Cpumap
        | MapType::Xskmap
        | MapType::Sockmap
        | MapType::Sockhash
        | MapType::Queue
        | MapType::Stack
        | MapType::Arena => false,
        _ => true,
    })
}
