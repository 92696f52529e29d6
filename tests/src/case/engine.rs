use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bpfreplay_program::{MapSpec, Program};
use bpfreplay_uapi::Errno;

/// What runs cases: one of our engines, or the kernel.
pub trait Engine {
    /// Its name in messages.
    fn name(&self) -> &'static str;

    /// Loads programs that share maps, and fills the prog arrays.
    ///
    /// # Errors
    ///
    /// What the engine says; where a map is refused, with the kernel's number in the text.
    fn load(&self, programs: &[Arc<Program>]) -> anyhow::Result<Box<dyn Loaded>>;
}

/// Loaded programs and their maps.
pub trait Loaded {
    /// Runs a program on a frame, in the context `BPF_PROG_TEST_RUN` builds. `None`: the frame is refused.
    ///
    /// # Errors
    ///
    /// A fault, or a program that does not exist.
    fn run(&mut self, program: &str, frame: &[u8]) -> anyhow::Result<Option<Outcome>>;

    /// Lets time pass; timers that are due by then have run when this returns.
    ///
    /// # Errors
    ///
    /// A fault of a timer's callback.
    fn wait(&mut self, time: Duration) -> anyhow::Result<()>;

    /// Loads one more program with the maps of the others.
    ///
    /// # Errors
    ///
    /// The kernel's number, and what the verifier said.
    fn load(&mut self, program: &Arc<Program>) -> Result<(), RefusedLoad>;

    /// Closes user space's reference to a program that [`Loaded::load`] loaded.
    ///
    /// # Errors
    ///
    /// A program that does not exist.
    fn close(&mut self, program: &str) -> anyhow::Result<()>;

    /// Creates a map and forgets it.
    ///
    /// # Errors
    ///
    /// The kernel's number.
    fn create(&mut self, spec: &MapSpec) -> Result<(), Errno>;

    /// One more reference of user space to a map.
    ///
    /// # Errors
    ///
    /// A map that does not exist.
    fn open(&mut self, map: &str) -> anyhow::Result<()>;

    /// One reference of user space to a map less. What comes of it has happened when this returns.
    ///
    /// # Errors
    ///
    /// A map that does not exist or has no reference left; slots that are never cleared.
    fn release(&mut self, map: &str) -> anyhow::Result<()>;

    /// Puts a program into a slot of a prog array. A name no program has stands for a descriptor nobody has.
    ///
    /// # Errors
    ///
    /// The kernel's number.
    fn update(&mut self, map: &str, slot: u32, program: &str, flags: u64) -> Result<(), Errno>;

    /// Empties a slot of a prog array.
    ///
    /// # Errors
    ///
    /// The kernel's number.
    fn delete(&mut self, map: &str, slot: u32) -> Result<(), Errno>;

    /// The program in a slot of a prog array, by name.
    ///
    /// # Errors
    ///
    /// The kernel's number.
    fn lookup(&mut self, map: &str, slot: u32) -> Result<String, Errno>;

    /// `BPF_MAP_LOOKUP_AND_DELETE_ELEM` of a slot.
    ///
    /// # Errors
    ///
    /// The kernel's number.
    fn lookup_and_delete(&mut self, map: &str, slot: u32) -> Result<(), Errno>;

    /// Puts a sample into a user ring buffer.
    ///
    /// # Errors
    ///
    /// ENOSPC, E2BIG; EINVAL for other maps.
    fn produce(&mut self, map: &str, sample: &[u8]) -> Result<(), Errno>;

    /// Freezes a map.
    ///
    /// # Errors
    ///
    /// The kernel's number.
    fn freeze(&mut self, map: &str) -> Result<(), Errno>;

    /// The slot after this one; the first for `None`.
    ///
    /// # Errors
    ///
    /// The kernel's number: ENOENT after the last.
    fn next_key(&mut self, map: &str, slot: Option<u32>) -> Result<u32, Errno>;

    /// All entries of a map by key, as user space reads them. Per-CPU values: the sum over CPUs of 8-byte words is
    /// left to the caller; the values of all CPUs come one after the other, each rounded up to 8 bytes.
    ///
    /// # Errors
    ///
    /// A map that does not exist.
    fn entries(&mut self, map: &str) -> anyhow::Result<BTreeMap<Vec<u8>, Vec<u8>>>;
}

/// Why a program was not loaded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RefusedLoad {
    /// The kernel's number.
    pub errno: Errno,
    /// What was said.
    pub message: String,
}

/// What a run left.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// r0, cut to 32 bits.
    pub retval: u32,
    /// The packet.
    pub data: Vec<u8>,
    /// `mark`.
    pub mark: u32,
    /// `priority`.
    pub priority: u32,
    /// `cb`.
    pub cb: [u32; 5],
    /// The programs it went through; the kernel does not tell.
    pub path: Option<Vec<String>>,
    /// Tail calls that fell through, as "program index reason"; the kernel does not tell.
    pub failed: Option<Vec<String>>,
}
