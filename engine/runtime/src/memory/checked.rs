//! The interpreter's memory: every access is looked up in the regions that are live now.
//!
//! ```text
//!   checked     accesses and calls as the interpreter asks for them
//!   region      what is live: stack, context, packet, map values, records        ─▶ the access, or a fault
//!   arguments   what a helper's prototype says of r1 to r5                       ─▶ the call, or a fault
//!   held        what the run has in hand: records it reserved, inner maps it looked up, a lock
//! ```
//!
//! An access that is in no region is a fault, whatever the verifier thought. So is a helper's argument.
//!
//! ```text
//!   frames      │ entry │ sub │  tail-called program │ its sub │ free …
//!                                └ floor                        └ depth
//! ```
//! A tail call in a subprogram replaces that frame and goes on with frames of its own, up to eight again: the frames
//! above it belong to programs that are not running, and are out of reach until it ends.
#![allow(unsafe_code, reason = "an access that was found in a live region is made by its address")]

use std::marker::PhantomData;
use std::sync::Arc;

use bpfreplay_isa::{AtomicOp, Size};
use bpfreplay_uapi::limits::{MAX_BPF_STACK, MAX_CALL_FRAMES};
use bpfreplay_uapi::{HelperId, Kfunc};

use super::held::{Held, Lent};
use super::raw;
use super::region::{Access, Region};
use crate::exec::{ExecutionContext, FaultKind, MAX_PATH};
use crate::executable::{Context, ContextKind};
use crate::helpers::{self, TreeAdd};
use crate::maps::{Commit, Map};
use crate::objects::Objects;
use crate::skb::SkBuff;
use crate::xdp::XdpBuff;

/// Frames of one run at the most: the call frames of every program a run can go through.
pub const MAX_FRAMES: usize = MAX_PATH * MAX_CALL_FRAMES;

/// Words between two frames that belong to neither, so that what runs out of one is not at once in the next.
const GUARD: usize = 8;

/// Bytes from one frame to the next.
pub(super) const STRIDE: u64 = size_of::<Frame>() as u64;

/// Zeroed at entry: what an earlier packet left is not to be seen.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct Frame {
    words: [u64; MAX_BPF_STACK / 8],
    guard: [u64; GUARD],
}

/// The frames of a worker's interpreted runs, allocated once. The default has none.
#[derive(Debug, Default)]
pub struct Stack {
    frames: Box<[Frame]>,
    held: Held,
}

/// What a run may touch.
#[derive(Debug)]
pub struct Memory<'a> {
    pub(super) context: ContextMemory,
    /// The address after the last frame, where the guard of the entry's frame ends.
    pub(super) stack_end: u64,
    /// Frames there are.
    frames: usize,
    /// Frames `floor..depth` are those of the program that runs.
    pub(super) floor: usize,
    pub(super) depth: usize,
    pub(super) held: &'a mut Held,
    /// Those of the program that runs.
    pub(super) objects: Option<Arc<Objects>>,
    borrows: PhantomData<(&'a mut [Frame], &'a mut SkBuff, &'a mut XdpBuff)>,
}

/// Which frames were in reach before a tail call.
#[derive(Debug)]
#[must_use]
pub struct Floor(usize);

#[derive(Clone, Copy, Debug)]
pub(super) enum ContextMemory {
    Skb(u64),
    Xdp(u64),
    Plain {
        addr: u64,
        len: u64,
    },
    /// A callback of a program whose contexts are of this kind.
    None(ContextKind),
}

impl Stack {
    /// Room for [`MAX_FRAMES`].
    #[must_use]
    pub fn new() -> Stack {
        let frame = Frame { words: [0; MAX_BPF_STACK / 8], guard: [0; GUARD] };
        Stack { frames: vec![frame; MAX_FRAMES].into(), held: Held::default() }
    }
}

