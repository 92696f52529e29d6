//! Timers in map values (`struct bpf_timer`): what each is, by the element it is in.
//!
//! ```text
//!   value    │ … │ map │ - │ …        the field's first word: the address of the map once it is initialised
//!   record   │ state │ function │ program │ armed │
//! ```
//!
//! What leaves the map, and what an array's update replaces, has its timer cancelled and freed (linux:
//! bpf_timer_cancel_and_free()). Armed timers wait in the queue of the worker that started them
//! ([`TimerQueue`](crate::timers::TimerQueue)); an entry of a queue counts while its number is the record's.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bpfreplay_program::{MapSpec, SpecialKind};
use bpfreplay_uapi::Errno;
use crossbeam_utils::CachePadded;

use super::{Element, Map, Storage};
use crate::executable::{Executable, ProgramId};
use crate::memory::Words;

/// Programs whose functions the timers of one map may call. Ours: they are kept alive without allocating.
const PROGRAMS_MAX: usize = 64;
/// Locks at the most; each guards every `LOCKS`th record.
const LOCKS: usize = 64;

/// Words of a record.
const RECORD: usize = 4;
const STATE: usize = 0;
const FUNCTION: usize = 1;
const PROGRAM: usize = 2;
const ARMED: usize = 3;

const INITIALISED: u64 = 1;

/// The timers of a map. All of it is there from the start; records that are never used are never touched.
#[derive(Debug)]
pub(crate) struct Timers {
    /// Which word of a value is a timer's first.
    word: usize,
    records: Words,
    locks: Box<[CachePadded<Mutex<()>>]>,
    programs: Mutex<Vec<Arc<dyn Executable>>>,
    /// Whether any was ever initialised.
    used: AtomicBool,
}

/// What a timer that is due calls.
#[derive(Debug)]
pub(crate) struct Callback {
    pub(crate) program: Arc<dyn Executable>,
    /// As the program's code names it.
    pub(crate) function: u64,
}

impl Timers {
    /// Whether values have a timer that this engine keeps: in one piece, and where a word begins.
    pub(super) fn are_in(spec: &MapSpec) -> bool {
        Timers::offset(spec).is_some()
    }

    fn offset(spec: &MapSpec) -> Option<u32> {
        let field = spec.fields().iter().find(|field| field.kind == SpecialKind::Timer)?;
        let fits = field.off.is_multiple_of(8) && field.off + field.kind.size() <= spec.value_size;
        fits.then_some(field.off)
    }

    /// Of a map with so many elements; nothing where there is not so much memory.
    pub(super) fn new(spec: &MapSpec, elements: usize) -> Option<Timers> {
        Some(Timers {
            word: Timers::offset(spec)? as usize / 8,
            records: Words::zeroed(elements.checked_mul(RECORD)?)?,
            locks: (0..LOCKS.min(elements)).map(|_| CachePadded::default()).collect(),
            programs: Mutex::new(Vec::with_capacity(PROGRAMS_MAX)),
            used: AtomicBool::new(false),
        })
    }

    /// The element goes, or gets another value.
    pub(super) fn free(&self, element: u32, value: &[AtomicU64]) {
        let record = self.record(element);
        if record[STATE].load(Ordering::Relaxed) != INITIALISED {
            return;
        }
        let _lock = self.lock(element);
        record.iter().for_each(|word| word.store(0, Ordering::Relaxed));
        value[self.word].store(0, Ordering::Release);
    }

    fn record(&self, element: u32) -> &[AtomicU64] {
        &self.records[element as usize * RECORD..][..RECORD]
    }

    fn lock(&self, element: u32) -> MutexGuard<'_, ()> {
        self.locks[element as usize % self.locks.len()].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn initialised(&self, element: u32) -> Result<(MutexGuard<'_, ()>, &[AtomicU64]), Errno> {
        let lock = self.lock(element);
        let record = self.record(element);
        if record[STATE].load(Ordering::Relaxed) == INITIALISED {
            Ok((lock, record))
        } else {
            Err(Errno::EINVAL)
        }
    }

    /// Keeps a program alive until the map is released.
    fn hold(&self, program: &Arc<dyn Executable>) -> Result<(), Errno> {
        let mut programs = self.programs.lock().unwrap_or_else(PoisonError::into_inner);
        if programs.iter().any(|held| Arc::ptr_eq(held, program)) {
            return Ok(());
        }
        if programs.len() == PROGRAMS_MAX {
            return Err(Errno::ENOMEM);
        }
        programs.push(Arc::clone(program));
        Ok(())
    }

    fn held(&self, id: ProgramId) -> Option<Arc<dyn Executable>> {
        let programs = self.programs.lock().unwrap_or_else(PoisonError::into_inner);
        programs.iter().find(|program| program.info().id == id).cloned()
    }
}

impl Map {
    /// Its timers, if its values have one.
    fn timers(&self) -> Option<&Timers> {
        match &self.storage {
            Storage::Array(array) => array.timers(),
            Storage::Hash(hash) | Storage::LruHash(hash) => hash.timers(),
            _ => None,
        }
    }

