//! The interpreter's memory: every access is looked up in the regions that are live now.
//!
//! ```text
//!   context   read: what programs see of the SkBuff; write: the same without addresses and length
//!   packet    data_meta to data_end, as the SkBuff says at that moment
//!   stack     the frames in use
//!   maps      within one value of a map of the program, element-exact, as the map's flags allow
//! ```
//!
//! An access that is in none of them is a fault, whatever the verifier thought. So is a helper's argument.
#![allow(unsafe_code, reason = "an access that was found in a live region is made by its address")]

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;

use bpfreplay_isa::{AtomicOp, Size};
use bpfreplay_uapi::limits::{MAX_BPF_STACK, MAX_CALL_FRAMES};
use bpfreplay_uapi::{ArgType, HelperId, MemAccess};

use super::raw;
use crate::exec::{ExecutionContext, FaultKind};
use crate::executable::Context;
use crate::helpers;
use crate::maps::{Map, ProgramAccess};
use crate::skb::SkBuff;

/// The stack of an interpreted run: a frame of 512 bytes for each call there can be.
#[derive(Clone, Debug)]
pub struct Stack {
    frames: Box<[[u64; MAX_BPF_STACK / 8]; MAX_CALL_FRAMES]>,
}

/// What a run may touch.
#[derive(Debug)]
pub struct Memory<'a> {
    context: ContextMemory,
    stack: Range<u64>,
    /// First byte of the lowest frame in use.
    stack_low: u64,
    maps: &'a [Arc<Map>],
    borrows: PhantomData<(&'a mut Stack, &'a mut SkBuff)>,
}

