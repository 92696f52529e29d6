use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use bpfreplay_btf::Btf;
use bpfreplay_isa::Insn;
use bpfreplay_program::{MapContent, MapSpec, Program};
use bpfreplay_uapi::map::create_flags;
use bpfreplay_uapi::{Kfunc, MapType, ProgType};

use super::kfunc;
use super::sys::{Fd, Kernel};

/// Opcode of a call, and its source for kernel functions (`BPF_PSEUDO_KFUNC_CALL`).
const CALL: u8 = 0x85;
const PSEUDO_KFUNC_CALL: u8 = 2;

/// How often to look whether slots are clear, a millisecond apart.
const RELEASE_POLLS: u32 = 10_000;

/// Programs of one object and their maps, loaded into the kernel as `bpftool prog loadall` would.
#[derive(Debug)]
pub struct KernelInstance {
    kernel: Kernel,
    specs: Vec<MapSpec>,
    maps: Vec<MapFds>,
    programs: BTreeMap<String, Fd>,
    types: BTreeMap<String, ProgType>,
    prog_flags: u32,
    /// The types of the first program and of the maps.
    btf: Option<(Arc<[u8]>, Fd)>,
}

/// A map and user space's references to it.
#[derive(Debug)]
struct MapFds {
    id: u32,
    open: Vec<Fd>,
    /// Saw to it that the slots are clear, see [`KernelInstance::release`].
    probe: Option<Fd>,
}

/// Why an object did not load.
#[derive(Debug)]
pub enum LoadError {
    /// A map could not be made or filled.
    Map {
        /// Which.
        name: String,
        /// The kernel's error.
        error: io::Error,
    },
    /// A program was refused.
    Program(RefusedProgram),
}

/// A program the kernel refused.
#[derive(Debug)]
pub struct RefusedProgram {
    /// Which.
    pub name: String,
    /// The kernel's error.
    pub error: io::Error,
    /// The verifier's log.
    pub log: String,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::Map { name, error } => write!(f, "map {name}: {error}"),
            LoadError::Program(RefusedProgram { name, error, log }) => {
                write!(f, "program {name}: {error}\n{log}")
            }
        }
    }
}

impl std::error::Error for LoadError {}

impl KernelInstance {
    /// Makes the maps, loads the programs, fills data sections and prog arrays.
    ///
    /// # Errors
    ///
    /// The first map or program the kernel refuses.
    pub fn load(kernel: Kernel, programs: &[Arc<Program>]) -> Result<KernelInstance, LoadError> {
        KernelInstance::load_with_flags(kernel, programs, 0)
    }

    /// As [`KernelInstance::load`], with `prog_flags` of `BPF_PROG_LOAD`.
    ///
    /// # Errors
    ///
    /// The first map or program the kernel refuses.
    pub fn load_with_flags(
        kernel: Kernel,
        programs: &[Arc<Program>],
        prog_flags: u32,
    ) -> Result<KernelInstance, LoadError> {
        let specs = programs.first().map_or_else(Vec::new, |program| program.maps.to_vec());
        let btf = programs.first().and_then(|program| program.btf.clone());
        let types = btf.as_deref().and_then(|btf| kernel.load_btf(btf).ok());
        let mut maps = Vec::with_capacity(specs.len());
        for spec in &specs {
            let error = |error| LoadError::Map { name: spec.name.clone(), error };
            // The loader mends a program's types in place: they have the same ids and the same length.
            let shared = |spec: &MapSpec| {
                let same = |own: &Arc<Btf>| btf.as_ref().is_some_and(|raw| raw.len() == own.raw().len());
                types.as_ref().filter(|_| spec.btf.as_ref().is_none_or(same))
            };
            let fd = make_map_with_types(kernel, spec, shared).map_err(error)?;
            let id = kernel.object_id(&fd).map_err(error)?;
            maps.push(MapFds { id, open: vec![fd], probe: None });
        }
        let mut instance = KernelInstance {
            kernel,
            specs,
            maps,
            programs: BTreeMap::new(),
            types: BTreeMap::new(),
            btf: btf.zip(types),
            prog_flags,
        };
        for program in programs {
            instance.add(program).map_err(LoadError::Program)?;
        }
        instance.fill_prog_arrays()?;
        instance.fill_maps_of_maps()?;
        Ok(instance)
    }

    /// Loads one more program with the maps of the others.
    ///
    /// # Errors
    ///
    /// The kernel's, and the verifier's log.
    pub fn add(&mut self, program: &Program) -> Result<(), RefusedProgram> {
        let refused = |(error, log)| RefusedProgram { name: program.name.clone(), error, log };
        let own = self.own_btf(program);
        let btf = own.as_ref().or_else(|| self.shared_btf(program));
        let insns = self.with_map_fds(program);
        let fd = self.kernel.load_program(program, &insns, btf, self.prog_flags).map_err(refused)?;
        self.programs.insert(program.name.clone(), fd);
        self.types.insert(program.name.clone(), program.prog_type);
        Ok(())
    }

