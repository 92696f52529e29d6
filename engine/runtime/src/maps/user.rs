//! What user space does with a map: the operations of bpf(2), with their errors.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bpfreplay_program::SpecialKind;
use bpfreplay_uapi::map::update_flags;
use bpfreplay_uapi::{Errno, MapType};

use super::{Map, MapError, Storage};

impl Map {
    /// `BPF_MAP_LOOKUP_ELEM`: a copy of the value; of a per-CPU map all CPUs' values in order, each rounded up to
    /// 8 bytes; of a prog array the id of the program, of a map of maps that of the map, 4 bytes; of a queue or stack,
    /// by the empty key, the value that is next.
    ///
    /// # Errors
    ///
    /// ENOENT for a key that is not in the map, EPERM on a `BPF_F_WRONLY` map, EINVAL for a key of another size;
    /// ENOTSUPP and EOPNOTSUPP on kinds that have no lookup.
    pub fn lookup(&self, key: &[u8]) -> Result<Vec<u8>, MapError> {
        let mut value = vec![0; self.user_value_size()];
        self.lookup_into(key, &mut value, 0)?;
        Ok(value)
    }

    /// [`Map::lookup`] while no program holds the value's `bpf_spin_lock` (`BPF_F_LOCK`).
    ///
    /// # Errors
    ///
    /// As [`Map::lookup`]; EINVAL for values without a lock.
    pub fn lookup_locked(&self, key: &[u8]) -> Result<Vec<u8>, MapError> {
        if !self.has_lock() {
            return Err(self.error(Errno::EINVAL, "BPF_F_LOCK without a bpf_spin_lock in the value"));
        }
        let mut value = vec![0; self.user_value_size()];
        self.lookup_into(key, &mut value, update_flags::F_LOCK)?;
        Ok(value)
    }

    /// Whether a value may have been pushed into this bloom filter: `BPF_MAP_LOOKUP_ELEM`, which takes what is looked
    /// for where it puts what it finds.
    ///
    /// # Errors
    ///
    /// As [`Map::lookup`]; ENOENT for a value that surely was not pushed, EINVAL for a value of another size.
    pub fn contains(&self, value: &[u8]) -> Result<(), MapError> {
        self.check_value(value)?;
        self.lookup_into(&[], &mut value.to_vec(), 0)
    }

    /// `BPF_MAP_UPDATE_ELEM`. The value is as [`Map::lookup`] gives it, except for a prog array and a map of maps,
    /// which take programs and maps: [`ProgArray::update`](super::ProgArray::update), [`Map::update_inner`]. A queue,
    /// stack or bloom filter has a value pushed, by the empty key.
    ///
    /// # Errors
    ///
    /// E2BIG for an index past the end and for a new key in a full map (ENOSPC in an LPM trie), EEXIST, ENOENT and
    /// EINVAL by `flags`, EINVAL for a key or value of another size, EPERM on a `BPF_F_RDONLY` or frozen map, EBADF
    /// where the value would be a file descriptor.
    pub fn update(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), MapError> {
        self.user.may_write()?;
        self.check_key(key)?;
        if flags & update_flags::F_LOCK != 0 && !self.has_lock() {
            return Err(self.error(Errno::EINVAL, "BPF_F_LOCK without a bpf_spin_lock in the value"));
        }
        self.check_value(value)?;
        self.storage
            .ops()
            .update(key, value, flags)
            .map_err(|errno| self.error(errno, self.why_not_updated(errno)))
    }

    /// `BPF_MAP_UPDATE_ELEM` of a map of maps. Workers may be running: what leaves lives on until none can have it.
    ///
    /// # Errors
    ///
    /// As [`Map::update`]; EINVAL for a map unlike the inner maps this one is for, EBADF unless this is a map of maps.
    pub fn update_inner(&self, key: &[u8], inner: &Arc<Map>, flags: u64) -> Result<(), MapError> {
        self.user.may_write()?;
        self.check_key(key)?;
        let Storage::MapOfMaps(maps) = &self.storage else {
            return Err(self.error(Errno::EBADF, "it holds no maps"));
        };
        maps.put(key, inner, flags).map_err(|why| self.error(why.errno, &why.reason))
    }

    /// The inner map a key of a map of maps has.
    #[must_use]
    pub fn inner(&self, key: &[u8]) -> Option<Arc<Map>> {
        match &self.storage {
            Storage::MapOfMaps(maps) => maps.get(key),
            _ => None,
        }
    }

