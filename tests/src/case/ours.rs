use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bpfreplay_instance::{Instance, InstanceError, LoadedProgram, Options};
use bpfreplay_program::{MapSpec, Program};
use bpfreplay_runtime::maps::UserHandle;
use bpfreplay_runtime::skb::{Bytes, Frame, Hook, Layer, Link, TestRun, TestRunContext};
use bpfreplay_runtime::tail_call::TailCallError;
use bpfreplay_runtime::timers::run_due;
use bpfreplay_runtime::xdp::XdpHook;
use bpfreplay_runtime::{
    Context, Executable, ExecutionContext, Map, MapError, Packet, ProgramId, SkBuff, XdpBuff, XdpPacket,
};
use bpfreplay_uapi::{Errno, ProgType};
use bpfreplay_verifier::LogLevel;

use super::engine::{Engine, Loaded, Outcome, RefusedLoad};

impl Engine for bpfreplay_instance::Engine {
    fn name(&self) -> &'static str {
        (*self).name()
    }

    fn load(&self, programs: &[Arc<Program>]) -> anyhow::Result<Box<dyn Loaded>> {
        let instance = Instance::from_programs(programs, &Options { engine: *self, ..Options::default() })?;
        let (later, opened) = (Vec::new(), Vec::new());
        Ok(Box::new(Ours {
            instance,
            later,
            opened,
            exec: ExecutionContext::new(0),
            packet: Packet::new(),
            xdp: XdpPacket::new(),
        }))
    }
}

/// An instance of one of our engines, with one worker.
struct Ours {
    instance: Instance,
    /// Programs a step loaded.
    later: Vec<LoadedProgram>,
    /// References to maps that a step opened, by name.
    opened: Vec<(String, UserHandle)>,
    exec: ExecutionContext,
    packet: Packet,
    xdp: XdpPacket,
}

impl Loaded for Ours {
    fn run(&mut self, program: &str, frame: &[u8]) -> anyhow::Result<Option<Outcome>> {
        let program_name = program;
        let program = self.program(program).with_context(|| format!("no program {program}"))?;
        self.exec.tail_call_failures.clear();
        let outcome = match program.info().prog_type {
            ProgType::Xdp => {
                let Ok(xdp) = self.xdp.load(Bytes::Copied(frame), &XdpHook::TestRun) else { return Ok(None) };
                let r0 = program.run(Context::Xdp(&mut *xdp), &mut self.exec.batch());
                xdp_outcome(r0, xdp)
            }
            prog_type => {
                let frame = Frame {
                    bytes: Bytes::Copied(frame),
                    link: Link::Ethernet,
                    wire_len: frame.len() as u32,
                    time_ns: 0,
                };
                let hook = TestRun::with_context(TestRunContext::default())
                    .expect("an empty context is a valid one");
                let hook = Hook::TestRun(hook.at_layer(Layer::of(prog_type)));
                let Ok(skb) = self.packet.load(frame, &hook) else { return Ok(None) };
                let r0 = program.run(Context::Skb(&mut *skb), &mut self.exec.batch());
                skb.restore_link_header(Layer::of(prog_type));
                outcome(r0, skb)
            }
        };
        if let Some(fault) = self.exec.fault {
            bail!("{program_name} faults: {fault:?}");
        }
        let mut outcome = outcome;
        outcome.path = Some(self.exec.path().iter().map(|entry| self.name_of(entry.prog)).collect());
        outcome.failed = Some(self.failed());
        Ok(Some(outcome))
    }

    fn wait(&mut self, time: Duration) -> anyhow::Result<()> {
        let now = self.exec.now_ns + u64::try_from(time.as_nanos())?;
        let mut fault = None;
        run_due(&mut self.exec.batch(), now, |exec| fault = fault.or(exec.fault));
        self.exec.now_ns = now;
        match fault {
            None => Ok(()),
            Some(fault) => bail!("a timer's callback faults: {fault:?}"),
        }
    }

    fn load(&mut self, program: &Arc<Program>) -> Result<(), RefusedLoad> {
        let loaded = self.instance.prepare(program, LogLevel::Off).map_err(|error| RefusedLoad {
            errno: match &error {
                InstanceError::Verifier { source, .. } => source.kind.errno(),
                InstanceError::Owner { source, .. } => source.errno,
                _ => Errno::EINVAL,
            },
            message: error.to_string(),
        })?;
        self.later.push(loaded);
        Ok(())
    }

    fn close(&mut self, program: &str) -> anyhow::Result<()> {
        let at = self.later.iter().position(|later| later.name() == program);
        self.later.swap_remove(at.with_context(|| format!("no step loaded {program}"))?);
        Ok(())
    }

    fn create(&mut self, spec: &MapSpec) -> Result<(), Errno> {
        Map::create(spec, 1).map(drop).map_err(|error| error.errno)
    }

