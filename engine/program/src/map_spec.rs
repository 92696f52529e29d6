use std::sync::Arc;

use bpfreplay_btf::Btf;
use bpfreplay_uapi::MapType;
use bpfreplay_uapi::map::create_flags;

use crate::SpecialField;

/// A map as an object declares it: what `BPF_MAP_CREATE` takes, and what to put in it before the first run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MapSpec {
    /// The C symbol; for data sections libbpf's name, such as `prog.rodata` (`.rodata` of an object without a name).
    pub name: String,
    /// The type.
    pub map_type: MapType,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value.
    pub value_size: u32,
    /// Entries at the most.
    pub max_entries: u32,
    /// `BPF_F_*`, see [`bpfreplay_uapi::map::create_flags`].
    pub map_flags: u32,
    /// Type-specific extra word.
    pub map_extra: u64,
    /// The object's types, if the map has any of them.
    pub btf: Option<Arc<Btf>>,
    /// Type id of the key in `btf`; 0 if unknown, as a data section's is.
    pub btf_key_type_id: u32,
    /// Type id of the value in `btf`, 0 if unknown.
    pub btf_value_type_id: u32,
    /// Fields of the value that are not plain bytes, by offset.
    pub special: Vec<SpecialField>,
    /// What is put in before the first run.
    pub content: MapContent,
    /// The shape of inner maps, for maps of maps.
    pub inner: Option<Box<MapSpec>>,
}

/// What a map holds before the first run.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum MapContent {
    /// Nothing (arrays: zeroes).
    #[default]
    Empty,
    /// A data section: the bytes of the single value. `frozen`: `.rodata`, constant to the verifier.
    Data {
        /// The bytes; `value_size` of them.
        bytes: Vec<u8>,
        /// Whether user space can no longer change it, so that loads from it are known constants.
        frozen: bool,
    },
    /// A prog array's `.values`: slot and program name, ascending by slot.
    Programs(Vec<(u32, String)>),
    /// A map of maps' `.values`: slot and map name, ascending by slot.
    Maps(Vec<(u32, String)>),
}

impl MapSpec {
    /// A map with nothing special about it.
    #[must_use]
    pub fn new(name: &str, map_type: MapType, key_size: u32, value_size: u32, max_entries: u32) -> MapSpec {
        MapSpec {
            name: name.to_owned(),
            map_type,
            key_size,
            value_size,
            max_entries,
            map_flags: 0,
            map_extra: 0,
            btf: None,
            btf_key_type_id: 0,
            btf_value_type_id: 0,
            special: Vec::new(),
            content: MapContent::Empty,
            inner: None,
        }
    }

    /// The special fields that count. Of a map with one that maps of its type, or of its flags, cannot have, none: Linux
    /// refuses to make it with its types, and loaders then make it without.
    #[must_use]
    pub fn fields(&self) -> &[SpecialField] {
        let is_plain = self.map_flags & (create_flags::RDONLY_PROG | create_flags::WRONLY_PROG) == 0;
        let fits = |field: &SpecialField| is_plain && field.kind.may_be_in(self.map_type);
        if self.special.iter().all(fits) { &self.special } else { &[] }
    }

    /// The bytes of a frozen data section: constants to the verifier.
    #[must_use]
    pub fn frozen_bytes(&self) -> Option<&[u8]> {
        match &self.content {
            MapContent::Data { bytes, frozen: true } => Some(bytes),
            MapContent::Data { .. } | MapContent::Empty | MapContent::Programs(_) | MapContent::Maps(_) => {
                None
            }
        }
    }
}
