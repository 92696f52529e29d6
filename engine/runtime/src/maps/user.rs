//! What user space does with a map: the operations of bpf(2), with their errors.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bpfreplay_uapi::Errno;
use bpfreplay_uapi::map::update_flags;

use super::program::index;
use super::{Map, MapError, Storage};

impl Map {
    /// `BPF_MAP_LOOKUP_ELEM`: a copy of the value; of a per-CPU map all CPUs' values in order, each rounded up to
    /// 8 bytes; of a prog array the id of the program, 4 bytes.
    ///
    /// # Errors
    ///
    /// ENOENT for a key that is not in the map, EPERM on a `BPF_F_WRONLY` map, EINVAL for a key of another size.
    pub fn lookup(&self, key: &[u8]) -> Result<Vec<u8>, MapError> {
        self.user.may_read()?;
        self.check_key(key)?;
        let mut value = vec![0; self.user_value_size()];
        let found = match &self.storage {
            Storage::Array(array) => index(key).is_some_and(|index| array.read(index, &mut value)),
            Storage::PercpuArray(array) => index(key).is_some_and(|index| array.read_all(index, &mut value)),
            Storage::Hash(hash) => hash.read(key, &mut value),
            Storage::PercpuHash(hash) => hash.read_all(key, &mut value),
            Storage::ProgArray(array) => {
                return array.lookup(self.index(key)?).map(|id| id.to_le_bytes().to_vec());
            }
        };
        if found { Ok(value) } else { Err(self.error(Errno::ENOENT, "no such entry")) }
    }

    /// `BPF_MAP_UPDATE_ELEM`. The value is as [`Map::lookup`] gives it, except for a prog array: that takes programs,
    /// see [`ProgArray::update`](super::ProgArray::update).
    ///
    /// # Errors
    ///
    /// E2BIG for an index past the end and for a new key in a full map, EEXIST, ENOENT and EINVAL by `flags`, EINVAL
    /// for a key or value of another size, EPERM on a `BPF_F_RDONLY` or frozen map, EBADF on a prog array where slot and
    /// flags are right.
    pub fn update(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), MapError> {
        self.user.may_write()?;
        self.check_key(key)?;
        if value.len() != self.user_value_size() {
            let (len, size) = (value.len(), self.user_value_size());
            return Err(self.error(Errno::EINVAL, &format!("the value is {len} bytes, not {size}")));
        }
        if flags & update_flags::F_LOCK != 0 {
            return Err(self.error(Errno::EINVAL, "BPF_F_LOCK without a bpf_spin_lock in the value"));
        }
        match &self.storage {
            Storage::Array(array) => array.update(self.index(key)?, value, flags),
            Storage::PercpuArray(array) => array.update_all(self.index(key)?, value, flags),
            Storage::Hash(hash) => hash.update(key, value, flags),
            Storage::PercpuHash(hash) => hash.update_all(key, value, flags),
            // linux: bpf_fd_array_map_update_elem() looks at the descriptor last.
            Storage::ProgArray(_) if flags != update_flags::ANY => Err(Errno::EINVAL),
            Storage::ProgArray(array) if self.index(key)? >= array.max_entries() => Err(Errno::E2BIG),
            Storage::ProgArray(_) => Err(Errno::EBADF),
        }
        .map_err(|errno| self.error(errno, self.why_not_updated(errno)))
    }

    /// `BPF_MAP_DELETE_ELEM`.
    ///
    /// # Errors
    ///
    /// ENOENT, EINVAL on arrays, EPERM on a `BPF_F_RDONLY` or frozen map; on a prog array E2BIG past the end.
    pub fn delete(&self, key: &[u8]) -> Result<(), MapError> {
        self.user.may_write()?;
        self.check_key(key)?;
        match &self.storage {
            Storage::ProgArray(array) => array.delete(self.index(key)?),
            Storage::Array(_) | Storage::PercpuArray(_) => {
                Err(self.error(Errno::EINVAL, "entries of an array cannot be deleted"))
            }
            Storage::Hash(hash) => hash.delete(key).map_err(|errno| self.error(errno, "no such entry")),
            Storage::PercpuHash(hash) => hash.delete(key).map_err(|errno| self.error(errno, "no such entry")),
        }
    }