    /// `BPF_MAP_DELETE_ELEM`.
    ///
    /// # Errors
    ///
    /// ENOENT, EINVAL on arrays and queues, EPERM on a `BPF_F_RDONLY` or frozen map; on arrays of programs, maps and
    /// perf events E2BIG past the end.
    pub fn delete(&self, key: &[u8]) -> Result<(), MapError> {
        self.user.may_write()?;
        self.check_key(key)?;
        self.storage.ops().delete(key).map_err(|errno| {
            let reason = match errno {
                Errno::EINVAL => "its entries cannot be deleted by this key",
                Errno::E2BIG => "the index is past the end",
                _ => "no such entry",
            };
            self.error(errno, reason)
        })
    }

    /// `BPF_MAP_LOOKUP_AND_DELETE_ELEM`; pops from a queue or stack.
    ///
    /// # Errors
    ///
    /// ENOENT; ENOTSUPP on every kind but hash maps, queues and stacks; EPERM as lookup and delete.
    pub fn lookup_and_delete(&self, key: &[u8]) -> Result<Vec<u8>, MapError> {
        self.user.may_read()?;
        self.user.may_write()?;
        self.check_key(key)?;
        let mut value = vec![0; self.user_value_size()];
        self.storage
            .ops()
            .take(key, &mut value)
            .map(|()| value)
            .map_err(|errno| self.error(errno, "nothing to look up and delete"))
    }

    /// `BPF_MAP_GET_NEXT_KEY`: the key after this one; the first for none or for one that is not in the map.
    ///
    /// # Errors
    ///
    /// ENOENT after the last, EPERM on a `BPF_F_WRONLY` map, EINVAL for a key of another size; on kinds without keys
    /// the kernel's EINVAL, ENOTSUPP or EOPNOTSUPP.
    pub fn next_key(&self, key: Option<&[u8]>) -> Result<Vec<u8>, MapError> {
        self.user.may_read()?;
        if let Some(key) = key {
            self.check_key(key)?;
        }
        self.storage.ops().next_key(key).map_err(|errno| self.error(errno, "no further key"))
    }

    /// Shows every key with its value (as [`Map::lookup`] gives it), in the order of [`Map::next_key`]; of arrays of
    /// programs, maps and targets the slots that hold something. Of a queue or stack its values, the next one first,
    /// by the empty key.
    ///
    /// # Errors
    ///
    /// EPERM on a `BPF_F_WRONLY` map.
    pub fn for_each(&self, mut show: impl FnMut(&[u8], &[u8])) -> Result<(), MapError> {
        self.user.may_read()?;
        match &self.storage {
            Storage::Hash(hash) | Storage::LruHash(hash) => hash.for_each(show),
            Storage::PercpuHash(hash) => hash.for_each(show),
            Storage::QueueStack(queue) => queue.for_each(|value| show(&[], value)),
            other => {
                let mut value = vec![0; self.user_value_size()];
                let mut key = None;
                while let Ok(next) = other.ops().next_key(key.as_deref()) {
                    if other.ops().lookup(&next, &mut value, 0).is_ok() {
                        show(&next, &value);
                    }
                    key = Some(next);
                }
            }
        }
        Ok(())
    }

    /// Puts a buffer for a CPU's samples into its slot of a perf event array, as tools do with `perf_event_open`
    /// before they attach a program. Nothing if there is one.
    ///
    /// # Errors
    ///
    /// E2BIG for a CPU the array has no slot for, ENOMEM; EBADF unless it is a perf event array.
    pub fn open_perf_buffer(&self, cpu: u32) -> Result<(), MapError> {
        let Storage::PerfEventArray(array) = &self.storage else {
            return Err(self.error(Errno::EBADF, "it is no perf event array"));
        };
        array.open(cpu).map_err(|errno| self.error(errno, "no buffer for this CPU"))
    }

    /// Puts a sample into a user ring buffer, for a program to drain.
    ///
    /// # Errors
    ///
    /// E2BIG for a sample that the ring could never hold, ENOSPC while there is no room; EINVAL unless it is a user ring
    /// buffer.
    pub fn produce(&self, sample: &[u8]) -> Result<(), MapError> {
        let Storage::UserRingbuf(ringbuf) = &self.storage else {
            return Err(self.error(Errno::EINVAL, "it is no user ring buffer"));
        };
        ringbuf.produce(sample).map_err(|errno| self.error(errno, "no room for a sample"))
    }

    /// Whether programs leave records here for user space: a ring buffer or a perf event array.
    #[must_use]
    pub fn has_records(&self) -> bool {
        matches!(self.spec.map_type, MapType::Ringbuf | MapType::PerfEventArray)
    }

    /// Takes out the records a CPU left, oldest first, up to one that is not finished. `scratch` is for their bytes.
    pub fn drain(&self, cpu: u32, scratch: &mut Vec<u8>, show: impl FnMut(&[u8])) {
        let ring = match &self.storage {
            Storage::Ringbuf(ringbuf) => ringbuf.ring(cpu),
            Storage::PerfEventArray(array) => array.buffer(cpu),
            _ => None,
        };
        if let Some(ring) = ring {
            ring.drain(scratch, show);
        }
    }

