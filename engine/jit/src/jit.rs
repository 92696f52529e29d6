use std::sync::Arc;

use bpfreplay_runtime::objects::Objects;
use bpfreplay_runtime::{Executable, Map, ProgramInfo, register};
use bpfreplay_verifier::VerifiedProgram;

use crate::arena::Arena;
use crate::compile::compile;
use crate::entry::{Entry, EntryStub};
use crate::error::JitError;
use crate::link::Link;
use crate::program::JitedProgram;
use crate::x64::{Assembler, Cpu};

/// The compiler and the arena its programs live in.
///
/// Programs that tail-call each other should come from one `Jit`: their code then lies together.
#[derive(Debug)]
pub struct Jit {
    arena: Arc<Arena>,
    stub: Arc<EntryStub>,
    cpu: Cpu,
}

impl Jit {
    /// A compiler for this CPU, with an arena of [`crate::ARENA_BYTES`].
    ///
    /// # Errors
    ///
    /// [`JitError::Memory`] if the system gives no executable memory.
    pub fn new() -> Result<Jit, JitError> {
        Jit::for_cpu(Cpu::detect())
    }

    /// A compiler that uses only what `cpu` has; this CPU must have it too.
    ///
    /// # Errors
    ///
    /// As [`Jit::new`].
    pub fn for_cpu(cpu: Cpu) -> Result<Jit, JitError> {
        let arena = Arena::new()?;
        let stub = Arc::new(EntryStub::new(&arena, cpu)?);
        Ok(Jit { arena, stub, cpu })
    }

    /// Compiles a program; `maps[i]` is the runtime map of `program.maps[i]`. There is no memory for objects.
    ///
    /// # Errors
    ///
    /// If the program has an instruction that is not translated, names a map that is not there, or does not fit into
    /// the arena. It is never run in some other way instead.
    pub fn prepare(
        &self,
        program: &VerifiedProgram,
        maps: &[Arc<Map>],
    ) -> Result<Arc<dyn Executable>, JitError> {
        self.prepare_for(program, maps, &Objects::none())
    }

    /// [`Jit::prepare`] of a program that allocates objects: its maps are made for the same.
    ///
    /// # Errors
    ///
    /// As [`Jit::prepare`].
    pub fn prepare_for(
        &self,
        program: &VerifiedProgram,
        maps: &[Arc<Map>],
        objects: &Arc<Objects>,
    ) -> Result<Arc<dyn Executable>, JitError> {
        let info = info(program);
        let asm = Assembler::new(self.cpu, self.arena.near());
        let compiled = compile(program, info.id, Link { maps, objects }, asm)?;
        let image = self.arena.publish(compiled.code)?;
        Ok(register(Arc::new(JitedProgram {
            info,
            entry: Entry { stub: self.stub.address(), tail_entry: image.address() },
            image,
            stub: Arc::clone(&self.stub),
            offsets: compiled.offsets,
            _maps: maps.to_vec(),
            _objects: Arc::clone(objects),
            cpus: maps.iter().filter(|map| map.is_per_cpu()).map(|map| map.cpus()).min().unwrap_or(u32::MAX),
        })))
    }
}

fn info(verified: &VerifiedProgram) -> ProgramInfo {
    let program = verified.program();
    let facts = verified.facts();
    ProgramInfo {
        id: ProgramInfo::next_id(),
        name: program.name.clone(),
        prog_type: program.prog_type,
        expected_attach_type: program.expected_attach_type,
        xdp_has_frags: program.xdp_has_frags,
        jited: true,
        writes_packet: facts.writes_packet || facts.changes_packet_data,
    }
}
