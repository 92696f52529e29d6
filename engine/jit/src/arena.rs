//! Executable memory: one arena for all images, never writable and executable through the same address.
//!
//! ```text
//!            memfd  [ image │cc│ image │cccc free cccc│ image │cc ...grows
//!                     ▲ write                 ▲ run
//!   rw view ──────────┘                       └────────── rx view       two mappings of the same pages
//! ```
//!
//! Images are aligned to cache lines and packed: a page for each would cost a long chain of tail calls its TLB
//! entries. What holds no image is `int3`. An image's range is free again when its [`Image`] is dropped.
//!
//! This file and `entry.rs` hold all the unsafe code that deals with machine code.

use std::collections::BTreeMap;
use std::ffi::c_int;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};
use std::ptr::{self, NonNull};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::JitError;
use crate::x64::{Code, NearRange};

/// Bytes of address space an arena takes, and so of machine code it can hold: the kernel's limit for unprivileged
/// programs is of this order (`bpf_jit_limit`, a quarter of the module area).
pub const ARENA_BYTES: usize = 64 << 20;
/// Bytes by which the memory behind the arena grows.
const GROWTH: usize = 64 << 10;
/// Images begin on a cache line.
const ALIGN: usize = 64;
/// What lies between images.
const INT3: u8 = 0xcc;

/// Where images live.
#[derive(Debug)]
pub(crate) struct Arena {
    file: File,
    rw: View,
    rx: View,
    free: Mutex<FreeList>,
}

/// The machine code of one program, in the arena until this is dropped.
#[derive(Debug)]
pub(crate) struct Image {
    arena: Arc<Arena>,
    offset: usize,
    len: usize,
}

impl Arena {
    /// An empty arena, as near to this library's code as the address space allows: helpers are then called by rel32.
    pub(crate) fn new() -> Result<Arc<Arena>, JitError> {
        let file = create_memfd()?;
        let rw = View::new(&file, libc::PROT_READ | libc::PROT_WRITE, 0)?;
        seal(&file)?;
        let rx = map_near(&file, Arena::new as *const () as usize)?;
        register_sync_core();
        Ok(Arc::new(Arena { file, rw, rx, free: Mutex::new(FreeList::default()) }))
    }

    /// The absolute addresses a rel32 reaches from everywhere in the arena.
    pub(crate) fn near(&self) -> NearRange {
        let first = self.rx.address();
        let reach = i32::MAX as usize;
        NearRange { first: (first + ARENA_BYTES).saturating_sub(reach), last: first.saturating_add(reach) }
    }

    /// Puts code into the arena.
    pub(crate) fn publish(self: &Arc<Arena>, code: Code) -> Result<Image, JitError> {
        let len = code.len();
        let mut free = self.free();
        let offset = match free.take(round_up(len)) {
            Some(offset) => offset,
            None => {
                self.grow(&mut free, round_up(len))?;
                free.take(round_up(len)).ok_or(JitError::ArenaFull { needed: len, limit: ARENA_BYTES })?
            }
        };
        self.write(offset, &code.located_at(self.rx.address() + offset));
        drop(free);
        // The range may have held other code that another core has decoded.
        sync_core();
        Ok(Image { arena: Arc::clone(self), offset, len })
    }

    /// Backs more of the arena with memory.
    fn grow(&self, free: &mut FreeList, len: usize) -> Result<(), JitError> {
        let bytes = len.next_multiple_of(GROWTH);
        let end = free.backed + bytes;
        if end > ARENA_BYTES {
            return Err(JitError::ArenaFull { needed: len, limit: ARENA_BYTES });
        }
        self.file
            .set_len(end as u64)
            .map_err(|source| JitError::Memory { what: "growing the arena", source })?;
        self.fill(free.backed, bytes);
        free.give(free.backed, bytes);
        free.backed = end;
        Ok(())
    }

    #[allow(unsafe_code, reason = "writes machine code through the writable view")]
    fn write(&self, offset: usize, bytes: &[u8]) {
        // SAFETY: [offset, offset + len) was taken from the free list, which hands out only backed ranges of the
        // view and each to one owner; its old image was dropped, so nothing runs or reads there.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.rw.at(offset), bytes.len()) }
    }

    #[allow(unsafe_code, reason = "overwrites machine code through the writable view")]
    fn fill(&self, offset: usize, len: usize) {
        // SAFETY: the range is backed, and the caller owns it: it was just added, or its image is being dropped.
        unsafe { ptr::write_bytes(self.rw.at(offset), INT3, len) }
    }

    fn free(&self) -> MutexGuard<'_, FreeList> {
        // Nothing under the lock can leave the list half-changed.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Image {
    /// The address of its first instruction.
    pub(crate) fn address(&self) -> usize {
        self.arena.rx.address() + self.offset
    }

    /// The machine code.
    #[allow(unsafe_code, reason = "reads machine code through the writable view")]
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: the range is backed and owned by this image, and nothing writes to it while the image lives.
        unsafe { std::slice::from_raw_parts(self.arena.rw.at(self.offset), self.len) }
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let len = round_up(self.len);
        let mut free = self.arena.free();
        self.arena.fill(self.offset, len);
        free.give(self.offset, len);
    }
}

/// The ranges of an arena that hold no image. Neighbours are always merged.
#[derive(Debug, Default)]
struct FreeList {
    /// Length by offset.
    ranges: BTreeMap<usize, usize>,
    /// Bytes of the arena with memory behind them.
    backed: usize,
}

impl FreeList {
    /// Takes `len` bytes from the first range that has them.
    fn take(&mut self, len: usize) -> Option<usize> {
        let (&offset, &available) = self.ranges.iter().find(|&(_, &available)| available >= len)?;
        self.ranges.remove(&offset);
        if available > len {
            self.ranges.insert(offset + len, available - len);
        }
        Some(offset)
    }