    /// The verifier's log of a program that is loaded with the maps of the others and forgotten.
    #[must_use]
    pub fn log_of(&self, program: &Program, level: u32) -> String {
        let own = self.own_btf(program);
        let btf = own.as_ref().or_else(|| self.shared_btf(program));
        self.kernel.verifier_log(program, &self.with_map_fds(program), btf, level)
    }

    /// The types of a program that are those of the maps, too: to the kernel a type is the same only in the same BTF.
    fn shared_btf(&self, program: &Program) -> Option<&Fd> {
        let (bytes, fd) = self.btf.as_ref()?;
        (!program.funcs.is_empty() && program.btf.as_ref() == Some(bytes)).then_some(fd)
    }

    /// Those of a program that are not. Types the kernel does not take are left out, as libbpf does: what needs them is
    /// refused then.
    fn own_btf(&self, program: &Program) -> Option<Fd> {
        let btf = program.btf.as_ref().filter(|_| !program.funcs.is_empty())?;
        if self.shared_btf(program).is_some() { None } else { self.kernel.load_btf(btf).ok() }
    }

    /// Takes a program out: closing it is the caller's.
    pub fn remove(&mut self, name: &str) -> Option<Fd> {
        self.programs.remove(name)
    }

    /// One more reference of user space to a map.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn open(&mut self, name: &str) -> io::Result<()> {
        let kernel = self.kernel;
        let map = self.map_fds(name)?;
        let fd = match map.probe.take() {
            Some(probe) => probe,
            None => kernel.map_by_id(map.id)?,
        };
        map.open.push(fd);
        Ok(())
    }

    /// One reference of user space to a map less. The last one of a prog array clears its slots, which the kernel does
    /// in its own time (`prog_array_map_clear`): this waits for it, behind a new reference that stays hidden until the
    /// next [`KernelInstance::open`].
    ///
    /// # Errors
    ///
    /// EBADF without a reference, ETIMEDOUT for slots that are never cleared, the kernel's.
    pub fn release(&mut self, name: &str) -> io::Result<()> {
        let kernel = self.kernel;
        let is_prog_array = self.map(name).is_some_and(|(spec, _)| spec.map_type == MapType::ProgArray);
        let map = self.map_fds(name)?;
        drop(map.open.pop().ok_or_else(|| io::Error::from_raw_os_error(libc::EBADF))?);
        if !map.open.is_empty() || !is_prog_array {
            return Ok(());
        }
        let probe = match kernel.map_by_id(map.id) {
            Ok(probe) => probe,
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(()),
            Err(error) => return Err(error),
        };
        for _ in 0..RELEASE_POLLS {
            if slots_are_clear(kernel, &probe)? {
                map.probe = Some(probe);
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Err(io::Error::from_raw_os_error(libc::ETIMEDOUT))
    }

    /// The kernel this is loaded into.
    #[must_use]
    pub fn kernel(&self) -> Kernel {
        self.kernel
    }

    /// A program by name.
    #[must_use]
    pub fn program(&self, name: &str) -> Option<&Fd> {
        self.programs.get(name)
    }

    /// Its type.
    #[must_use]
    pub fn prog_type(&self, name: &str) -> Option<ProgType> {
        self.types.get(name).copied()
    }

    /// A map by name, with what it was made from.
    #[must_use]
    pub fn map(&self, name: &str) -> Option<(&MapSpec, &Fd)> {
        let at = self.specs.iter().position(|spec| spec.name == name)?;
        Some((&self.specs[at], self.maps[at].open.first()?))
    }

    /// Every map with what it was made from.
    pub fn maps(&self) -> impl Iterator<Item = (&MapSpec, &Fd)> {
        self.specs.iter().zip(&self.maps).filter_map(|(spec, map)| Some((spec, map.open.first()?)))
    }

    /// Every program by name.
    pub fn programs(&self) -> impl Iterator<Item = (&str, &Fd)> {
        self.programs.iter().map(|(name, fd)| (name.as_str(), fd))
    }

    /// All entries of a map, by key. Per-CPU values come one CPU after the other, each rounded up to 8 bytes.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn entries(&self, name: &str) -> io::Result<BTreeMap<Vec<u8>, Vec<u8>>> {
        let (spec, fd) = self.map(name).ok_or_else(|| io::Error::from_raw_os_error(libc::ENOENT))?;
        let size = match spec.map_type {
            MapType::PercpuArray | MapType::PercpuHash | MapType::LruPercpuHash => {
                spec.value_size.next_multiple_of(8) as usize * possible_cpus()
            }
            _ => spec.value_size as usize,
        };
        let mut entries = BTreeMap::new();
        let mut key = None;
        while let Some(next) = self.kernel.next_key(fd, key.as_deref(), spec.key_size as usize)? {
            match self.kernel.lookup(fd, &next, size) {
                Ok(value) => drop(entries.insert(next.clone(), value)),
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
                Err(error) => return Err(error),
            }
            key = Some(next);
        }
        Ok(entries)
    }

    fn map_fds(&mut self, name: &str) -> io::Result<&mut MapFds> {
        let at = self.specs.iter().position(|spec| spec.name == name);
        at.map(|at| &mut self.maps[at]).ok_or_else(|| io::Error::from_raw_os_error(libc::ENOENT))
    }

    /// The instructions of a program with the maps' descriptors in them, as `BPF_PROG_LOAD` takes them.
    #[must_use]
    pub fn with_map_fds(&self, program: &Program) -> Vec<Insn> {
        let mut insns = program.insns.clone();
        let mut pc = 0;
        while pc < insns.len() {
            let wide = insns[pc].is_wide();
            if wide && matches!(insns[pc].src(), 1 | 2) {
                // A map the program does not have becomes a descriptor nobody has.
                let fd = self.maps.get(insns[pc].imm as usize).and_then(|map| map.open.first());
                let fd = fd.map_or(i32::MAX, Fd::as_raw_fd);
                insns[pc].imm = fd;
            }
            // One with fields it must not have, too: the kernel looks functions up before it looks at those.
            let is_kfunc = insns[pc].opcode == CALL && insns[pc].src() == PSEUDO_KFUNC_CALL;
            if is_kfunc && let Some(id) = Kfunc::from_id(insns[pc].imm as u32).and_then(kfunc::btf_id) {
                insns[pc].imm = id;
            }
            pc += if wide { 2 } else { 1 };
        }
        insns
    }

    fn fill_maps_of_maps(&self) -> Result<(), LoadError> {
        for (spec, fd) in self.maps() {
            let MapContent::Maps(slots) = &spec.content else { continue };
            for (slot, name) in slots {
                let error = |error| LoadError::Map { name: spec.name.clone(), error };
                let (_, inner) =
                    self.map(name).ok_or_else(|| error(io::Error::from_raw_os_error(libc::ESRCH)))?;
                self.kernel.update_map(fd, &slot.to_ne_bytes(), inner, 0).map_err(error)?;
            }
        }
        Ok(())
    }

    fn fill_prog_arrays(&self) -> Result<(), LoadError> {
        for (spec, fd) in self.maps() {
            let MapContent::Programs(slots) = &spec.content else { continue };
            for (slot, name) in slots {
                let error = |error| LoadError::Map { name: spec.name.clone(), error };
                let program = self
                    .programs
                    .get(name)
                    .ok_or_else(|| error(io::Error::from_raw_os_error(libc::ESRCH)))?;
                self.kernel.update_prog(fd, *slot, program, 0).map_err(error)?;
            }
        }
        Ok(())
    }
}

