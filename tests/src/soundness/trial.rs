//! One mutant before everybody.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bpfreplay_interpreter::Interpreter;
use bpfreplay_program::{MapContent, MapSpec, Program};
use bpfreplay_runtime::skb::{Bytes, Device, Frame, Hook, Link};
use bpfreplay_runtime::xdp::XdpHook;
use bpfreplay_runtime::{
    Context, ContextKind, Executable, ExecutionContext, FaultKind, Map, Packet, SKB_LAYOUT, XdpPacket,
};
use bpfreplay_uapi::map::update_flags;
use bpfreplay_verifier::{ErrorKind, LogLevel, Options, VerifiedProgram, verify};

use super::mutate::listing;
use super::random::Random;
use crate::Kernel;
use crate::kernel::KernelInstance;

/// Runs of an accepted program: packets of several kinds, maps with other contents each time.
const RUNS: usize = 6;
/// Runs of a program that the kernel refuses for a range it does not know.
const RUNS_OF_DOUBTFUL: usize = 200;
/// Instructions of a run: the kernel grants nested `bpf_loop`s far more than anybody waits for.
const STEPS_MAX: u64 = 200_000;
/// Instructions our verifier processes of a program the kernel is asked about.
const KERNEL_INSNS_MAX: u32 = 20_000;
/// Bytes of maps that are made for a mutant.
const MAP_BYTES_MAX: u64 = 1 << 20;
/// Entries put into each map before a run.
const ENTRIES: usize = 3;

/// What became of a mutant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// We refuse it; the kernel was not asked, or refuses it as well.
    Refused,
    /// We refuse it and the kernel accepts it; with our message.
    Stricter(String),
    /// Accepted, and none of its runs did what it must not.
    Sound,
    /// Accepted, and refused by the kernel for a range it does not know; many more runs than usual showed nothing.
    Laxer(String),
    /// Accepted, but not run: its maps are too large, or its type is not one that runs here.
    NotRun,
}

/// Refusals of the kernel that may mean that we know the range of a number better: what it asks for is proved here, by
/// parts that `scalar` keeps and the kernel loses (a sum's bounds where only one end may wrap, links through constants,
/// signed and unsigned halves). Any other refusal of what we accept is a finding.
const RANGES: &[&str] = &[
    "min value is negative",
    "is outside of the allowed memory range",
    "unbounded memory access",
    "unbounded min value",
    "offset is outside of the packet",
    "invalid unbounded variable-offset",
    "invalid variable-offset",
    "The sequence of",
    "BPF program is too large",
];

/// What must not happen.
#[derive(Clone, Debug)]
pub enum Finding {
    /// The verifier panicked.
    Panic {
        /// The program.
        program: String,
    },
    /// An accepted program faulted.
    Fault {
        /// The program.
        program: String,
        /// The xlated slot.
        pc: u32,
        /// What it did.
        kind: FaultKind,
    },
    /// We accept what the kernel refuses.
    Unsound {
        /// The program.
        program: String,
        /// The kernel's words.
        kernel: String,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::Panic { program } => write!(f, "the verifier panics on\n{program}"),
            Finding::Fault { program, pc, kind } => {
                write!(f, "accepted, and faults at xlated slot {pc}: {kind:?}\n{program}")
            }
            Finding::Unsound { program, kernel } => {
                write!(f, "accepted, and the kernel refuses:\n{program}{kernel}")
            }
        }
    }
}

/// Whether the kernel is asked about programs that we refuse.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AskAboutRefused {
    /// It takes longer, and shows where we are stricter.
    Yes,
    /// Soundness alone.
    No,
}

/// How a run ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ended {
    Exit,
    OutOfSteps,
}

/// Who is asked, and with what.
#[derive(Debug)]
pub struct Trial {
    kernel: Option<Kernel>,
    refused: AskAboutRefused,
    interpreter: Interpreter,
    exec: ExecutionContext,
    packet: Packet,
    xdp: XdpPacket,
}

impl Trial {
    /// With the kernel, or without.
    #[must_use]
    pub fn new(kernel: Option<Kernel>, refused: AskAboutRefused) -> Trial {
        let interpreter = Interpreter::with_step_limit(STEPS_MAX);
        Trial {
            kernel,
            refused,
            interpreter,
            exec: ExecutionContext::new(0),
            packet: Packet::new(),
            xdp: XdpPacket::new(),
        }
    }

    /// Verifies, runs, asks the kernel.
    ///
    /// # Errors
    ///
    /// What must not happen.
    pub fn judge(&mut self, program: &Arc<Program>, random: &mut Random) -> Result<Verdict, Finding> {
        let options = Options { layout: &SKB_LAYOUT, log: LogLevel::Off };
        let verdict = catch_unwind(AssertUnwindSafe(|| verify(Arc::clone(program), &options)))
            .map_err(|_| Finding::Panic { program: listing(program) })?;
        // The kernel takes its time over what takes many steps, and what we refuse is only asked for who wants to know.
        let asked = verdict
            .as_ref()
            .map_or(self.refused == AskAboutRefused::Yes, |ok| ok.facts().insns_processed < KERNEL_INSNS_MAX);
        let kernel = self.kernel.filter(|_| asked);
        let kernel = kernel.map(|kernel| KernelInstance::load(kernel, &[Arc::clone(program)]));
        match (verdict, kernel) {
            (Ok(verified), None | Some(Ok(_))) => self.run_all(&verified, RUNS, random),
            (Ok(verified), Some(Err(error))) => {
                // The worse of the two findings first.
                self.run_all(&verified, RUNS_OF_DOUBTFUL, random)?;
                let kernel = error.to_string();
                match RANGES.iter().find(|range| kernel.contains(*range)) {
                    Some(range) => Ok(Verdict::Laxer((*range).to_owned())),
                    None => Err(Finding::Unsound { program: listing(program), kernel }),
                }
            }
            (Err(error), Some(Ok(_))) if error.kind != ErrorKind::Unsupported => {
                Ok(Verdict::Stricter(error.message))
            }
            (Err(_), _) => Ok(Verdict::Refused),
        }
    }