    fn open(&mut self, map: &str) -> anyhow::Result<()> {
        let handle = self.instance.map(map).with_context(|| format!("no map {map}"))?.user_handle();
        self.opened.push((map.to_owned(), handle));
        Ok(())
    }

    fn release(&mut self, map: &str) -> anyhow::Result<()> {
        match self.opened.iter().position(|(name, _)| name == map) {
            Some(at) => drop(self.opened.swap_remove(at)),
            None => drop(self.instance.take_handle(map).context("no reference is left")?),
        }
        Ok(())
    }

    fn update(&mut self, map: &str, slot: u32, program: &str, flags: u64) -> Result<(), Errno> {
        let map = self.instance.map(map).ok_or(Errno::ENOENT)?;
        let array = map.prog_array().ok_or(Errno::EINVAL)?;
        match self.program(program) {
            Some(program) => array.update(slot, program, flags),
            None => map.update(&slot.to_le_bytes(), &u32::MAX.to_le_bytes(), flags),
        }
        .map_err(|error| error.errno)
    }

    fn delete(&mut self, map: &str, slot: u32) -> Result<(), Errno> {
        let map = self.instance.map(map).ok_or(Errno::ENOENT)?;
        map.delete(&slot.to_le_bytes()).map_err(|error: MapError| error.errno)
    }

    fn lookup(&mut self, map: &str, slot: u32) -> Result<String, Errno> {
        let map = self.instance.map(map).ok_or(Errno::ENOENT)?;
        let id = map.lookup(&slot.to_le_bytes()).map_err(|error| error.errno)?;
        Ok(self.name_of(ProgramId::from_le_bytes(id.try_into().expect("an id has four bytes"))))
    }

    fn lookup_and_delete(&mut self, map: &str, slot: u32) -> Result<(), Errno> {
        let map = self.instance.map(map).ok_or(Errno::ENOENT)?;
        map.lookup_and_delete(&slot.to_le_bytes()).map(drop).map_err(|error| error.errno)
    }

    fn produce(&mut self, map: &str, sample: &[u8]) -> Result<(), Errno> {
        let map = self.instance.map(map).ok_or(Errno::ENOENT)?;
        map.produce(sample).map_err(|error| error.errno)
    }

    fn freeze(&mut self, map: &str) -> Result<(), Errno> {
        let map = self.instance.map(map).ok_or(Errno::ENOENT)?;
        map.freeze().map_err(|error| error.errno)
    }

    fn next_key(&mut self, map: &str, slot: Option<u32>) -> Result<u32, Errno> {
        let map = self.instance.map(map).ok_or(Errno::ENOENT)?;
        let key = slot.map(u32::to_le_bytes);
        let next = map.next_key(key.as_ref().map(|key| &key[..])).map_err(|error| error.errno)?;
        Ok(u32::from_le_bytes(next.try_into().expect("the key has four bytes")))
    }

    fn entries(&mut self, map: &str) -> anyhow::Result<BTreeMap<Vec<u8>, Vec<u8>>> {
        let map = self.instance.map(map).with_context(|| format!("no map {map}"))?;
        let mut entries = BTreeMap::new();
        map.for_each(|key, value| drop(entries.insert(key.to_vec(), value.to_vec())))?;
        Ok(entries)
    }
}

impl Ours {
    fn programs(&self) -> impl Iterator<Item = &LoadedProgram> {
        self.instance.programs().iter().chain(&self.later)
    }

    fn program(&self, name: &str) -> Option<Arc<dyn Executable>> {
        self.programs().find(|program| program.name() == name).map(|program| Arc::clone(&program.executable))
    }

    fn name_of(&self, id: ProgramId) -> String {
        let program = self.programs().find(|program| program.executable.info().id == id);
        program.map_or_else(|| format!("program {id}"), |program| program.name().to_owned())
    }

    fn failed(&self) -> Vec<String> {
        let text = |reason| match reason {
            TailCallError::OutOfRange => "out_of_range",
            TailCallError::Limit => "limit",
            TailCallError::EmptySlot => "empty_slot",
        };
        let mut out = Vec::new();
        for (failure, count) in self.exec.tail_call_failures.sorted() {
            let line = format!("{} {} {}", self.name_of(failure.prog), failure.index, text(failure.reason));
            out.extend(std::iter::repeat_n(line, usize::try_from(count).expect("a small count")));
        }
        out
    }
}

fn xdp_outcome(r0: u64, xdp: &XdpBuff) -> Outcome {
    Outcome {
        retval: r0 as u32,
        data: [xdp.metadata(), xdp.linear(), xdp.fragments()].concat(),
        mark: 0,
        priority: 0,
        cb: [0; 5],
        path: None,
        failed: None,
    }
}

fn outcome(r0: u64, skb: &SkBuff) -> Outcome {
    Outcome {
        retval: r0 as u32,
        data: skb.packet().to_vec(),
        mark: skb.mark,
        priority: skb.priority,
        cb: skb.cb,
        path: None,
        failed: None,
    }
}