    /// `BPF_MAP_LOOKUP_AND_DELETE_ELEM`.
    ///
    /// # Errors
    ///
    /// ENOENT; ENOTSUPP on every type of array; EPERM as lookup and delete.
    pub fn lookup_and_delete(&self, key: &[u8]) -> Result<Vec<u8>, MapError> {
        self.user.may_read()?;
        self.user.may_write()?;
        self.check_key(key)?;
        let mut value = vec![0; self.user_value_size()];
        match &self.storage {
            Storage::Hash(hash) => hash.take(key, &mut value),
            Storage::PercpuHash(hash) => hash.take(key, &mut value),
            Storage::Array(_) | Storage::PercpuArray(_) | Storage::ProgArray(_) => Err(Errno::ENOTSUPP),
        }
        .map(|()| value)
        .map_err(|errno| self.error(errno, "nothing to look up and delete"))
    }

    /// `BPF_MAP_GET_NEXT_KEY`: the key after this one; the first for none or for one that is not in the map.
    ///
    /// # Errors
    ///
    /// ENOENT after the last, EPERM on a `BPF_F_WRONLY` map, EINVAL for a key of another size.
    pub fn next_key(&self, key: Option<&[u8]>) -> Result<Vec<u8>, MapError> {
        self.user.may_read()?;
        if let Some(key) = key {
            self.check_key(key)?;
        }
        match &self.storage {
            Storage::Array(_) | Storage::PercpuArray(_) | Storage::ProgArray(_) => {
                let next = match key.and_then(index) {
                    Some(index) if index < self.spec.max_entries => index + 1,
                    Some(_) | None => 0,
                };
                (next < self.spec.max_entries).then(|| next.to_le_bytes().to_vec())
            }
            Storage::Hash(hash) => hash.next_key(key),
            Storage::PercpuHash(hash) => hash.next_key(key),
        }
        .ok_or_else(|| self.error(Errno::ENOENT, "no further key"))
    }

    /// Shows every key with its value (as [`Map::lookup`] gives it), in the order of [`Map::next_key`]; of a prog
    /// array the slots that hold a program.
    ///
    /// # Errors
    ///
    /// EPERM on a `BPF_F_WRONLY` map.
    pub fn for_each(&self, mut show: impl FnMut(&[u8], &[u8])) -> Result<(), MapError> {
        self.user.may_read()?;
        match &self.storage {
            Storage::Hash(hash) => hash.for_each(show),
            Storage::PercpuHash(hash) => hash.for_each(show),
            Storage::Array(_) | Storage::PercpuArray(_) | Storage::ProgArray(_) => {
                for index in 0..self.spec.max_entries {
                    let key = index.to_le_bytes();
                    if let Ok(value) = self.lookup(&key) {
                        show(&key, &value);
                    }
                }
            }
        }
        Ok(())
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

    /// Entries of a hash map; of an array `max_entries`; of a prog array the slots that hold a program.
    #[must_use]
    pub fn entries(&self) -> u32 {
        match &self.storage {
            Storage::Array(_) | Storage::PercpuArray(_) => self.spec.max_entries,
            Storage::Hash(hash) => hash.len(),
            Storage::PercpuHash(hash) => hash.len(),
            Storage::ProgArray(array) => array.populated(),
        }
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

    fn index(&self, key: &[u8]) -> Result<u32, MapError> {
        index(key).ok_or_else(|| self.error(Errno::EINVAL, "the key is not 4 bytes"))
    }

    fn error(&self, errno: Errno, reason: &str) -> MapError {
        MapError::new(errno, format!("map {}: {reason}", self.spec.name))
    }

    fn why_not_updated(&self, errno: Errno) -> &'static str {
        match (errno, &self.storage) {
            (Errno::E2BIG, Storage::Array(_) | Storage::PercpuArray(_) | Storage::ProgArray(_)) => {
                "the index is past the end"
            }
            (Errno::E2BIG, _) => "the map is full",
            (Errno::EEXIST, _) => "the entry exists and BPF_NOEXIST was asked for",
            (Errno::ENOENT, _) => "there is no such entry and BPF_EXIST was asked for",
            (Errno::EBADF, _) => "a prog array takes programs, not bytes",
            (_, _) => "these flags are not for this type",
        }
    }
}

/// A reference of user space to a map. When the last one goes, a prog array's slots are cleared (`map_release_uref`):
/// programs that reach each other through the array would otherwise keep each other alive for ever.
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
        if self.0.handles.fetch_sub(1, Ordering::AcqRel) == 1
            && let Some(array) = self.0.prog_array()
        {
            array.clear();
        }
    }
}
