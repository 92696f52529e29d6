use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bpfreplay_program::{MapSpec, Program};
use bpfreplay_uapi::{Errno, ProgType};

use super::engine::{Engine, Loaded, Outcome, RefusedLoad};
use crate::kernel::{self, Kernel, KernelInstance, LoadError, TestRun, make_map};

/// A file descriptor that is not open: more than a process can have.
const NOBODYS_FD: RawFd = i32::MAX;

/// The running kernel, by `BPF_PROG_TEST_RUN`.
#[derive(Clone, Copy, Debug)]
pub struct KernelEngine(pub Kernel);

impl Engine for KernelEngine {
    fn name(&self) -> &'static str {
        "kernel"
    }

    fn load(&self, programs: &[Arc<Program>]) -> anyhow::Result<Box<dyn Loaded>> {
        match KernelInstance::load(self.0, programs) {
            Ok(instance) => Ok(Box::new(instance)),
            Err(LoadError::Map { name, error }) => bail!("map {name}: {}", errno(&error)),
            Err(error) => Err(error.into()),
        }
    }
}

impl Loaded for KernelInstance {
    fn run(&mut self, program: &str, frame: &[u8]) -> anyhow::Result<Option<Outcome>> {
        let fd = self.program(program).with_context(|| format!("no program {program}"))?;
        let run = match self.prog_type(program) {
            Some(ProgType::Xdp) => self.kernel().test_run_without_context(fd, frame),
            _ => self.kernel().test_run(fd, frame, &[0; 192], 1),
        };
        match run {
            Ok(run) => Ok(Some(outcome(run))),
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn wait(&mut self, time: Duration) -> anyhow::Result<()> {
        std::thread::sleep(time);
        Ok(())
    }

    fn load(&mut self, program: &Arc<Program>) -> Result<(), RefusedLoad> {
        self.add(program).map_err(|refused| RefusedLoad {
            errno: errno(&refused.error),
            message: format!("{}\n{}", refused.error, refused.log),
        })
    }

    fn close(&mut self, program: &str) -> anyhow::Result<()> {
        self.remove(program).with_context(|| format!("no program {program}")).map(drop)
    }

    fn create(&mut self, spec: &MapSpec) -> Result<(), Errno> {
        make_map(self.kernel(), spec).map(drop).map_err(|error| errno(&error))
    }

    fn open(&mut self, map: &str) -> anyhow::Result<()> {
        Ok(KernelInstance::open(self, map)?)
    }

    fn release(&mut self, map: &str) -> anyhow::Result<()> {
        Ok(KernelInstance::release(self, map)?)
    }

    fn update(&mut self, map: &str, slot: u32, program: &str, flags: u64) -> Result<(), Errno> {
        let (_, fd) = self.map(map).ok_or(Errno::ENOENT)?;
        let program = self.program(program).map_or(NOBODYS_FD, AsRawFd::as_raw_fd);
        let value = program.to_ne_bytes();
        self.kernel().update(fd, &slot.to_ne_bytes(), &value, flags).map_err(|error| errno(&error))
    }

    fn delete(&mut self, map: &str, slot: u32) -> Result<(), Errno> {
        let (_, fd) = self.map(map).ok_or(Errno::ENOENT)?;
        self.kernel().delete(fd, &slot.to_ne_bytes()).map_err(|error| errno(&error))
    }

    fn lookup(&mut self, map: &str, slot: u32) -> Result<String, Errno> {
        let (_, fd) = self.map(map).ok_or(Errno::ENOENT)?;
        let id = self.kernel().lookup(fd, &slot.to_ne_bytes(), 4).map_err(|error| errno(&error))?;
        let id = u32::from_ne_bytes(id.try_into().expect("an id has four bytes"));
        let holds = |fd| self.kernel().object_id(fd).is_ok_and(|known| known == id);
        let name = self.programs().find(|(_, fd)| holds(fd)).map(|(name, _)| name.to_owned());
        Ok(name.unwrap_or_else(|| format!("program {id}")))
    }

    fn lookup_and_delete(&mut self, map: &str, slot: u32) -> Result<(), Errno> {
        let (_, fd) = self.map(map).ok_or(Errno::ENOENT)?;
        let value = self.kernel().lookup_and_delete(fd, &slot.to_ne_bytes(), 4);
        value.map(drop).map_err(|error| errno(&error))
    }

    fn produce(&mut self, map: &str, sample: &[u8]) -> Result<(), Errno> {
        let (spec, fd) = self.map(map).ok_or(Errno::ENOENT)?;
        kernel::produce(fd, spec.max_entries as usize, sample).map_err(|error| errno(&error))
    }

    fn freeze(&mut self, map: &str) -> Result<(), Errno> {
        let (_, fd) = self.map(map).ok_or(Errno::ENOENT)?;
        self.kernel().freeze(fd).map_err(|error| errno(&error))
    }

    fn next_key(&mut self, map: &str, slot: Option<u32>) -> Result<u32, Errno> {
        let (_, fd) = self.map(map).ok_or(Errno::ENOENT)?;
        let key = slot.map(u32::to_ne_bytes);
        let next =
            self.kernel().next_key(fd, key.as_ref().map(|key| &key[..]), 4).map_err(|error| errno(&error))?;
        let next = next.ok_or(Errno::ENOENT)?;
        Ok(u32::from_ne_bytes(next.try_into().expect("the key has four bytes")))
    }

    fn entries(&mut self, map: &str) -> anyhow::Result<BTreeMap<Vec<u8>, Vec<u8>>> {
        Ok(KernelInstance::entries(self, map)?)
    }
}

fn outcome(run: TestRun) -> Outcome {
    // XDP has none of these fields.
    let word = |off: usize| {
        run.ctx.get(off..off + 4).map_or(0, |word| u32::from_ne_bytes(word.try_into().expect("4 bytes")))
    };
    Outcome {
        retval: run.retval,
        mark: word(8),
        priority: word(32),
        cb: [word(48), word(52), word(56), word(60), word(64)],
        data: run.data,
        path: None,
        failed: None,
    }
}

fn errno(error: &io::Error) -> Errno {
    let number = error.raw_os_error().unwrap_or_default();
    let known = Errno::ALL.iter().copied().find(|errno| errno.number() == number);
    known.unwrap_or_else(|| panic!("an error number the table lacks: {error}"))
}
