//! What everyone says of one trial.

use std::sync::Arc;

use bpfreplay_instance::{Engine, Instance};
use bpfreplay_program::Program;
use bpfreplay_runtime::skb::{Bytes, Frame, Hook, Layer, Link, TestRun};
use bpfreplay_runtime::xdp::XdpHook;
use bpfreplay_runtime::{Context, ExecutionContext, Packet, SKB_LAYOUT, XdpPacket};
use bpfreplay_uapi::ProgType;
use bpfreplay_verifier::{LogLevel, Options, verify};

use super::trial::Trial;
use crate::Kernel;
use crate::kernel::{KernelInstance, LoadError};

/// `BPF_F_STRICT_ALIGNMENT`: this engine, as the kernel on x86, has no use for it.
pub(super) const STRICT_ALIGNMENT: u32 = 1 << 0;

/// What the clock says: a program asks whether it stands at 0, which the kernel's never does.
const TIME_NS: u64 = 1_000_000_000;

/// Everyone's word on a trial.
#[derive(Clone, Debug)]
pub struct Verdicts {
    /// Our loader and verifier.
    pub ours: Said,
    /// The kernel of this machine, on the same instructions; `None` if it was not asked.
    pub kernel: Option<Said>,
    /// Whether our message is in the kernel's log; `None` where not both refuse.
    pub same_words: Option<bool>,
    /// What the runs returned, by engine.
    pub ran: Vec<Ran>,
}

/// Whether a program loads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Said {
    /// Yes.
    Accepts,
    /// No; with the message, whole.
    Refuses(String),
}

/// One run on one engine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ran {
    /// `jit`, `interpreter` or `kernel`.
    pub engine: &'static str,
    /// Number of the run, from 0.
    pub run: usize,
    /// What is expected; `None`: any value.
    pub want: Option<u32>,
    /// r0, or why there is none.
    pub got: Result<u32, String>,
}

impl Ran {
    /// Whether it returned what it should.
    #[must_use]
    pub fn right(&self) -> bool {
        matches!((&self.got, self.want), (Ok(got), want) if want.is_none_or(|want| want == *got))
    }
}

/// Asks everyone.
#[derive(Clone, Copy, Debug)]
pub struct Judge {
    /// The kernel, where it may be asked.
    pub kernel: Option<Kernel>,
}

impl Judge {
    /// Judges one trial: our loader and verifier, the kernel's, and the runs on every engine.
    #[must_use]
    pub fn judge(&self, trial: &Trial) -> Verdicts {
        let programs = match &trial.programs {
            Ok(programs) => programs,
            Err(error) => {
                return Verdicts {
                    ours: Said::Refuses(format!("loader: {error}")),
                    kernel: None,
                    same_words: None,
                    ran: Vec::new(),
                };
            }
        };
        let ours = ours(&programs[0]);
        let mut ran = Vec::new();
        let mut same_words = None;
        let (kernel, instance) = match self.kernel.map(|kernel| load(kernel, trial, programs)) {
            Some(Ok(instance)) => (Some(Said::Accepts), Some(instance)),
            Some(Err(Refusal { short, log })) => {
                if let Said::Refuses(message) = &ours {
                    same_words = Some(log.contains(message.lines().next().unwrap_or_default()));
                }
                (Some(Said::Refuses(short)), None)
            }
            None => (None, None),
        };
        if ours == Said::Accepts {
            // The interpreter first: it checks every access, and what faults there must not run natively.
            for engine in [Engine::Interpreter, Engine::Jit] {
                if ran.iter().all(Ran::right) {
                    run_ours(engine, trial, programs, &mut ran);
                }
            }
        }
        if let Some(instance) = instance {
            run_kernel(&instance, trial, &mut ran);
        }
        Verdicts { ours, kernel, same_words, ran }
    }
}

fn ours(program: &Arc<Program>) -> Said {
    let options = Options { layout: &SKB_LAYOUT, log: LogLevel::Off };
    match verify(Arc::clone(program), &options) {
        Ok(_) => Said::Accepts,
        Err(error) => Said::Refuses(error.to_string()),
    }
}

/// Why the kernel refuses: in a line, and its whole log.
struct Refusal {
    short: String,
    log: String,
}

fn load(kernel: Kernel, trial: &Trial, programs: &[Arc<Program>]) -> Result<KernelInstance, Refusal> {
    KernelInstance::load_with_flags(kernel, programs, trial.flags).map_err(|error| match error {
        LoadError::Program(refused) => {
            Refusal { short: format!("{}: {}", refused.error, last_words(&refused.log)), log: refused.log }
        }
        error => Refusal { short: error.to_string(), log: String::new() },
    })
}

/// The message of a verifier's log: the lines before the statistics, without the trace.
fn last_words(log: &str) -> String {
    let lines: Vec<&str> = log.lines().filter(|line| !line.starts_with("processed ")).collect();
    lines.iter().rev().take(2).rev().copied().collect::<Vec<_>>().join(" / ")
}

fn run_ours(engine: Engine, trial: &Trial, programs: &[Arc<Program>], ran: &mut Vec<Ran>) {
    if trial.runs.is_empty() {
        return;
    }
    let options = bpfreplay_instance::Options { engine, ..bpfreplay_instance::Options::default() };
    let instance = Instance::from_programs(programs, &options).map_err(|error| error.to_string());
    let mut exec = ExecutionContext::new(0);
    exec.now_ns = TIME_NS;
    for (at, run) in trial.runs.iter().enumerate() {
        let got = match &instance {
            Ok(instance) => run_once(instance, &programs[0].name, &run.data, &mut exec),
            Err(error) => Err(error.clone()),
        };
        ran.push(Ran { engine: engine.name(), run: at, want: run.retval, got });
    }
}

/// A test run without a context buffer, as the suites' drivers make it.
fn run_once(
    instance: &Instance,
    name: &str,
    data: &[u8],
    exec: &mut ExecutionContext,
) -> Result<u32, String> {
    let program = instance.program(name).ok_or("the program is not there")?;
    let bytes = Bytes::Copied(data);
    let r0 = match program.executable.info().prog_type {
        ProgType::Xdp => {
            let mut packet = XdpPacket::new();
            let xdp = packet.load(bytes, &XdpHook::TestRun).map_err(|_| "the frame was refused")?;
            program.executable.run(Context::Xdp(&mut *xdp), &mut exec.batch())
        }
        prog_type => {
            let frame = Frame { bytes, link: Link::Ethernet, wire_len: data.len() as u32, time_ns: 0 };
            let mut packet = Packet::new();
            let hook = Hook::TestRun(TestRun::new().at_layer(Layer::of(prog_type)));
            let skb = packet.load(frame, &hook).map_err(|_| "the frame was refused")?;
            program.executable.run(Context::Skb(&mut *skb), &mut exec.batch())
        }
    };
    match exec.fault.take() {
        Some(fault) => Err(format!("fault: {fault:?}")),
        None => Ok(r0 as u32),
    }
}

fn run_kernel(instance: &KernelInstance, trial: &Trial, ran: &mut Vec<Ran>) {
    let Some(fd) = trial.programs.as_ref().ok().and_then(|programs| instance.program(&programs[0].name))
    else {
        return;
    };
    for (at, run) in trial.runs.iter().enumerate() {
        let got = instance.kernel().test_run_repeat(fd, &run.data, 1);
        let got = got.map(|(_, retval)| retval).map_err(|error| error.to_string());
        ran.push(Ran { engine: "kernel", run: at, want: run.retval, got });
    }
}