    /// The element whose timer is at this address.
    pub(crate) fn timer_at(&self, addr: u64) -> Option<u32> {
        let timers = self.timers()?;
        let element = self.storage.ops().element_at(addr)?;
        let value = self.element(element, &mut 0)?.value;
        (addr == value + timers.word as u64 * 8).then_some(element)
    }

    /// An element by its number. An array's key lies in `key`.
    pub(crate) fn element(&self, element: u32, key: &mut u64) -> Option<Element> {
        match &self.storage {
            Storage::Array(array) => {
                *key = u64::from(element);
                let key = std::ptr::from_ref(key).expose_provenance() as u64;
                Some(Element { key, value: array.at(element)? })
            }
            Storage::Hash(hash) | Storage::LruHash(hash) => Some(hash.element(element)),
            _ => None,
        }
    }

    /// `bpf_timer_init`. EPERM once user space has let go of the map: nobody would ever free it.
    pub(crate) fn timer_init(&self, element: u32) -> Result<(), Errno> {
        let timers = self.timers().ok_or(Errno::EINVAL)?;
        let value = self.storage.ops().element_words(element).ok_or(Errno::EINVAL)?;
        let _lock = timers.lock(element);
        let record = timers.record(element);
        if record[STATE].load(Ordering::Relaxed) == INITIALISED {
            return Err(Errno::EBUSY);
        }
        if self.handles.load(Ordering::Acquire) == 0 {
            return Err(Errno::EPERM);
        }
        timers.used.store(true, Ordering::Relaxed);
        record[STATE].store(INITIALISED, Ordering::Relaxed);
        value[timers.word].store(self.address(), Ordering::Release);
        Ok(())
    }

    /// `bpf_timer_set_callback`.
    pub(crate) fn timer_set_callback(&self, element: u32, callback: &Callback) -> Result<(), Errno> {
        let timers = self.timers().ok_or(Errno::EINVAL)?;
        let (_lock, record) = timers.initialised(element)?;
        if self.handles.load(Ordering::Acquire) == 0 {
            return Err(Errno::EPERM);
        }
        timers.hold(&callback.program)?;
        record[FUNCTION].store(callback.function, Ordering::Relaxed);
        record[PROGRAM].store(callback.program.info().id.into(), Ordering::Relaxed);
        Ok(())
    }

    /// `bpf_timer_start`: from now on it is armed by this number.
    pub(crate) fn timer_arm(&self, element: u32, number: u64) -> Result<(), Errno> {
        let timers = self.timers().ok_or(Errno::EINVAL)?;
        let (_lock, record) = timers.initialised(element)?;
        if record[PROGRAM].load(Ordering::Relaxed) == 0 {
            return Err(Errno::EINVAL);
        }
        record[ARMED].store(number, Ordering::Relaxed);
        Ok(())
    }

    /// `bpf_timer_cancel`: whether it was armed. Its callback is forgotten. `may` is asked first.
    pub(crate) fn timer_cancel(
        &self,
        element: u32,
        may: impl FnOnce() -> Result<(), Errno>,
    ) -> Result<bool, Errno> {
        let timers = self.timers().ok_or(Errno::EINVAL)?;
        let (_lock, record) = timers.initialised(element)?;
        may()?;
        let was_armed = record[ARMED].load(Ordering::Relaxed) != 0;
        record[FUNCTION..].iter().for_each(|word| word.store(0, Ordering::Relaxed));
        Ok(was_armed)
    }

    /// Whether the timer is armed by this number.
    pub(crate) fn timer_is_armed(&self, element: u32, number: u64) -> bool {
        self.timers().is_some_and(|timers| timers.record(element)[ARMED].load(Ordering::Relaxed) == number)
    }

    /// The time has come: what to call, if the timer is still armed by this number.
    pub(crate) fn timer_expire(&self, element: u32, number: u64) -> Option<Callback> {
        let timers = self.timers()?;
        let (_lock, record) = timers.initialised(element).ok()?;
        if record[ARMED].load(Ordering::Relaxed) != number {
            return None;
        }
        record[ARMED].store(0, Ordering::Relaxed);
        let program = timers.held(record[PROGRAM].load(Ordering::Relaxed) as ProgramId)?;
        Some(Callback { program, function: record[FUNCTION].load(Ordering::Relaxed) })
    }

    /// User space has no reference left: no timer of the map runs any more, and programs they kept alive are let go
    /// (linux: `map_release_uref`).
    pub(super) fn release_timers(&self) {
        let Some(timers) = self.timers().filter(|timers| timers.used.load(Ordering::Relaxed)) else { return };
        for element in 0..(timers.records.len() / RECORD) as u32 {
            if let Some(value) = self.storage.ops().element_words(element) {
                timers.free(element, value);
            }
        }
        let programs = std::mem::take(&mut *timers.programs.lock().unwrap_or_else(PoisonError::into_inner));
        drop(programs);
    }
}
