use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

pub use bpfreplay_uapi::ContextKind;
use bpfreplay_uapi::ProgType;

use crate::exec::Batch;
use crate::maps::{Element, Map};
use crate::skb::SkBuff;
use crate::xdp::XdpBuff;

/// A program's number in this process: what a lookup in a prog array gives, and what a path records.
pub type ProgramId = u32;

/// What is known of a program that can run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProgramInfo {
    /// Unique in this process, from 1.
    pub id: ProgramId,
    /// The C symbol.
    pub name: String,
    /// The type.
    pub prog_type: ProgType,
    /// The expected attach type.
    pub expected_attach_type: u32,
    /// Whether it is an XDP program that copes with fragments.
    pub xdp_has_frags: bool,
    /// Whether it runs as machine code.
    pub jited: bool,
    /// Whether any instruction or helper of it may write or resize the packet. (What it tail-calls may, too.)
    pub writes_packet: bool,
}

impl ProgramInfo {
    /// An id that no program of this process has.
    #[must_use]
    pub fn next_id() -> ProgramId {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        NEXT.fetch_add(1, Ordering::Relaxed)
    }
}

/// A program prepared by an engine. This is all that `tc` and `replay` see of engines.
pub trait Executable: Send + Sync + fmt::Debug {
    /// What it is.
    fn info(&self) -> &ProgramInfo;

    /// Runs it, through its tail calls, to the exit; returns r0 of the last program. The run's counter, path and
    /// fault are in the batch's context, reset at entry.
    ///
    /// `context` must be of the kind the program's type has.
    fn run(&self, context: Context<'_>, batch: &mut Batch<'_>) -> u64;

    /// Runs a function of it as the callback of a timer, with the map and its element in r1 to r3: a run of its own, with
    /// counter, path and fault as after [`Executable::run`]. `function` is what its code has for the function.
    fn run_callback(&self, function: u64, map: &Arc<Map>, element: Element, batch: &mut Batch<'_>);

    /// The word a prog array slot holds for it: for machine code the address of its tail entry, else its id.
    /// Never 0.
    fn tail_entry(&self) -> usize;

    /// For engines to find their own programs behind a slot.
    fn as_any(&self) -> &dyn Any;
}

/// Programs there are, for helpers that are told of one by its id.
static PROGRAMS: Mutex<BTreeMap<ProgramId, Weak<dyn Executable>>> = Mutex::new(BTreeMap::new());

/// Makes a program known by its id, as long as it lives: engines do so with what they prepare.
pub fn register(program: Arc<dyn Executable>) -> Arc<dyn Executable> {
    let mut programs = PROGRAMS.lock().unwrap_or_else(PoisonError::into_inner);
    programs.retain(|_, program| program.strong_count() > 0);
    programs.insert(program.info().id, Arc::downgrade(&program));
    program
}

/// The program with this id.
pub(crate) fn by_id(id: ProgramId) -> Option<Arc<dyn Executable>> {
    let programs = PROGRAMS.lock().unwrap_or_else(PoisonError::into_inner);
    programs.get(&id)?.upgrade()
}

/// What r1 points to at entry.
#[derive(Debug)]
pub enum Context<'a> {
    /// A `struct __sk_buff`.
    Skb(&'a mut SkBuff),
    /// A `struct xdp_md`.
    Xdp(&'a mut XdpBuff),
    /// Plain bytes, read-only.
    Plain(&'a [u8]),
}

impl Context<'_> {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> ContextKind {
        match self {
            Context::Skb(_) => ContextKind::Skb,
            Context::Xdp(_) => ContextKind::Xdp,
            Context::Plain(_) => ContextKind::Plain,
        }
    }
}
