//! `BPF_MAP_TYPE_PROG_ARRAY`: the table a tail call goes through.
//!
//! ```text
//!   slot i   words[i]     0 or the program's tail entry: what jitted code loads and jumps to
//!            programs[i]  NULL or the program: what the interpreter and the control plane see
//! ```
//!
//! Each engine reads one of the two, with one load: it sees the old program, the new one or none, never a mixture. A
//! program that leaves a slot is retired through an epoch: it is freed when every batch that was running has ended,
//! because a worker may still be in its code.
#![allow(unsafe_code, reason = "a shared pointer that outlives its slot by an epoch")]

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bpfreplay_uapi::map::update_flags;
use bpfreplay_uapi::{Errno, ProgType};
use crossbeam_epoch::{self as epoch, Atomic, Guard, Owned};

use super::ops::{Ops, index, next_index};
use super::{MapError, UserSide};
use crate::exec::Batch;
use crate::executable::{Executable, ProgramId, ProgramInfo};
use crate::gate;

/// A prog array.
pub struct ProgArray {
    words: Box<[AtomicUsize]>,
    programs: Box<[Atomic<Arc<dyn Executable>>]>,
    /// What the first program fixed; writers of slots hold the lock.
    owner: Mutex<Option<Owner>>,
    user: Arc<UserSide>,
}

/// What all programs of a prog array have in common (`bpf_prog_map_compatible`). Fixed by the first program that
/// refers to the array or is put into it, for good.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Owner {
    /// The type.
    pub prog_type: ProgType,
    /// Machine code or interpreted.
    pub jited: bool,
    /// The expected attach type.
    pub expected_attach_type: u32,
    /// Whether they cope with fragments (XDP).
    pub xdp_has_frags: bool,
}

impl ProgArray {
    pub(super) fn new(max_entries: u32, user: Arc<UserSide>) -> ProgArray {
        ProgArray {
            words: (0..max_entries).map(|_| AtomicUsize::new(0)).collect(),
            programs: (0..max_entries).map(|_| Atomic::null()).collect(),
            owner: Mutex::new(None),
            user,
        }
    }

    /// Slots.
    #[must_use]
    pub fn max_entries(&self) -> u32 {
        self.words.len() as u32
    }

    /// The address of slot 0's word; the words are `usize`s side by side, and never move.
    #[must_use]
    pub fn words_addr(&self) -> u64 {
        self.words.as_ptr().expose_provenance() as u64
    }

    /// A slot's word: 0 or the tail entry of the program in it. 0 past the end.
    #[inline]
    #[must_use]
    pub fn word(&self, index: u32) -> usize {
        self.words.get(index as usize).map_or(0, |word| word.load(Ordering::Acquire))
    }

    /// The program in a slot, as a run of this batch sees it. It lives until the batch ends, whatever happens to the
    /// slot.
    #[inline]
    #[must_use]
    pub fn program<'b>(&self, index: u32, batch: &'b Batch<'_>) -> Option<&'b Arc<dyn Executable>> {
        let shared = self.programs.get(index as usize)?.load(Ordering::Acquire, batch.guard());
        // SAFETY: a pointer found in a slot is to an initialised `Arc` that is destroyed only after every guard that
        // was pinned when it left the slot; the batch's guard is pinned, and lives for 'b.
        unsafe { shared.as_ref() }
    }

    /// `BPF_MAP_LOOKUP_ELEM`: the id of the program in a slot.
    ///
    /// # Errors
    ///
    /// ENOENT for an empty slot and past the end, EPERM on a `BPF_F_WRONLY` map.
    pub fn lookup(&self, index: u32) -> Result<ProgramId, MapError> {
        self.user.may_read()?;
        self.get(index)
            .map(|program| program.info().id)
            .ok_or_else(|| MapError::new(Errno::ENOENT, format!("slot {index} holds no program")))
    }