    fn run_all(
        &mut self,
        verified: &VerifiedProgram,
        runs: usize,
        random: &mut Random,
    ) -> Result<Verdict, Finding> {
        let program = verified.program();
        let room: u64 = program.maps.iter().map(map_bytes).fold(0, u64::saturating_add);
        if room > MAP_BYTES_MAX || ContextKind::of(program.prog_type) == ContextKind::Plain {
            return Ok(Verdict::NotRun);
        }
        let maps: Result<Vec<_>, _> = program.maps.iter().map(|spec| Map::create(spec, 1)).collect();
        let Ok(maps) = maps else { return Ok(Verdict::NotRun) };
        let Ok(executable) = self.interpreter.prepare(verified, &maps) else { return Ok(Verdict::NotRun) };
        for _ in 0..runs {
            maps.iter().for_each(|map| fill(map, random));
            // What ran out of steps may hold a lock, which the next run would wait for.
            if self.run(program, &*executable, random)? == Ended::OutOfSteps {
                break;
            }
        }
        Ok(Verdict::Sound)
    }

    fn run(
        &mut self,
        program: &Program,
        executable: &dyn Executable,
        random: &mut Random,
    ) -> Result<Ended, Finding> {
        let len = random.one_of(&[14, 15, 20, 34, 42, 54, 60, 64, 98, 128, 300, 1500, 4000]);
        let mut bytes = vec![0; len];
        random.fill(&mut bytes);
        if random.below(3) > 0 {
            headers(&mut bytes);
        }
        self.exec.now_ns = random.bits();
        self.exec.prandom = random.bits();
        if ContextKind::of(program.prog_type) == ContextKind::Xdp {
            let hook = XdpHook::Ingress(Device::default());
            let Ok(xdp) = self.xdp.load(Bytes::Copied(&bytes), &hook) else { return Ok(Ended::Exit) };
            executable.run(Context::Xdp(xdp), &mut self.exec.batch());
            return self.ended(program);
        }
        let frame =
            Frame { bytes: Bytes::Copied(&bytes), link: Link::Ethernet, wire_len: len as u32, time_ns: 1 };
        let hook = Hook::Ingress(Device::default());
        let Ok(skb) = self.packet.load(frame, &hook) else { return Ok(Ended::Exit) };
        skb.mark = random.bits() as u32;
        skb.priority = random.bits() as u32;
        executable.run(Context::Skb(skb), &mut self.exec.batch());
        self.ended(program)
    }

    fn ended(&mut self, program: &Program) -> Result<Ended, Finding> {
        match self.exec.fault.take() {
            // Termination is the verifier's promise over all paths, not a number of steps.
            None => Ok(Ended::Exit),
            Some(fault) if fault.kind == FaultKind::StepLimit => Ok(Ended::OutOfSteps),
            Some(fault) => Err(Finding::Fault { program: listing(program), pc: fault.pc, kind: fault.kind }),
        }
    }
}

/// Ethernet, IPv4 and TCP, so that programs that look for them find them.
fn headers(bytes: &mut [u8]) {
    const IPV4_TCP: [u8; 24] =
        [0x08, 0x00, 0x45, 0, 0, 50, 0, 1, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0x1f, 0x90];
    for (to, from) in bytes.iter_mut().skip(12).zip(IPV4_TCP) {
        *to = from;
    }
}

fn map_bytes(spec: &MapSpec) -> u64 {
    u64::from(spec.max_entries) * (u64::from(spec.key_size) + u64::from(spec.value_size) + 64)
}

/// Values of all sorts in the map; what does not take them keeps what it has.
fn fill(map: &Map, random: &mut Random) {
    let spec = map.spec();
    // A lock that is written over is held by nobody who would let it go.
    if !matches!(spec.content, MapContent::Empty) || !spec.special.is_empty() {
        return;
    }
    for at in 0..ENTRIES {
        let mut key = vec![0; spec.key_size as usize];
        if at > 0 && random.below(2) == 0 {
            random.fill(&mut key);
        } else if let Some(first) = key.first_mut() {
            *first = at as u8;
        }
        let values = if map.is_per_cpu() { map.cpus() as usize } else { 1 };
        let stride = if map.is_per_cpu() { spec.value_size.next_multiple_of(8) } else { spec.value_size };
        let mut value = vec![0; stride as usize * values];
        random.fill(&mut value);
        // Full, frozen, or of a type that takes none: all are as good.
        drop(map.update(&key, &value, update_flags::ANY));
    }
}
