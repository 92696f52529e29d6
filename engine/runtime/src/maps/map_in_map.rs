//! `BPF_MAP_TYPE_ARRAY_OF_MAPS` and `BPF_MAP_TYPE_HASH_OF_MAPS`: values are other maps.
//!
//! ```text
//!   key ──▶ word: 0 or the inner map's address      what a program's lookup gives, and its next helper takes as map
//!           inner: the map itself, kept alive       what user space puts in, takes out and sees as an id
//! ```
//!
//! Only user space writes here. An inner map that leaves is let go of when every batch that was running has ended: a
//! program may have just looked it up.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bpfreplay_program::MapSpec;
use bpfreplay_uapi::map::{create_flags, update_flags};
use bpfreplay_uapi::{Errno, MapType};
use crossbeam_epoch as epoch;

use super::hash::Hash;
use super::ops::{Ops, index, next_index};
use super::{Map, MapError};
use crate::memory::Words;
use crate::objects::Objects;

/// A map of maps.
#[derive(Debug)]
pub(crate) struct MapOfMaps {
    words: Addresses,
    /// What has each key; writers hold the lock.
    inner: Mutex<BTreeMap<Vec<u8>, Arc<Map>>>,
    /// What an inner map must be like.
    template: MapSpec,
}

/// Where programs find inner maps' addresses.
#[derive(Debug)]
enum Addresses {
    Array(Words),
    Hash(Box<Hash>),
}

impl MapOfMaps {
    pub(super) fn new(spec: &MapSpec, template: &MapSpec) -> Option<MapOfMaps> {
        let words = if spec.map_type == MapType::ArrayOfMaps {
            Addresses::Array(Words::zeroed(spec.max_entries as usize)?)
        } else {
            Addresses::Hash(Box::new(Hash::new(
                &MapSpec { value_size: 8, ..spec.clone() },
                &Objects::none(),
            )?))
        };
        Some(MapOfMaps { words, inner: Mutex::default(), template: template.clone() })
    }

    /// The map a key has, kept alive by the caller.
    pub(crate) fn get(&self, key: &[u8]) -> Option<Arc<Map>> {
        self.lock().get(key).cloned()
    }

    /// `BPF_MAP_UPDATE_ELEM`.
    pub(super) fn put(&self, key: &[u8], map: &Arc<Map>, flags: u64) -> Result<(), MapError> {
        let errno =
            |errno| MapError::new(errno, "the map of maps has no room for it, or not with these flags");
        let mut inner = self.lock();
        if let Addresses::Array(words) = &self.words {
            if flags != update_flags::ANY {
                return Err(MapError::new(Errno::EINVAL, "an array of maps takes only BPF_ANY"));
            }
            if index(key).is_none_or(|index| index as usize >= words.len()) {
                return Err(MapError::new(Errno::E2BIG, "the index is past the end"));
            }
        }
        check_like(&self.template, map.spec())?;
        match &self.words {
            Addresses::Array(words) => {
                let index = index(key).ok_or_else(|| errno(Errno::EINVAL))?;
                words[index as usize].store(map.address(), Ordering::Release);
            }
            Addresses::Hash(hash) => hash.update(key, &map.address().to_le_bytes(), flags).map_err(errno)?,
        }
        retire(inner.insert(key.to_vec(), Arc::clone(map)));
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Vec<u8>, Arc<Map>>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ops for MapOfMaps {
    /// User space sees the id.
    fn lookup(&self, key: &[u8], value: &mut [u8], _: u64) -> Result<(), Errno> {
        let map = self.get(key).ok_or(Errno::ENOENT)?;
        value.copy_from_slice(&map.id().to_le_bytes());
        Ok(())
    }

    /// It takes maps, not bytes: [`Map::update_inner`].
    fn update(&self, _: &[u8], _: &[u8], _: u64) -> Result<(), Errno> {
        Err(Errno::EBADF)
    }

    fn delete(&self, key: &[u8]) -> Result<(), Errno> {
        let mut inner = self.lock();
        match &self.words {
            Addresses::Array(words) => {
                let word = index(key).and_then(|index| words.get(index as usize)).ok_or(Errno::E2BIG)?;
                word.store(0, Ordering::Release);
            }
            Addresses::Hash(hash) => hash.delete(key)?,
        }
        let old = inner.remove(key).ok_or(Errno::ENOENT)?;
        retire(Some(old));
        Ok(())
    }

    fn next_key(&self, key: Option<&[u8]>) -> Result<Vec<u8>, Errno> {
        match &self.words {
            Addresses::Array(words) => next_index(key, words.len() as u32),
            Addresses::Hash(hash) => hash.next_key(key),
        }
    }

    fn entries(&self) -> u32 {
        self.lock().len() as u32
    }

    fn value_address(&self, key: &[u8], _: u32) -> Option<u64> {
        let address = match &self.words {
            Addresses::Array(words) => words.get(index(key)? as usize)?.load(Ordering::Acquire),
            Addresses::Hash(hash) => hash.word(key)?,
        };
        (address != 0).then_some(address)
    }

    fn program_update(&self, _: &[u8], _: u32, _: &[u8], _: u64) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }
}

/// Lets go of a map that left, when no batch can still use it.
fn retire(map: Option<Arc<Map>>) {
    if let Some(map) = map {
        let guard = epoch::pin();
        guard.defer(move || drop(map));
        guard.flush();
    }
}

/// What may be an inner map at all (`bpf_map_meta_alloc`).
pub(super) fn check_template(template: &MapSpec) -> Result<(), MapError> {
    let name = template.map_type.name();
    match template.map_type {
        MapType::ArrayOfMaps | MapType::HashOfMaps => {
            Err(MapError::new(Errno::EINVAL, "maps of maps of maps are not possible"))
        }
        MapType::ProgArray | MapType::CgroupStorage | MapType::PercpuCgroupStorage | MapType::StructOps => {
            Err(MapError::new(Errno::ENOTSUPP, format!("a {name} cannot be an inner map")))
        }
        _ => Ok(()),
    }
}

/// Whether a map is like the template (`bpf_map_meta_equal` and the kinds' own `map_meta_equal`).
fn check_like(template: &MapSpec, map: &MapSpec) -> Result<(), MapError> {
    let must_agree = template.map_type == MapType::Array && template.map_flags & create_flags::INNER_MAP == 0
        || template.map_type == MapType::Xskmap;
    let differs = [
        ("type", template.map_type.id(), map.map_type.id()),
        ("key_size", template.key_size, map.key_size),
        ("value_size", template.value_size, map.value_size),
        ("map_flags", template.map_flags, map.map_flags),
        (
            "max_entries",
            template.max_entries,
            if must_agree { map.max_entries } else { template.max_entries },
        ),
    ];
    if template.fields() != map.fields() {
        return Err(MapError::new(
            Errno::EINVAL,
            format!("map {} does not fit: its values have other locks, timers or kernel pointers", map.name),
        ));
    }
    match differs.into_iter().find(|(_, wanted, got)| wanted != got) {
        None => Ok(()),
        Some((what, wanted, got)) => Err(MapError::new(
            Errno::EINVAL,
            format!("map {} does not fit: its {what} is {got}, inner maps have {wanted}", map.name),
        )),
    }
}