    /// The program in a slot, kept alive by the caller.
    #[must_use]
    pub fn get(&self, index: u32) -> Option<Arc<dyn Executable>> {
        let guard = epoch::pin();
        let shared = self.programs.get(index as usize)?.load(Ordering::Acquire, &guard);
        // SAFETY: as in `program`, with the guard of this function.
        unsafe { shared.as_ref() }.cloned()
    }

    /// `BPF_MAP_UPDATE_ELEM`: puts a program into a slot, in one store. Workers may be running.
    ///
    /// # Errors
    ///
    /// EINVAL for flags other than `BPF_ANY` and for a program that does not fit the array's owner, E2BIG past the
    /// end, EPERM on a `BPF_F_RDONLY` or frozen map.
    pub fn update(&self, index: u32, program: Arc<dyn Executable>, flags: u64) -> Result<(), MapError> {
        self.user.may_write()?;
        if flags != update_flags::ANY {
            return Err(MapError::new(
                Errno::EINVAL,
                format!("flags {flags:#x}, a prog array takes only BPF_ANY"),
            ));
        }
        self.check_index(index)?;
        let mut owner = self.lock();
        bind(&mut owner, program.info())?;
        self.put(index, Some(program), &epoch::pin());
        Ok(())
    }

    /// `BPF_MAP_DELETE_ELEM`: empties a slot.
    ///
    /// # Errors
    ///
    /// E2BIG past the end, ENOENT for an empty slot, EPERM on a `BPF_F_RDONLY` or frozen map.
    pub fn delete(&self, index: u32) -> Result<(), MapError> {
        self.user.may_write()?;
        self.check_index(index)?;
        let _owner = self.lock();
        if self.put(index, None, &epoch::pin()) {
            Ok(())
        } else {
            Err(MapError::new(Errno::ENOENT, format!("slot {index} holds no program")))
        }
    }

    /// Changes several slots between two packets: every run sees all of the changes or none. The kernel has no such
    /// operation.
    ///
    /// Waits for the batches that are running to end.
    ///
    /// # Errors
    ///
    /// As [`ProgArray::update`], and then no slot is changed; EBUSY when called inside a batch.
    pub fn swap(&self, changes: Vec<(u32, Option<Arc<dyn Executable>>)>) -> Result<(), MapError> {
        self.user.may_write()?;
        // The gate before the lock: who waits for the lock may be inside a batch.
        gate::between_packets(|| {
            let mut owner = self.lock();
            let mut bound = *owner;
            for (index, program) in &changes {
                self.check_index(*index)?;
                if let Some(program) = program {
                    bind(&mut bound, program.info())?;
                }
            }
            *owner = bound;
            let guard = epoch::pin();
            for (index, program) in changes {
                self.put(index, program, &guard);
            }
            Ok(())
        })
        .unwrap_or_else(|| {
            Err(MapError::new(Errno::EBUSY, "slots cannot be swapped together from inside a batch"))
        })
    }

    /// Binds the array to a program that refers to it, or checks that it fits: part of loading the program, not of
    /// calling through the array (`bpf_check_tail_call`).
    ///
    /// # Errors
    ///
    /// EINVAL with the property that differs.
    pub fn bind(&self, program: &ProgramInfo) -> Result<(), MapError> {
        bind(&mut self.lock(), program)
    }

    /// What the array is bound to.
    #[must_use]
    pub fn owner(&self) -> Option<Owner> {
        *self.lock()
    }

    /// Slots that hold a program.
    #[must_use]
    pub fn populated(&self) -> u32 {
        self.words.iter().filter(|word| word.load(Ordering::Relaxed) != 0).count() as u32
    }

    /// Empties all slots.
    pub(super) fn clear(&self) {
        let _owner = self.lock();
        let guard = epoch::pin();
        for index in 0..self.max_entries() {
            self.put(index, None, &guard);
        }
        guard.flush();
    }