impl<'a> Memory<'a> {
    /// The memory of a run, with no frame yet.
    #[must_use]
    pub fn new(stack: &'a mut Stack, context: Context<'a>) -> Memory<'a> {
        let context = match context {
            Context::Skb(skb) => ContextMemory::Skb(std::ptr::from_mut(skb).expose_provenance() as u64),
            Context::Xdp(xdp) => ContextMemory::Xdp(std::ptr::from_mut(xdp).expose_provenance() as u64),
            Context::Plain(bytes) => ContextMemory::Plain {
                addr: bytes.as_ptr().expose_provenance() as u64,
                len: bytes.len() as u64,
            },
        };
        Memory::with(stack, context)
    }

    /// The memory of a run without a context, of a program whose contexts are of this kind.
    #[must_use]
    pub fn without_context(stack: &'a mut Stack, kind: ContextKind) -> Memory<'a> {
        Memory::with(stack, ContextMemory::None(kind))
    }

    fn with(stack: &'a mut Stack, context: ContextMemory) -> Memory<'a> {
        let frames = stack.frames.len();
        let start = stack.frames.as_mut_ptr().expose_provenance() as u64;
        let stack_end = start + frames as u64 * STRIDE;
        let held = &mut stack.held;
        Memory { context, stack_end, frames, floor: 0, depth: 0, held, objects: None, borrows: PhantomData }
    }

    /// r1 at entry; of a run without a context 0.
    #[must_use]
    pub fn context_address(&self) -> u64 {
        match self.context {
            ContextMemory::Skb(addr) | ContextMemory::Xdp(addr) | ContextMemory::Plain { addr, .. } => addr,
            ContextMemory::None(_) => 0,
        }
    }

    /// Whether this is the address of the run's context.
    #[must_use]
    pub fn is_context(&self, addr: u64) -> bool {
        addr != 0 && addr == self.context_address()
    }

    /// A new frame, all zero: its r10.
    ///
    /// # Errors
    ///
    /// [`FaultKind::CallDepth`] if there are no more.
    #[inline]
    pub fn push_frame(&mut self) -> Result<u64, FaultKind> {
        if self.depth == self.frames {
            return Err(FaultKind::CallDepth);
        }
        self.depth += 1;
        let start = self.stack_end - self.depth as u64 * STRIDE;
        for word in 0..MAX_BPF_STACK as u64 / 8 {
            // SAFETY: frame `depth - 1` of the stack that `self` borrows exclusively.
            unsafe { raw::store(start + word * 8, Size::Dw, 0) };
        }
        Ok(start + MAX_BPF_STACK as u64)
    }

    /// Ends the last frame.
    #[inline]
    pub fn pop_frame(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    /// Puts all frames but the last out of reach: the program that a tail call goes to takes that one over.
    pub fn raise_floor(&mut self) -> Floor {
        Floor(std::mem::replace(&mut self.floor, self.depth.saturating_sub(1)))
    }

    /// Takes [`Memory::raise_floor`] back.
    pub fn restore_floor(&mut self, Floor(floor): Floor) {
        self.floor = floor;
    }

    /// Lets the program use a map that may be none of its own: an inner one, whose timer's callback it runs.
    pub fn hold(&mut self, map: &Arc<Map>) {
        self.held.add_inner(Arc::clone(map));
    }

    /// Lets the program read these bytes until they are taken back: a map's key, while a callback has it.
    pub fn lend(&mut self, addr: u64, bytes: u64) {
        self.held.lend(Lent { addr, bytes, writable: false });
    }

    /// The same to read and write: a sample, while a callback has it.
    pub fn lend_to_write(&mut self, addr: u64, bytes: u64) {
        self.held.lend(Lent { addr, bytes, writable: true });
    }

    /// Takes the last [`Memory::lend`] back.
    pub fn take_back(&mut self) {
        self.held.take_back();
    }

    /// The context as a `SkBuff`, if it is one.
    #[must_use]
    pub fn skb(&self) -> Option<&SkBuff> {
        match self.context {
            // SAFETY: borrowed exclusively for 'a when `self` was made; `&self` keeps our own writes away.
            ContextMemory::Skb(addr) => Some(unsafe { &*std::ptr::with_exposed_provenance(addr as usize) }),
            ContextMemory::Xdp(_) | ContextMemory::Plain { .. } | ContextMemory::None(_) => None,
        }
    }

    /// The context as an `XdpBuff`, if it is one.
    pub(super) fn xdp(&self) -> Option<&XdpBuff> {
        match self.context {
            // SAFETY: as in `skb`.
            ContextMemory::Xdp(addr) => Some(unsafe { &*std::ptr::with_exposed_provenance(addr as usize) }),
            ContextMemory::Skb(_) | ContextMemory::Plain { .. } | ContextMemory::None(_) => None,
        }
    }

    /// What kind of context the run has.
    pub(super) fn kind(&self) -> ContextKind {
        match self.context {
            ContextMemory::Skb(_) => ContextKind::Skb,
            ContextMemory::Xdp(_) => ContextKind::Xdp,
            ContextMemory::Plain { .. } => ContextKind::Plain,
            ContextMemory::None(kind) => kind,
        }
    }

    /// Reads `size` bytes, zero-extended.
    ///
    /// # Errors
    ///
    /// [`FaultKind::OutOfBounds`].
    #[inline]
    pub fn load(&self, maps: &[Arc<Map>], addr: u64, size: Size) -> Result<u64, FaultKind> {
        self.check(maps, addr, u64::from(size.bytes()), Access::Read)?;
        // SAFETY: in a region that is live while `self` borrows it.
        Ok(unsafe { raw::load(addr, size) })
    }

    /// Writes the low `size` bytes.
    ///
    /// # Errors
    ///
    /// [`FaultKind::OutOfBounds`], [`FaultKind::ReadOnly`].
    #[inline]
    pub fn store(&mut self, maps: &[Arc<Map>], addr: u64, size: Size, value: u64) -> Result<(), FaultKind> {
        self.check(maps, addr, u64::from(size.bytes()), Access::Write)?;
        // SAFETY: in a writable region that is live while `self` borrows it.
        unsafe { raw::store(addr, size, value) };
        Ok(())
    }

    /// One atomic operation; returns the old value. `size` is W or Dw.
    ///
    /// # Errors
    ///
    /// [`FaultKind::OutOfBounds`], [`FaultKind::ReadOnly`] (packet and context take no atomics: `BPF_ATOMIC stores into
    /// R1 ctx is not allowed`), [`FaultKind::Misaligned`], and [`FaultKind::BadInstruction`] for another size.
    pub fn atomic(
        &mut self,
        maps: &[Arc<Map>],
        addr: u64,
        (size, op): (Size, AtomicOp),
        src: u64,
        r0: u64,
    ) -> Result<u64, FaultKind> {
        match self.check(maps, addr, u64::from(size.bytes()), Access::Write)? {
            Region::Stack | Region::MapValue | Region::Record | Region::Object => {}
            Region::Context | Region::Packet | Region::Lent => return Err(FaultKind::ReadOnly { addr }),
        }
        self.check(maps, addr, u64::from(size.bytes()), Access::Read)?;
        if !addr.is_multiple_of(u64::from(size.bytes())) {
            return Err(FaultKind::Misaligned { addr, size: size.bytes() });
        }
        match size {
            // SAFETY: aligned, and in a writable region that is live while `self` borrows it.
            Size::W => Ok(u64::from(unsafe { raw::atomic32(addr, op, src as u32, r0 as u32) })),
            // SAFETY: as above.
            Size::Dw => Ok(unsafe { raw::atomic64(addr, op, src, r0) }),
            Size::B | Size::H => Err(FaultKind::BadInstruction),
        }
    }

    /// Calls a helper, after checking every argument against its prototype.
    ///
    /// # Errors
    ///
    /// [`FaultKind::BadArgument`] with the argument, from 1; [`FaultKind::BadInstruction`] for a helper there is not.
    pub fn call(
        &mut self,
        maps: &[Arc<Map>],
        helper: HelperId,
        args: [u64; 5],
        exec: &mut ExecutionContext,
    ) -> Result<u64, FaultKind> {
        let function = helpers::function(helper, self.kind()).ok_or(FaultKind::BadInstruction)?;
        self.check_arguments(maps, helper, args)?;
        if helper == HelperId::SpinLock {
            self.held.lock(args[0])?;
        }
        exec.objects = self.objects_address();
        if helper == HelperId::KptrXchg {
            self.share(args[1]);
        }
        let ended = self.record_to_end(maps, helper, args);
        exec.stack = self.frame_start(self.depth)..self.frame_start(self.floor);
        let [r1, r2, r3, r4, r5] = args;
        // SAFETY: `HelperFn`'s contract, argument by argument, is what was just checked; the execution context is
        // borrowed exclusively.
        let r0 = unsafe { function(r1, r2, r3, r4, r5, exec) };
        if let Some(record) = ended {
            self.held.end_record(record);
        }
        Ok(self.note_call(maps, helper, args, r0))
    }

    /// Calls a kernel function, after checking what it is handed.
    ///
    /// # Errors
    ///
    /// As [`Memory::call`].
    pub fn call_kfunc(
        &mut self,
        maps: &[Arc<Map>],
        kfunc: Kfunc,
        args: [u64; 5],
        exec: &mut ExecutionContext,
    ) -> Result<u64, FaultKind> {
        let function = helpers::kfunc(kfunc).ok_or(FaultKind::BadInstruction)?;
        self.check_kfunc_arguments(maps, kfunc, args)?;
        exec.objects = self.objects_address();
        if kfunc.is_of_objects() && exec.objects == 0 {
            return Err(FaultKind::BadInstruction);
        }
        let [r1, r2, r3, r4, r5] = args;
        // SAFETY: as in `call`.
        let r0 = unsafe { function(r1, r2, r3, r4, r5, exec) };
        if matches!(kfunc, Kfunc::DynptrSlice | Kfunc::DynptrSliceRdwr) && r0 != 0 {
            self.held.set_slices(true);
        }
        Ok(r0)
    }

    /// A call of `bpf_rbtree_add`, checked, for the engine that calls the program's function between two nodes.
    ///
    /// # Errors
    ///
    /// [`FaultKind::BadArgument`] with the argument, from 1.
    pub fn tree_add(&self, maps: &[Arc<Map>], args: [u64; 5], cpu: u32) -> Result<TreeAdd, FaultKind> {
        self.check_kfunc_arguments(maps, Kfunc::RbtreeAdd, args)?;
        let objects = self.objects.clone().ok_or(FaultKind::BadInstruction)?;
        let [root, node, _, _, off] = args;
        // SAFETY: the root was found in a value of a map that the program keeps, or in an object of these.
        Ok(unsafe { TreeAdd::new(objects, (root, node, off), cpu) })
    }

    /// Where a frame begins; of frame 0 the stack's end.
    fn frame_start(&self, depth: usize) -> u64 {
        self.stack_end - depth as u64 * STRIDE
    }
}

impl Drop for Memory<'_> {
    /// A run that ends at a fault must not keep others waiting.
    fn drop(&mut self) {
        if let Some(lock) = self.held.take_lock() {
            // SAFETY: 4 aligned bytes of a map value or object, checked when the lock was taken; the program's maps and
            // objects outlive the run.
            unsafe { raw::store(lock, Size::W, 0) };
        }
        while let Some(record) = self.held.take_record() {
            // SAFETY: a record of this run that nobody ended, in a ring of a map that outlives the run.
            unsafe { helpers::end_record(record, Commit::Discard) };
        }
        self.held.forget_inner();
        self.held.take_all_back();
        self.held.set_slices(false);
    }
}
