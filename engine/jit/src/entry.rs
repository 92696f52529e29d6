//! Calling machine code from Rust: the one place where an address becomes a function.
#![allow(unsafe_code, reason = "calls generated code")]

use std::ffi::c_void;
use std::mem;
use std::sync::Arc;

use bpfreplay_runtime::ExecutionContext;
use bpfreplay_runtime::helpers::CallBack;

use crate::arena::{Arena, Image};
use crate::emit::entry;
use crate::error::JitError;
use crate::x64::{Assembler, Cpu};

/// The stubs of an arena: the way in, and the way back in for helpers that call functions of the program.
#[derive(Debug)]
pub(crate) struct EntryStub {
    image: Image,
    /// Where in the image the second begins.
    call_back: usize,
}

type Enter =
    unsafe extern "sysv64" fn(ctx: *mut c_void, exec: *mut ExecutionContext, tail_entry: usize) -> u64;

impl EntryStub {
    /// Emits the stubs into an arena.
    pub(crate) fn new(arena: &Arc<Arena>, cpu: Cpu) -> Result<EntryStub, JitError> {
        let mut asm = Assembler::new(cpu, arena.near());
        entry::stub(&mut asm);
        let call_back = asm.offset();
        entry::call_back(&mut asm);
        let code = asm.finish().map_err(|error| JitError::Assemble {
            program: "entry stub".to_owned(),
            message: error.to_string(),
        })?;
        Ok(EntryStub { image: arena.publish(code)?, call_back })
    }

    /// The address of the stub.
    pub(crate) fn address(&self) -> usize {
        self.image.address()
    }

    /// The stub by which helpers call functions of programs.
    pub(crate) fn call_back(&self) -> CallBack {
        // SAFETY: at this address lies `emit::entry::call_back`, which is a function of this type.
        unsafe { mem::transmute::<usize, CallBack>(self.image.address() + self.call_back) }
    }
}

/// What a run needs to know, computed once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// The address of the arena's stub.
    pub(crate) stub: usize,
    /// The address of the program's first instruction.
    pub(crate) tail_entry: usize,
}

impl Entry {
    /// Runs the program until it, or the last program it tail-calls, exits.
    ///
    /// # Safety
    ///
    /// The stub and the program's image live, the program is a verified one, `ctx` points to a context of the kind its type has, valid for
    /// reading and writing for the duration of the call, and the caller's thread holds an epoch guard so that the
    /// programs behind prog array slots stay.
    #[inline]
    pub(crate) unsafe fn run(self, ctx: *mut c_void, exec: &mut ExecutionContext) -> u64 {
        // SAFETY: at this address lies `emit::entry::stub`, which is a function of this type.
        let enter = unsafe { mem::transmute::<usize, Enter>(self.stub) };
        // SAFETY: the verifier has proved the program's accesses for such a context, by the caller's promise.
        unsafe { enter(ctx, exec, self.tail_entry) }
    }
}
