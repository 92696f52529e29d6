//! The interpreter's memory: every access is looked up in the regions that are live now.
//!
//! ```text
//!   context   read: what programs see of the SkBuff; write: the same without addresses and length
//!   packet    data_meta to data_end, as the SkBuff says at that moment
//!   stack     within one frame of the program that runs
//!   maps      within one value of a map of the program, element-exact, as the map's flags allow
//! ```
//!
//! An access that is in none of them is a fault, whatever the verifier thought. So is a helper's argument.
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
use bpfreplay_uapi::{ArgType, HelperId, MemAccess};

use super::raw;
use crate::exec::{ExecutionContext, FaultKind, MAX_PATH};
use crate::executable::Context;
use crate::helpers;
use crate::maps::{Map, ProgramAccess};
use crate::skb::SkBuff;

/// Frames of one run at the most: the call frames of every program a run can go through.
pub const MAX_FRAMES: usize = MAX_PATH * MAX_CALL_FRAMES;

/// Bytes a helper may be handed at the most (`BPF_MAX_VAR_SIZ`).
const MAX_MEM_SIZE: u64 = 1 << 29;

/// Words between two frames that belong to neither, so that what runs out of one is not at once in the next.
const GUARD: usize = 8;

/// Bytes from one frame to the next.
const STRIDE: u64 = size_of::<Frame>() as u64;

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
}

/// What a run may touch.
#[derive(Debug)]
pub struct Memory<'a> {
    context: ContextMemory,
    /// The address after the last frame, where the guard of the entry's frame ends.
    stack_end: u64,
    /// Frames there are.
    frames: usize,
    /// Frames `floor..depth` are those of the program that runs.
    floor: usize,
    depth: usize,
    borrows: PhantomData<(&'a mut Stack, &'a mut SkBuff)>,
}

/// Which frames were in reach before a tail call.
#[derive(Debug)]
#[must_use]
pub struct Floor(usize);

#[derive(Clone, Copy, Debug)]
enum ContextMemory {
    Skb(u64),
    Plain { addr: u64, len: u64 },
}

/// What memory an address lies in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Region {
    Stack,
    Context,
    Packet,
    MapValue,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Access {
    Read,
    Write,
}

impl Stack {
    /// Room for [`MAX_FRAMES`].
    #[must_use]
    pub fn new() -> Stack {
        let frame = Frame { words: [0; MAX_BPF_STACK / 8], guard: [0; GUARD] };
        Stack { frames: vec![frame; MAX_FRAMES].into() }
    }
}