#[derive(Clone, Copy, Debug)]
enum ContextMemory {
    Skb(u64),
    Plain { addr: u64, len: u64 },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Access {
    Read,
    Write,
}

impl Default for Stack {
    fn default() -> Stack {
        Stack { frames: Box::new([[0; MAX_BPF_STACK / 8]; MAX_CALL_FRAMES]) }
    }
}

impl<'a> Memory<'a> {
    /// The memory of a run at entry: one frame in use.
    #[must_use]
    pub fn new(stack: &'a mut Stack, context: Context<'a>, maps: &'a [Arc<Map>]) -> Memory<'a> {
        let start = stack.frames.as_mut_ptr().expose_provenance() as u64;
        let end = start + (MAX_BPF_STACK * MAX_CALL_FRAMES) as u64;
        let context = match context {
            Context::Skb(skb) => ContextMemory::Skb(std::ptr::from_mut(skb).expose_provenance() as u64),
            Context::Plain(bytes) => ContextMemory::Plain {
                addr: bytes.as_ptr().expose_provenance() as u64,
                len: bytes.len() as u64,
            },
        };
        let stack_low = end - MAX_BPF_STACK as u64;
        Memory { context, stack: start..end, stack_low, maps, borrows: PhantomData }
    }

    /// r1 at entry.
    #[must_use]
    pub fn context_address(&self) -> u64 {
        match self.context {
            ContextMemory::Skb(addr) | ContextMemory::Plain { addr, .. } => addr,
        }
    }

    /// r10 of a frame, the entry's being frame 0. Frames up to this one are now in use, those below no longer.
    ///
    /// # Errors
    ///
    /// [`FaultKind::CallDepth`] for a frame there is not.
    pub fn enter_frame(&mut self, frame: usize) -> Result<u64, FaultKind> {
        if frame >= MAX_CALL_FRAMES {
            return Err(FaultKind::CallDepth);
        }
        let top = self.stack.end - (frame * MAX_BPF_STACK) as u64;
        self.stack_low = top - MAX_BPF_STACK as u64;
        Ok(top)
    }

    /// The maps of the program that runs from now on (after a tail call).
    pub fn set_maps(&mut self, maps: &'a [Arc<Map>]) {
        self.maps = maps;
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
    pub fn load(&self, addr: u64, size: Size) -> Result<u64, FaultKind> {
        self.check(addr, u64::from(size.bytes()), Access::Read)?;
        // SAFETY: in a region that is live while `self` borrows it.
        Ok(unsafe { raw::load(addr, size) })
    }

    /// Writes the low `size` bytes.
    ///
    /// # Errors
    ///
    /// [`FaultKind::OutOfBounds`], [`FaultKind::ReadOnly`].
    #[inline]
    pub fn store(&mut self, addr: u64, size: Size, value: u64) -> Result<(), FaultKind> {
        self.check(addr, u64::from(size.bytes()), Access::Write)?;
        // SAFETY: in a writable region that is live while `self` borrows it.
        unsafe { raw::store(addr, size, value) };
        Ok(())
    }

    /// One atomic operation; returns the old value. `size` is W or Dw.
    ///
    /// # Errors
    ///
    /// [`FaultKind::OutOfBounds`], [`FaultKind::ReadOnly`], [`FaultKind::Misaligned`], and
    /// [`FaultKind::BadInstruction`] for another size.
    pub fn atomic(
        &mut self,
        addr: u64,
        size: Size,
        op: AtomicOp,
        src: u64,
        r0: u64,
    ) -> Result<u64, FaultKind> {
        self.check(addr, u64::from(size.bytes()), Access::Write)?;
        self.check(addr, u64::from(size.bytes()), Access::Read)?;
        if addr % u64::from(size.bytes()) != 0 {
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
    /// [`FaultKind::BadArgument`] with the argument, from 1.
    pub fn call(
        &mut self,
        helper: HelperId,
        args: [u64; 5],
        exec: &mut ExecutionContext,
    ) -> Result<u64, FaultKind> {
        self.check_arguments(helper, args)?;
        exec.stack = self.stack_low..self.stack.end;
        let [r1, r2, r3, r4, r5] = args;
        // SAFETY: `HelperFn`'s contract, argument by argument, is what was just checked; the execution context is
        // borrowed exclusively.
        Ok(unsafe { helpers::function(helper)(r1, r2, r3, r4, r5, exec) })
    }

    /// The map a register holds, if it is one of the program's.
    #[must_use]
    pub fn map_at(&self, addr: u64) -> Option<&'a Arc<Map>> {
        self.maps.iter().find(|map| map.address() == addr)
    }

    fn check_arguments(&self, helper: HelperId, args: [u64; 5]) -> Result<(), FaultKind> {
        let proto = helper.proto();
        let mut map: Option<&Arc<Map>> = None;
        for (i, arg) in proto.args.iter().enumerate() {
            let fault = FaultKind::BadArgument(i as u8 + 1);
            let value = args[i];
            let size = args.get(i + 1).map_or(0, |size| u64::from(*size as u32));
            let of_map = |size: fn(&Map) -> u32| map.map(|map| u64::from(size(map))).ok_or(fault);
            match arg {
                ArgType::Anything | ArgType::ConstSizeOrZero => {}
                ArgType::ConstSize if value as u32 == 0 => return Err(fault),
                ArgType::ConstSize => {}
                ArgType::Ctx => {
                    if !matches!(self.context, ContextMemory::Skb(addr) if addr == value) {
                        return Err(fault);
                    }
                }
                ArgType::ConstMapPtr => map = Some(self.map_at(value).ok_or(fault)?),
                ArgType::MapKey => {
                    let size = of_map(|map| map.spec().key_size)?;
                    self.check(value, size, Access::Read).map_err(|_| fault)?;
                }
                ArgType::MapValue => {
                    let size = of_map(|map| map.spec().value_size)?;
                    self.check(value, size, Access::Read).map_err(|_| fault)?;
                }
                ArgType::MemOrNull(_) if size == 0 => {}
                ArgType::Mem(access) | ArgType::MemOrNull(access) => {
                    let access = match access {
                        MemAccess::Read => Access::Read,
                        MemAccess::Fill => Access::Write,
                    };
                    self.check(value, size, access).map_err(|_| fault)?;
                }
            }
        }
        Ok(())
    }

    #[inline]
    fn check(&self, addr: u64, size: u64, access: Access) -> Result<(), FaultKind> {
        let inside = |start: u64, end: u64| addr >= start && addr <= end && end - addr >= size;
        if inside(self.stack_low, self.stack.end) {
            return Ok(());
        }
        match self.context {
            ContextMemory::Skb(skb) => {
                let visible = skb + SkBuff::VISIBLE as u64;
                if inside(skb, visible) {
                    let writable = addr >= skb + SkBuff::READ_ONLY as u64;
                    return if writable || access == Access::Read {
                        Ok(())
                    } else {
                        Err(FaultKind::ReadOnly { addr })
                    };
                }
                if let Some(skb) = self.skb()
                    && inside(skb.data_meta, skb.data_end)
                {
                    return match access {
                        Access::Write if !skb.is_exclusive() => Err(FaultKind::ReadOnly { addr }),
                        Access::Read | Access::Write => Ok(()),
                    };
                }
            }
            ContextMemory::Plain { addr: start, len } => {
                if inside(start, start + len) {
                    return match access {
                        Access::Read => Ok(()),
                        Access::Write => Err(FaultKind::ReadOnly { addr }),
                    };
                }
            }
        }
        self.check_maps(addr, size, access)
    }

    fn check_maps(&self, addr: u64, size: u64, access: Access) -> Result<(), FaultKind> {
        let out_of_bounds = FaultKind::OutOfBounds { addr, size: size as u32 };
        let (map, room) =
            self.maps.iter().find_map(|map| Some((map, map.value_room(addr)?))).ok_or(out_of_bounds)?;
        if room < size {
            return Err(out_of_bounds);
        }
        match (access, map.program_access()) {
            (Access::Write, ProgramAccess::ReadOnly) => Err(FaultKind::ReadOnly { addr }),
            (Access::Read, ProgramAccess::WriteOnly) => Err(out_of_bounds),
            (Access::Read | Access::Write, _) => Ok(()),
        }
    }
}
