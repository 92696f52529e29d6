use std::any::Any;
use std::ops::Range;
use std::sync::Arc;

use bpfreplay_runtime::maps::Element;
use bpfreplay_runtime::objects::Objects;
use bpfreplay_runtime::{
    Batch, Context, ContextKind, Executable, ExecutionContext, Map, PathEntry, ProgramInfo,
};
use bpfreplay_uapi::limits::{MAX_BPF_STACK, MAX_CALL_FRAMES, MAX_FRAME_EXTRA};

use crate::arena::Image;
use crate::entry::{Entry, EntryStub};

/// A program as machine code.
///
/// When the last reference goes, its range in the arena is overwritten and used again. Prog arrays let go of a
/// program only when no run can be in it any more.
#[derive(Debug)]
pub struct JitedProgram {
    pub(crate) info: ProgramInfo,
    pub(crate) image: Image,
    pub(crate) entry: Entry,
    /// What keeps the stubs where they are.
    pub(crate) stub: Arc<EntryStub>,
    pub(crate) offsets: Vec<u32>,
    /// What the code has addresses of.
    pub(crate) _maps: Vec<Arc<Map>>,
    pub(crate) _objects: Arc<Objects>,
    /// CPUs that its per-CPU maps have values for: the code indexes them by `ExecutionContext::cpu` unchecked.
    pub(crate) cpus: u32,
}

impl JitedProgram {
    /// The address of its first instruction: its tail entry.
    #[must_use]
    pub fn address(&self) -> usize {
        self.image.address()
    }

    /// Its code indexes per-CPU maps unchecked.
    #[inline]
    fn check_cpu(&self, cpu: u32) {
        assert!(cpu < self.cpus, "{}: made for {} CPUs, not for CPU {cpu}", self.info.name, self.cpus);
    }

    /// The machine code.
    #[must_use]
    pub fn code(&self) -> &[u8] {
        self.image.bytes()
    }

    /// For each xlated slot the offset of its code in [`JitedProgram::code`]; the second slot of a wide instruction
    /// has the offset of what follows. One more than there are slots: behind the last begins what is kept out of the
    /// way (failed tail calls, slow packet loads).
    #[must_use]
    pub fn offsets(&self) -> &[u32] {
        &self.offsets
    }
}

impl Executable for JitedProgram {
    fn info(&self) -> &ProgramInfo {
        &self.info
    }

    #[allow(unsafe_code, reason = "runs machine code")]
    fn run(&self, context: Context<'_>, batch: &mut Batch<'_>) -> u64 {
        self.check_cpu(batch.cpu);
        let kind = ContextKind::of(self.info.prog_type);
        assert!(context.kind() == kind, "{}: its context is of kind {kind:?}", self.info.name);
        let ctx = match context {
            Context::Skb(skb) => {
                assert!(
                    skb.is_exclusive() || !self.info.writes_packet,
                    "{}: it writes packets, and this one is shared",
                    self.info.name
                );
                std::ptr::from_mut(skb).cast()
            }
            Context::Xdp(xdp) => {
                assert!(
                    xdp.is_exclusive() || !self.info.writes_packet,
                    "{}: it writes packets, and this one is shared",
                    self.info.name
                );
                std::ptr::from_mut(xdp).cast()
            }
            Context::Plain(bytes) => {
                let (name, prog_type) = (&self.info.name, self.info.prog_type);
                let size = prog_type.plain_context();
                assert!(size.is_some(), "{name}: the context of {} is no plain memory", prog_type.name());
                let size = size.unwrap_or_default() as usize;
                assert!(bytes.len() >= size, "{name}: its context is {size} bytes");
                bytes.as_ptr().cast_mut().cast()
            }
        };
        batch.fault = None;
        batch.stack = readable_stack();
        batch.call_back = Some(self.stub.call_back());
        // SAFETY: only `Jit::prepare` makes programs, from verified ones; the context is of the program's kind, as
        // just checked, and borrowed until run returns (plain contexts are read-only to the verifier); a batch holds
        // an epoch guard.
        unsafe { self.entry.run(ctx, batch) }
    }

    #[allow(unsafe_code, reason = "runs machine code")]
    fn run_callback(&self, function: u64, map: &Arc<Map>, element: Element, batch: &mut Batch<'_>) {
        self.check_cpu(batch.cpu);
        let call_back = self.stub.call_back();
        let exec: &mut ExecutionContext = batch;
        exec.tail_call_cnt = 0;
        exec.path[0] = PathEntry { prog: self.info.id, index: 0 };
        exec.fault = None;
        exec.stack = readable_stack();
        exec.call_back = Some(call_back);
        // SAFETY: the function is one of this program, whose code named it for a timer; the arguments are map, key and
        // value of the timer, as the verifier gave them to it; the context is the batch's, ours for the call.
        unsafe { call_back(map.address(), element.key, element.value, 0, exec, function) };
    }

    fn tail_entry(&self) -> usize {
        self.entry.tail_entry
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Where the frames of a run will lie, for helpers that must find out whether an address is on the program's stack:
/// below the frame of who calls this. Deep in a hierarchy of tail calls frames may lie lower; helpers then see their
/// strings as unreadable, which is allowed.
#[inline(always)]
fn readable_stack() -> Range<u64> {
    /// A frame, what a call site saves, and a return address.
    const FRAME: u64 = (MAX_BPF_STACK + MAX_FRAME_EXTRA) as u64 + 6 * 8;
    let here = 0u8;
    let top = std::ptr::from_ref(&here).expose_provenance() as u64;
    top - FRAME * MAX_CALL_FRAMES as u64..top
}