    /// Records of a CPU there was no room for.
    #[must_use]
    pub fn records_lost(&self, cpu: u32) -> u64 {
        let ring = match &self.storage {
            Storage::Ringbuf(ringbuf) => ringbuf.ring(cpu),
            Storage::PerfEventArray(array) => array.buffer(cpu),
            _ => None,
        };
        ring.map_or(0, |ring| ring.lost())
    }

    /// `BPF_MAP_FREEZE`: from now on user space cannot write; programs can as before.
    ///
    /// # Errors
    ///
    /// EPERM if it is frozen already (the kernel asks for write permission before it would say EBUSY) and on a
    /// `BPF_F_RDONLY` map.
    pub fn freeze(&self) -> Result<(), MapError> {
        self.user.may_write()?;
        self.user.frozen.store(true, Ordering::Release);
        Ok(())
    }

    /// Whether user space can no longer write.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        self.user.frozen.load(Ordering::Acquire)
    }

    /// Entries there are; of an array `max_entries`, of an array of programs, maps or targets the slots that hold one.
    /// Bloom filters and ring buffers have none.
    #[must_use]
    pub fn entries(&self) -> u32 {
        self.storage.ops().entries()
    }

    /// Bytes of what [`Map::lookup`] gives.
    #[must_use]
    pub fn user_value_size(&self) -> usize {
        let size = self.spec.value_size as usize;
        if self.is_per_cpu() { size.next_multiple_of(8) * self.cpus as usize } else { size }
    }

    /// A reference of user space, as a file descriptor or a pin is one.
    #[must_use]
    pub fn user_handle(self: &Arc<Map>) -> UserHandle {
        self.handles.fetch_add(1, Ordering::Relaxed);
        UserHandle(Arc::clone(self))
    }

    fn check_key(&self, key: &[u8]) -> Result<(), MapError> {
        if key.len() == self.spec.key_size as usize {
            return Ok(());
        }
        Err(self.error(Errno::EINVAL, &format!("the key is {} bytes, not {}", key.len(), self.spec.key_size)))
    }

    fn check_value(&self, value: &[u8]) -> Result<(), MapError> {
        let size = self.user_value_size();
        if value.len() == size {
            return Ok(());
        }
        Err(self.error(Errno::EINVAL, &format!("the value is {} bytes, not {size}", value.len())))
    }

    fn has_lock(&self) -> bool {
        self.spec.fields().iter().any(|field| field.kind == SpecialKind::SpinLock)
    }

    fn lookup_into(&self, key: &[u8], value: &mut [u8], flags: u64) -> Result<(), MapError> {
        self.user.may_read()?;
        self.check_key(key)?;
        self.storage.ops().lookup(key, value, flags).map_err(|errno| {
            let reason =
                if errno == Errno::ENOENT { "no such entry" } else { "there is no lookup in this kind" };
            self.error(errno, reason)
        })
    }

    fn error(&self, errno: Errno, reason: &str) -> MapError {
        MapError::new(errno, format!("map {}: {reason}", self.spec.name))
    }

    fn why_not_updated(&self, errno: Errno) -> &'static str {
        let is_array = matches!(self.storage, Storage::Array(_) | Storage::PercpuArray(_));
        match errno {
            Errno::E2BIG if is_array => "the index is past the end",
            Errno::E2BIG | Errno::ENOSPC => "the map is full, or the index past its end",
            Errno::EEXIST => "the entry exists and BPF_NOEXIST was asked for",
            Errno::ENOENT => "there is no such entry and BPF_EXIST was asked for",
            Errno::EBADF => "it takes file descriptors, not bytes",
            Errno::ENOTSUPP => "there is no update in this kind",
            _ => "these flags, or this value, are not for this type",
        }
    }
}

/// A reference of user space to a map. When the last one goes, a prog array's slots are cleared and timers cancelled
/// (`map_release_uref`): programs that reach each other through the map would otherwise keep each other alive for ever.
#[derive(Debug)]
pub struct UserHandle(Arc<Map>);

impl Clone for UserHandle {
    fn clone(&self) -> UserHandle {
        self.0.user_handle()
    }
}

impl Deref for UserHandle {
    type Target = Arc<Map>;

    fn deref(&self) -> &Arc<Map> {
        &self.0
    }
}

impl Drop for UserHandle {
    fn drop(&mut self) {
        if self.0.handles.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.release_timers();
            if let Some(array) = self.0.prog_array() {
                array.clear();
            }
        }
    }
}
