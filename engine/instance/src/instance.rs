use std::sync::Arc;

use bpfreplay_loader::Object;
use bpfreplay_program::{MapContent, Program};
use bpfreplay_runtime::maps::UserHandle;
use bpfreplay_runtime::objects::Objects;
use bpfreplay_runtime::{Executable, Map, ProgArray, ProgramId, SKB_LAYOUT};
use bpfreplay_uapi::map::update_flags;
use bpfreplay_uapi::{HelperId, MapType};
use bpfreplay_verifier::{LogLevel, VerifiedProgram, verify};

use crate::engine::{Engine, Ready};
use crate::error::InstanceError;
use crate::maps;
use crate::select::{Candidates, Load, prog_arrays, slots};
use crate::tail::Tail;

/// The opcode of `call`; with source 0 the immediate is a helper's static id (RFC 9669 4.3.1).
const CALL: u8 = 0x85;

/// How to make an object ready.
#[derive(Clone, Debug)]
pub struct Options {
    /// What runs the programs.
    pub engine: Engine,
    /// How many values a per-CPU map keeps for a key: the number of workers.
    pub cpus: u32,
    /// The program frames enter; `None`: [`default_entry`](crate::default_entry).
    pub entry: Option<String>,
    /// How much is loaded.
    pub load: Load,
    /// Slots to fill or empty after `.values`, in order.
    pub tails: Vec<Tail>,
    /// What the verifier writes to its log.
    pub log: LogLevel,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            engine: Engine::default(),
            cpus: 1,
            entry: None,
            load: Load::default(),
            tails: Vec::new(),
            log: LogLevel::default(),
        }
    }
}

/// Programs and maps, ready to run.
///
/// Programs of one instance share its maps. When it is dropped, its prog arrays are emptied: programs and prog arrays
/// refer to each other, and nothing else would ever let go of them.
#[derive(Debug)]
pub struct Instance {
    engine: Ready,
    programs: Vec<LoadedProgram>,
    maps: Vec<Arc<Map>>,
    objects: Arc<Objects>,
    entry: usize,
    /// What a loader's file descriptors are to the kernel: a prog array without any is emptied.
    handles: Vec<UserHandle>,
}

/// One program of an instance.
#[derive(Clone, Debug)]
pub struct LoadedProgram {
    /// As the verifier accepted it.
    pub verified: VerifiedProgram,
    /// As the engine runs it.
    pub executable: Arc<dyn Executable>,
}

impl LoadedProgram {
    /// The C symbol.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.verified.program().name
    }
}

impl Instance {
    /// Makes an object ready. Programs that the loader refused do not matter if they are not among those to load.
    ///
    /// # Errors
    ///
    /// The first program, map or slot that cannot be.
    pub fn load(object: &Object, options: &Options) -> Result<Instance, InstanceError> {
        Instance::new(&Candidates { programs: &object.programs, refused: &object.refused }, options)
    }

    /// Makes programs ready that share their list of maps, without an object: tests and case files.
    ///
    /// # Errors
    ///
    /// The first program, map or slot that cannot be.
    pub fn from_programs(programs: &[Arc<Program>], options: &Options) -> Result<Instance, InstanceError> {
        Instance::new(&Candidates { programs, refused: &[] }, options)
    }

    fn new(candidates: &Candidates<'_>, options: &Options) -> Result<Instance, InstanceError> {
        let (entry, chosen) = candidates.choose(options)?;
        let chosen = maps::without_unsupported(&chosen);
        let specs = chosen.first().map(|program| Arc::clone(&program.maps)).unwrap_or_default();
        let objects = maps::objects_of(&chosen, options.cpus).map_err(InstanceError::Map)?;
        let create = |spec| maps::create_map_for(spec, options.cpus, &objects).map_err(InstanceError::Map);
        let maps = specs.iter().map(create).collect::<Result<Vec<_>, _>>()?;
        let handles = maps.iter().map(Map::user_handle).collect();
        let mut instance = Instance {
            engine: Ready::new(options.engine)?,
            programs: Vec::with_capacity(chosen.len()),
            maps,
            objects,
            entry: 0,
            handles,
        };
        for program in &chosen {
            let loaded = instance.prepare(program, options.log)?;
            if program.name == entry {
                instance.entry = instance.programs.len();
            }
            instance.programs.push(loaded);
        }
        instance.fill(options)?;
        Ok(instance)
    }

    /// The program frames enter.
    #[must_use]
    pub fn entry(&self) -> &Arc<dyn Executable> {
        &self.programs[self.entry].executable
    }

    /// The programs, in the order of the object.
    #[must_use]
    pub fn programs(&self) -> &[LoadedProgram] {
        &self.programs
    }

    /// The program with this name.
    #[must_use]
    pub fn program(&self, name: &str) -> Option<&LoadedProgram> {
        self.programs.iter().find(|program| program.name() == name)
    }

    /// The name of the program with this id, for paths and counters.
    #[must_use]
    pub fn program_name(&self, id: ProgramId) -> Option<&str> {
        self.programs.iter().find(|program| program.executable.info().id == id).map(LoadedProgram::name)
    }

    /// The maps, in the order programs index them.
    #[must_use]
    pub fn maps(&self) -> &[Arc<Map>] {
        &self.maps
    }

    /// The objects that its programs allocated.
    #[must_use]
    pub fn objects(&self) -> &Arc<Objects> {
        &self.objects
    }

    /// The map with this name.
    #[must_use]
    pub fn map(&self, name: &str) -> Option<&Arc<Map>> {
        self.maps.iter().find(|map| map.spec().name == name)
    }