    /// Gives a range back.
    fn give(&mut self, mut offset: usize, mut len: usize) {
        if let Some((&before, &before_len)) = self.ranges.range(..offset).next_back()
            && before + before_len == offset
        {
            self.ranges.remove(&before);
            offset = before;
            len += before_len;
        }
        if let Some(after_len) = self.ranges.remove(&(offset + len)) {
            len += after_len;
        }
        self.ranges.insert(offset, len);
    }
}

fn round_up(len: usize) -> usize {
    len.next_multiple_of(ALIGN)
}

/// One mapping of the whole arena.
#[derive(Debug)]
struct View {
    base: NonNull<u8>,
}

#[allow(
    unsafe_code,
    reason = "the mapping is only addresses; who may access what is the free list's business"
)]
// SAFETY: a view gives out addresses; Arena and Image decide which thread may use which range.
unsafe impl Send for View {}
#[allow(unsafe_code, reason = "as above")]
// SAFETY: as above.
unsafe impl Sync for View {}

impl View {
    /// Maps the arena's file, at `hint` if that is free.
    #[allow(unsafe_code, reason = "mmap")]
    fn new(file: &File, protection: c_int, hint: usize) -> Result<View, JitError> {
        // SAFETY: without MAP_FIXED the kernel picks a free range; nothing of ours is replaced.
        let base = unsafe {
            libc::mmap(
                ptr::without_provenance_mut(hint),
                ARENA_BYTES,
                protection,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(JitError::last_os_error("mapping the arena"));
        }
        NonNull::new(base.cast())
            .map(|base| View { base })
            .ok_or(JitError::last_os_error("mapping the arena"))
    }

    fn address(&self) -> usize {
        self.base.as_ptr() as usize
    }

    fn at(&self, offset: usize) -> *mut u8 {
        self.base.as_ptr().wrapping_add(offset)
    }
}

impl Drop for View {
    #[allow(unsafe_code, reason = "munmap")]
    fn drop(&mut self) {
        // SAFETY: the range is the one mmap gave, and nothing uses it any more: images keep their arena alive.
        // The result tells nothing new: the arguments are the mapping's own.
        unsafe { libc::munmap(self.base.as_ptr().cast(), ARENA_BYTES) };
    }
}

/// Maps the executable view below the code at `address`, where nothing else grows, or anywhere if that is taken.
fn map_near(file: &File, address: usize) -> Result<View, JitError> {
    /// Distance between places to try; all of them are within a rel32.
    const STEP: usize = 256 << 20;
    let mut view = None;
    for step in 1..=6 {
        let hint = (address & !(STEP - 1)).saturating_sub(step * STEP);
        let found = View::new(file, libc::PROT_READ | libc::PROT_EXEC, hint)?;
        let at_hint = found.address() == hint;
        view = Some(found);
        if at_hint {
            break;
        }
    }
    view.map_or_else(|| View::new(file, libc::PROT_READ | libc::PROT_EXEC, 0), Ok)
}

#[allow(unsafe_code, reason = "memfd_create")]
fn create_memfd() -> Result<File, JitError> {
    // SAFETY: the name is a C string.
    let fd =
        unsafe { libc::memfd_create(c"bpfreplay-jit".as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING) };
    if fd < 0 {
        return Err(JitError::last_os_error("creating the arena's memory (memfd_create)"));
    }
    // SAFETY: the descriptor is new and ours alone.
    Ok(unsafe { File::from_raw_fd(fd) })
}

/// From here on nobody can map the arena writable a second time, nor shrink it under running code. A kernel without
/// the seal (before 5.1) is no worse off than one that never heard of it.
#[allow(unsafe_code, reason = "fcntl")]
fn seal(file: &File) -> Result<(), JitError> {
    // SAFETY: the descriptor is open; F_ADD_SEALS takes an integer.
    let result = unsafe {
        libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, libc::F_SEAL_FUTURE_WRITE | libc::F_SEAL_SHRINK)
    };
    match result {
        0 => Ok(()),
        _ if io::Error::last_os_error().raw_os_error() == Some(libc::EINVAL) => Ok(()),
        _ => Err(JitError::last_os_error("sealing the arena")),
    }
}

/// Announces [`sync_core`] to the kernel.
fn register_sync_core() {
    membarrier(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE);
}

/// Makes every thread of this process execute a serialising instruction before it goes on in user mode, so that none
/// runs what it decoded of an image that is gone. Where the kernel has no such command (before 4.16), x86-64's
/// coherent instruction caches must do.
fn sync_core() {
    membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE);
}

#[allow(unsafe_code, reason = "membarrier")]
fn membarrier(command: c_int) {
    // SAFETY: membarrier takes two integers and touches no memory of ours.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_ranges_merge_with_their_neighbours() {
        let mut free = FreeList::default();
        free.give(0, 1024);
        let (a, b, c) = (free.take(64).unwrap(), free.take(128).unwrap(), free.take(64).unwrap());
        assert_eq!((a, b, c), (0, 64, 192));
        free.give(a, 64);
        free.give(c, 64);
        assert_eq!(free.take(128), Some(192), "the middle is still taken");
        free.give(192, 128);
        free.give(b, 128);
        assert_eq!(free.ranges, BTreeMap::from([(0, 1024)]));
    }

    #[test]
    fn a_range_is_taken_whole_or_not_at_all() {
        let mut free = FreeList::default();
        free.give(0, 64);
        assert_eq!(free.take(128), None);
        assert_eq!(free.take(64), Some(0));
        assert_eq!(free.take(64), None);
    }
}