impl<'a> Memory<'a> {
    /// The memory of a run, with no frame yet.
    #[must_use]
    pub fn new(stack: &'a mut Stack, context: Context<'a>) -> Memory<'a> {
        let frames = stack.frames.len();
        let start = stack.frames.as_mut_ptr().expose_provenance() as u64;
        let context = match context {
            Context::Skb(skb) => ContextMemory::Skb(std::ptr::from_mut(skb).expose_provenance() as u64),
            Context::Plain(bytes) => ContextMemory::Plain {
                addr: bytes.as_ptr().expose_provenance() as u64,
                len: bytes.len() as u64,
            },
        };
        let stack_end = start + frames as u64 * STRIDE;
        Memory { context, stack_end, frames, floor: 0, depth: 0, borrows: PhantomData }
    }

    /// r1 at entry.
    #[must_use]
    pub fn context_address(&self) -> u64 {
        match self.context {
            ContextMemory::Skb(addr) | ContextMemory::Plain { addr, .. } => addr,
        }
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

    /// The context as a `SkBuff`, if it is one.
    #[must_use]
    pub fn skb(&self) -> Option<&SkBuff> {
        match self.context {
            // SAFETY: borrowed exclusively for 'a when `self` was made; `&self` keeps our own writes away.
            ContextMemory::Skb(addr) => Some(unsafe { &*std::ptr::with_exposed_provenance(addr as usize) }),
            ContextMemory::Plain { .. } => None,
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
            Region::Stack | Region::MapValue => {}
            Region::Context | Region::Packet => return Err(FaultKind::ReadOnly { addr }),
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
        let function = helpers::function(helper).ok_or(FaultKind::BadInstruction)?;
        self.check_arguments(maps, helper, args)?;
        exec.stack = self.frame_start(self.depth)..self.frame_start(self.floor);
        let [r1, r2, r3, r4, r5] = args;
        // SAFETY: `HelperFn`'s contract, argument by argument, is what was just checked; the execution context is
        // borrowed exclusively.
        Ok(unsafe { function(r1, r2, r3, r4, r5, exec) })
    }

    fn check_arguments(&self, maps: &[Arc<Map>], helper: HelperId, args: [u64; 5]) -> Result<(), FaultKind> {
        let proto = helper.proto();
        let mut map: Option<&Map> = None;
        for (i, arg) in proto.args.iter().enumerate() {
            let value = args[i];
            let size = args.get(i + 1).copied().unwrap_or(0);
            let handed = |size: u64, access| match self.check(maps, value, size, access) {
                Ok(Region::Stack | Region::MapValue) => true,
                Ok(Region::Packet) => proto.pkt_access,
                Ok(Region::Context) | Err(_) => false,
            };
            let fits = match arg {
                ArgType::Anything => true,
                ArgType::ConstSize => (1..=MAX_MEM_SIZE).contains(&value),
                ArgType::ConstSizeOrZero => value <= MAX_MEM_SIZE,
                ArgType::Ctx => {
                    value == self.context_address() && matches!(self.context, ContextMemory::Skb(_))
                }
                ArgType::ConstMapPtr => {
                    map = find_map(maps, value).filter(|map| map.prog_array().is_none());
                    map.is_some()
                }
                ArgType::MapKey => {
                    map.is_some_and(|map| handed(u64::from(map.spec().key_size), Access::Read))
                }
                ArgType::MapValue(MemAccess::Read) => {
                    map.is_some_and(|map| handed(u64::from(map.spec().value_size), Access::Read))
                }
                ArgType::MemOrNull(_) if value == 0 && size == 0 => true,
                ArgType::Mem(MemAccess::Read) | ArgType::MemOrNull(MemAccess::Read) => {
                    handed(size, Access::Read)
                }
                ArgType::Mem(MemAccess::Fill) | ArgType::MemOrNull(MemAccess::Fill) => {
                    handed(size, Access::Write)
                }
                // No helper of this engine takes one yet.
                ArgType::CtxOrNull
                | ArgType::MapValue(MemAccess::Fill | MemAccess::Change)
                | ArgType::MapValueOrNull
                | ArgType::Mem(MemAccess::Change)
                | ArgType::MemOrNull(MemAccess::Change)
                | ArgType::FixedMem(_, _)
                | ArgType::ConstAllocSize
                | ArgType::ConstStr
                | ArgType::SpinLock
                | ArgType::Timer
                | ArgType::Func
                | ArgType::StackOrNull
                | ArgType::RingbufMem
                | ArgType::SockCommon
                | ArgType::BtfSockCommon
                | ArgType::BtfSockCommonRelease
                | ArgType::Dynptr(_) => false,
            };
            if !fits {
                return Err(FaultKind::BadArgument(i as u8 + 1));
            }
        }
        Ok(())
    }

    /// The live region that these bytes lie in, if it allows the access.
    #[inline]
    fn check(&self, maps: &[Arc<Map>], addr: u64, size: u64, access: Access) -> Result<Region, FaultKind> {
        if self.in_frame(addr, size) {
            Ok(Region::Stack)
        } else {
            self.check_others(maps, addr, size, access)
        }
    }

    fn check_others(
        &self,
        maps: &[Arc<Map>],
        addr: u64,
        size: u64,
        access: Access,
    ) -> Result<Region, FaultKind> {
        let inside = |start: u64, end: u64| addr >= start && addr < end && end - addr >= size;
        match self.context {
            ContextMemory::Skb(skb) => {
                if inside(skb, skb + SkBuff::VISIBLE as u64) {
                    return match access {
                        Access::Write if addr < skb + SkBuff::READ_ONLY as u64 => {
                            Err(FaultKind::ReadOnly { addr })
                        }
                        Access::Read | Access::Write => Ok(Region::Context),
                    };
                }
                if let Some(skb) = self.skb()
                    && inside(skb.data_meta, skb.data_end)
                {
                    return match access {
                        Access::Write if !skb.is_exclusive() => Err(FaultKind::ReadOnly { addr }),
                        Access::Read | Access::Write => Ok(Region::Packet),
                    };
                }
            }
            ContextMemory::Plain { addr: start, len } => {
                if inside(start, start + len) {
                    return match access {
                        Access::Read => Ok(Region::Context),
                        Access::Write => Err(FaultKind::ReadOnly { addr }),
                    };
                }
            }
        }
        check_maps(maps, addr, size, access)
    }

    /// Whether these bytes lie in one frame of the program that runs.
    #[inline]
    fn in_frame(&self, addr: u64, size: u64) -> bool {
        let below = self.stack_end.wrapping_sub(addr).wrapping_sub(1);
        let frame = below / STRIDE;
        if frame < self.floor as u64 || frame >= self.depth as u64 {
            return false;
        }
        let offset = STRIDE - 1 - below % STRIDE;
        offset + size.min(STRIDE) <= MAX_BPF_STACK as u64
    }

    /// Where a frame begins; of frame 0 the stack's end.
    fn frame_start(&self, depth: usize) -> u64 {
        self.stack_end - depth as u64 * STRIDE
    }
}

/// The program's map whose address a register holds.
#[must_use]
pub fn find_map(maps: &[Arc<Map>], address: u64) -> Option<&Map> {
    maps.iter().map(|map| &**map).find(|map| map.address() == address)
}

fn check_maps(maps: &[Arc<Map>], addr: u64, size: u64, access: Access) -> Result<Region, FaultKind> {
    let out_of_bounds = FaultKind::OutOfBounds { addr, size: u32::try_from(size).unwrap_or(u32::MAX) };
    let (map, room) = maps.iter().find_map(|map| Some((map, map.value_room(addr)?))).ok_or(out_of_bounds)?;
    if room < size {
        return Err(out_of_bounds);
    }
    match (access, map.program_access()) {
        (Access::Write, ProgramAccess::ReadOnly) => Err(FaultKind::ReadOnly { addr }),
        (Access::Read, ProgramAccess::WriteOnly) => Err(out_of_bounds),
        (Access::Read | Access::Write, _) => Ok(Region::MapValue),
    }
}