    /// Takes the instance's reference to a map out of it. Dropping it is what closing the last file descriptor is to the
    /// kernel: programs keep the map, but a prog array is emptied, unless somebody else has a reference
    /// ([`Map::user_handle`]). `None`: there is no such map, or it was taken before.
    pub fn take_handle(&mut self, map: &str) -> Option<UserHandle> {
        let at = self.handles.iter().position(|handle| handle.spec().name == map)?;
        Some(self.handles.swap_remove(at))
    }

    /// Whether any program may write or resize the packet; if none may, a capture's bytes can be used in place.
    #[must_use]
    pub fn writes_packet(&self) -> bool {
        self.programs.iter().any(|program| program.executable.info().writes_packet)
    }

    /// Fills or empties a slot of a prog array. Workers may be running.
    ///
    /// # Errors
    ///
    /// A map or program that does not exist, or what the kernel's update or delete gives. Emptying an empty slot is
    /// no error.
    pub fn set_tail(&self, tail: &Tail) -> Result<(), InstanceError> {
        let array = self.prog_array(&tail.map)?;
        match &tail.program {
            Some(name) => self.put(&tail.map, array, tail.index, name),
            None if tail.index < array.max_entries() && array.get(tail.index).is_none() => Ok(()),
            None => array.delete(tail.index).map_err(|source| InstanceError::Slot {
                map: tail.map.clone(),
                slot: tail.index,
                program: "(nothing)".to_owned(),
                source,
            }),
        }
    }

    /// Verifies and prepares one more program against this instance's maps, on its engine: to be put into a slot while
    /// workers run. It is not one of [`Instance::programs`].
    ///
    /// # Errors
    ///
    /// What the verifier, the engine or a prog array it refers to says.
    pub fn prepare(&self, program: &Arc<Program>, log: LogLevel) -> Result<LoadedProgram, InstanceError> {
        let options = bpfreplay_verifier::Options { layout: &SKB_LAYOUT, log };
        let verified = verify(Arc::clone(program), &options).map_err(|source| InstanceError::Verifier {
            program: program.name.clone(),
            source: Box::new(source),
        })?;
        let executable = self.engine.prepare(&verified, &self.maps, &self.objects)?;
        // linux: kernel/bpf/core.c bpf_check_tail_call: referring to a prog array is enough to be bound to it.
        for map in prog_arrays(program) {
            let Some(array) = self.maps.get(map).and_then(|map| map.prog_array()) else { continue };
            array.bind(executable.info()).map_err(|source| InstanceError::Owner {
                program: program.name.clone(),
                map: program.maps[map].name.clone(),
                source,
            })?;
        }
        Ok(LoadedProgram { verified, executable })
    }

    /// Whether a program of this instance calls a helper.
    #[must_use]
    pub fn calls(&self, helper: HelperId) -> bool {
        self.programs.iter().any(|program| {
            let mut insns = program.verified.program().insns.iter();
            // The second slot of a wide instruction has opcode 0.
            insns.any(|insn| insn.opcode == CALL && insn.src() == 0 && insn.imm == helper.id() as i32)
        })
    }

    /// Slots by `.values`, ascending, then the overrides as given.
    fn fill(&self, options: &Options) -> Result<(), InstanceError> {
        for map in &self.maps {
            self.fill_inner(map)?;
            let Some(array) = map.prog_array() else { continue };
            for (slot, name) in slots(map.spec()) {
                // Only the reachable ones may be missing: those of arrays that no loaded program refers to.
                if options.load == Load::Reachable && self.program(name).is_none() {
                    continue;
                }
                self.put(&map.spec().name, array, *slot, name)?;
            }
        }
        options.tails.iter().try_for_each(|tail| self.set_tail(tail))
    }

    /// The inner maps that `.values` puts into a map of maps: slot by slot, which is also the key of a hash.
    fn fill_inner(&self, outer: &Arc<Map>) -> Result<(), InstanceError> {
        let MapContent::Maps(slots) = &outer.spec().content else { return Ok(()) };
        for (slot, name) in slots {
            let inner = self.map(name).ok_or_else(|| InstanceError::NoSuchMap {
                name: name.clone(),
                known: self.maps.iter().map(|map| map.spec().name.clone()).collect(),
            })?;
            outer.update_inner(&slot.to_le_bytes(), inner, update_flags::ANY).map_err(|source| {
                InstanceError::Slot {
                    map: outer.spec().name.clone(),
                    slot: *slot,
                    program: name.clone(),
                    source,
                }
            })?;
        }
        Ok(())
    }

    fn put(&self, map: &str, array: &ProgArray, slot: u32, name: &str) -> Result<(), InstanceError> {
        let program = self.program(name).ok_or_else(|| InstanceError::NoSuchProgram {
            name: name.to_owned(),
            known: self.programs.iter().map(|program| program.name().to_owned()).collect(),
        })?;
        array.update(slot, Arc::clone(&program.executable), update_flags::ANY).map_err(|source| {
            InstanceError::Slot { map: map.to_owned(), slot, program: name.to_owned(), source }
        })
    }

    fn prog_array(&self, name: &str) -> Result<&ProgArray, InstanceError> {
        let map = self.map(name).ok_or_else(|| InstanceError::NoSuchMap {
            name: name.to_owned(),
            known: self
                .maps
                .iter()
                .filter(|map| map.spec().map_type == MapType::ProgArray)
                .map(|map| map.spec().name.clone())
                .collect(),
        })?;
        map.prog_array().ok_or_else(|| InstanceError::NotAProgArray {
            map: name.to_owned(),
            map_type: map.spec().map_type.name(),
        })
    }
}