    /// Puts a program or nothing into a slot that exists, and retires what was there. Under the lock. Returns whether
    /// there was something.
    fn put(&self, index: u32, program: Option<Arc<dyn Executable>>, guard: &Guard) -> bool {
        let index = index as usize;
        let word = program.as_ref().map_or(0, |program| program.tail_entry());
        let new = program.map_or_else(epoch::Shared::null, |program| Owned::new(program).into_shared(guard));
        let old = self.programs[index].swap(new, Ordering::AcqRel, guard);
        self.words[index].store(word, Ordering::Release);
        if old.is_null() {
            return false;
        }
        // SAFETY: `old` came out of its only slot just now, and both of the slot's words no longer lead to it; whoever
        // read it before is pinned, and it is destroyed after that.
        unsafe { guard.defer_destroy(old) };
        true
    }

    fn check_index(&self, index: u32) -> Result<(), MapError> {
        if index < self.max_entries() {
            return Ok(());
        }
        Err(MapError::new(
            Errno::E2BIG,
            format!("slot {index} of a prog array with {} slots", self.max_entries()),
        ))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Owner>> {
        self.owner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bind(owner: &mut Option<Owner>, program: &ProgramInfo) -> Result<(), MapError> {
    let theirs = Owner {
        prog_type: program.prog_type,
        jited: program.jited,
        expected_attach_type: program.expected_attach_type,
        xdp_has_frags: program.xdp_has_frags,
    };
    let ours = *owner.get_or_insert(theirs);
    if ours == theirs {
        return Ok(());
    }
    let how = |jited| if jited { "jited" } else { "interpreted" };
    let why = if ours.prog_type != theirs.prog_type {
        format!("its type is {}, the array's programs are {}", theirs.prog_type.name(), ours.prog_type.name())
    } else if ours.jited != theirs.jited {
        format!("it is {}, the array's programs are {}", how(theirs.jited), how(ours.jited))
    } else if ours.xdp_has_frags != theirs.xdp_has_frags {
        let how = |frags| if frags { "for frames with fragments" } else { "for linear frames" };
        format!("it is {}, the array's programs are {}", how(theirs.xdp_has_frags), how(ours.xdp_has_frags))
    } else {
        format!(
            "its expected_attach_type is {}, the array's programs have {}",
            theirs.expected_attach_type, ours.expected_attach_type
        )
    };
    Err(MapError::new(Errno::EINVAL, format!("program {} does not fit the prog array: {why}", program.name)))
}

impl Ops for ProgArray {
    fn lookup(&self, key: &[u8], value: &mut [u8], _: u64) -> Result<(), Errno> {
        let index = index(key).ok_or(Errno::EINVAL)?;
        let id = ProgArray::lookup(self, index).map_err(|error| error.errno)?;
        value.copy_from_slice(&id.to_le_bytes());
        Ok(())
    }

    /// It takes programs, not bytes: [`ProgArray::update`]. The descriptor is looked at last
    /// (`bpf_fd_array_map_update_elem`).
    fn update(&self, key: &[u8], _: &[u8], flags: u64) -> Result<(), Errno> {
        if flags != update_flags::ANY {
            return Err(Errno::EINVAL);
        }
        let index = index(key).ok_or(Errno::EINVAL)?;
        Err(if index >= self.max_entries() { Errno::E2BIG } else { Errno::EBADF })
    }

    fn delete(&self, key: &[u8]) -> Result<(), Errno> {
        let index = index(key).ok_or(Errno::EINVAL)?;
        ProgArray::delete(self, index).map_err(|error| error.errno)
    }

    fn next_key(&self, key: Option<&[u8]>) -> Result<Vec<u8>, Errno> {
        next_index(key, self.max_entries())
    }

    fn entries(&self) -> u32 {
        self.populated()
    }

    /// The verifier lets no program call these.
    fn program_update(&self, _: &[u8], _: u32, _: &[u8], _: u64) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }
}

impl Drop for ProgArray {
    fn drop(&mut self) {
        // Who could be in one of the programs reaches it by another reference to the array, so nobody is; but the code
        // that drops the last one may itself run inside a batch.
        self.clear();
    }
}

impl fmt::Debug for ProgArray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProgArray")
            .field("max_entries", &self.max_entries())
            .field("populated", &self.populated())
            .field("owner", &self.owner())
            .finish()
    }
}
