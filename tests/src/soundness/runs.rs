//! Runs of accepted programs on the checked interpreter, with random packets, hooks and map contents.

use std::sync::Arc;

use bpfreplay_instance::objects_of;
use bpfreplay_interpreter::Interpreter;
use bpfreplay_program::{MapContent, MapSpec, Program};
use bpfreplay_runtime::objects::Objects;
use bpfreplay_runtime::skb::{Bytes, Device, Frame, Hook, Layer, Link, TestRun, TestRunContext};
use bpfreplay_runtime::xdp::XdpHook;
use bpfreplay_runtime::{
    Context, ContextKind, Executable, ExecutionContext, Fault, FaultKind, Map, Packet, XdpPacket,
};
use bpfreplay_uapi::map::update_flags;
use bpfreplay_verifier::VerifiedProgram;

use super::finding::What;
use super::random::Random;

/// Bytes of maps that are made for a program.
const MAP_BYTES_MAX: u64 = 1 << 20;
/// Entries put into each map before a run.
const ENTRIES: usize = 3;

/// What is used again from run to run.
#[derive(Debug)]
pub struct Runner {
    interpreter: Interpreter,
    exec: ExecutionContext,
    packet: Packet,
    xdp: XdpPacket,
}

/// A program, ready to run.
struct Prepared<'a> {
    program: &'a Program,
    maps: Vec<Arc<Map>>,
    objects: Arc<Objects>,
    executable: Arc<dyn Executable>,
}

impl Runner {
    /// With so many instructions a run: the kernel grants nested `bpf_loop`s far more than anybody waits for.
    #[must_use]
    pub fn new(steps_max: u64) -> Runner {
        Runner {
            interpreter: Interpreter::with_step_limit(steps_max),
            exec: ExecutionContext::new(0),
            packet: Packet::new(),
            xdp: XdpPacket::new(),
        }
    }

    /// Runs it so many times; how many runs there were: none if its maps are too large, or if its type is not one that
    /// packets are shown to.
    ///
    /// # Errors
    ///
    /// The fault of a program that the verifier should have refused, or what it lost.
    pub fn run(
        &mut self,
        verified: &VerifiedProgram,
        runs: usize,
        random: &mut Random,
    ) -> Result<usize, What> {
        let Some(prepared) = self.prepare(verified) else { return Ok(0) };
        for run in 0..runs {
            prepared.maps.iter().for_each(|map| fill(map, random));
            if !self.run_once(&prepared, random).map_err(What::fault)? {
                return Ok(run + 1);
            }
        }
        // What values own goes with the maps.
        let objects = Arc::clone(&prepared.objects);
        drop(prepared);
        match objects.live() {
            0 => Ok(runs),
            objects => Err(What::Leak { objects }),
        }
    }

    fn prepare<'a>(&self, verified: &'a VerifiedProgram) -> Option<Prepared<'a>> {
        let program = verified.program();
        let room: u64 = program.maps.iter().map(map_bytes).fold(0, u64::saturating_add);
        if room > MAP_BYTES_MAX || ContextKind::of(program.prog_type) == ContextKind::Plain {
            return None;
        }
        let objects = objects_of(std::slice::from_ref(verified.program()), 1).ok()?;
        let maps = program.maps.iter().map(|spec| Map::create_for(spec, 1, &objects));
        let maps = maps.collect::<Result<Vec<_>, _>>().ok()?;
        let executable = self.interpreter.prepare_for(verified, &maps, &objects).ok()?;
        Some(Prepared { program, maps, objects, executable })
    }

    /// Whether another run is worth its time: not after one that ran out of steps. Termination is the verifier's
    /// promise over all paths, not a number of steps.
    fn run_once(&mut self, prepared: &Prepared<'_>, random: &mut Random) -> Result<bool, Fault> {
        let bytes = frame(random);
        self.exec.now_ns = random.bits();
        self.exec.prandom = random.bits();
        let prog_type = prepared.program.prog_type;
        if ContextKind::of(prog_type) == ContextKind::Xdp {
            let hook = random.below(2);
            let hook = if hook == 0 { XdpHook::Ingress(Device::default()) } else { XdpHook::TestRun };
            let Ok(xdp) = self.xdp.load(Bytes::Copied(&bytes), &hook) else { return Ok(true) };
            prepared.executable.run(Context::Xdp(xdp), &mut self.exec.batch());
        } else {
            let wire_len = bytes.len() as u32;
            let frame = Frame { bytes: Bytes::Copied(&bytes), link: Link::Ethernet, wire_len, time_ns: 1 };
            let hook = match random.below(3) {
                0 => Hook::Ingress(Device::default()),
                1 => Hook::Egress(Device::default()),
                _ => {
                    let run = TestRun::with_context(TestRunContext::default()).expect("an empty context");
                    Hook::TestRun(run.at_layer(Layer::of(prog_type)))
                }
            };
            let Ok(skb) = self.packet.load(frame, &hook) else { return Ok(true) };
            skb.mark = random.bits() as u32;
            skb.priority = random.bits() as u32;
            prepared.executable.run(Context::Skb(skb), &mut self.exec.batch());
        }
        match self.exec.fault.take() {
            None => Ok(true),
            Some(Fault { kind: FaultKind::StepLimit, .. }) => Ok(false),
            Some(fault) => Err(fault),
        }
    }
}

/// Bytes of all sorts; two of three with headers.
fn frame(random: &mut Random) -> Vec<u8> {
    let len = random.one_of(&[14, 15, 20, 34, 42, 54, 60, 64, 98, 128, 300, 1500, 4000]);
    let mut bytes = vec![0; len];
    random.fill(&mut bytes);
    if random.below(3) > 0 {
        headers(&mut bytes);
    }
    bytes
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
    u64::from(spec.max_entries).saturating_mul(u64::from(spec.key_size) + u64::from(spec.value_size) + 64)
}

/// Values of all sorts in the map; what does not take them keeps what it has.
fn fill(map: &Map, random: &mut Random) {
    let spec = map.spec();
    if !matches!(spec.content, MapContent::Empty) {
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