/// CPUs the kernel keeps per-CPU values for.
#[must_use]
pub fn possible_cpus() -> usize {
    let text = std::fs::read_to_string("/sys/devices/system/cpu/possible").unwrap_or_default();
    let last = text.trim().rsplit(['-', ',']).next().and_then(|last| last.parse::<usize>().ok());
    last.map_or(1, |last| last + 1)
}

/// Creates a map, and the one it is a map of; puts data into data sections.
///
/// # Errors
///
/// The kernel's.
pub fn make_map(kernel: Kernel, spec: &MapSpec) -> io::Result<Fd> {
    make_map_with_types(kernel, spec, |_| None)
}

/// `shared`: the program's types, for maps whose types are those.
fn make_map_with_types<'t>(
    kernel: Kernel,
    spec: &MapSpec,
    shared: impl Fn(&MapSpec) -> Option<&'t Fd>,
) -> io::Result<Fd> {
    // A map whose types are not the program's brings its own.
    let own = |spec: &MapSpec| {
        let own = spec.btf.as_ref().filter(|_| shared(spec).is_none());
        own.and_then(|btf| kernel.load_btf(btf.raw()).ok())
    };
    let create = |inner| kernel.create_map(inner, None, own(inner).as_ref().or(shared(inner)));
    let inner = spec.inner.as_deref().map(create).transpose()?;
    let own = own(spec);
    let types = own.as_ref().or(shared(spec));
    // Not every type of map takes types; libbpf tries again without.
    let typed = kernel.create_map(spec, inner.as_ref(), types);
    let fd = typed.or_else(|_| kernel.create_map(spec, inner.as_ref(), None))?;
    if let MapContent::Data { bytes, frozen } = &spec.content {
        // .rodata is made RDONLY_PROG; user space fills it once, then freezes it.
        kernel.update(&fd, &0u32.to_ne_bytes(), bytes, 0)?;
        if *frozen {
            debug_assert!(spec.map_flags & create_flags::RDONLY_PROG != 0, "{} must be read-only", spec.name);
            kernel.freeze(&fd)?;
        }
    }
    Ok(fd)
}

fn slots_are_clear(kernel: Kernel, map: &Fd) -> io::Result<bool> {
    let mut key = None;
    while let Some(next) = kernel.next_key(map, key.as_deref(), 4)? {
        match kernel.lookup(map, &next, 4) {
            Ok(_) => return Ok(false),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => key = Some(next),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}
