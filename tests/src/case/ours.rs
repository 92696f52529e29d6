use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use bpfreplay_instance::{Instance, Options};
use bpfreplay_program::Program;
use bpfreplay_runtime::skb::{Bytes, Frame, Hook, Link, TestRun, TestRunContext};
use bpfreplay_runtime::tail_call::TailCallError;
use bpfreplay_runtime::{Context, ExecutionContext, MapError, Packet, ProgramId, SkBuff};
use bpfreplay_uapi::Errno;

use super::engine::{Engine, Loaded, Outcome};

impl Engine for bpfreplay_instance::Engine {
    fn name(&self) -> &'static str {
        (*self).name()
    }

    fn load(&self, programs: &[Arc<Program>]) -> anyhow::Result<Box<dyn Loaded>> {
        let instance = Instance::from_programs(programs, &Options { engine: *self, ..Options::default() })?;
        let hook = Hook::TestRun(
            TestRun::with_context(TestRunContext::default()).expect("an empty context is a valid one"),
        );
        Ok(Box::new(Ours { instance, exec: ExecutionContext::new(0), packet: Packet::new(), hook }))
    }
}

/// An instance of one of our engines, with one worker.
struct Ours {
    instance: Instance,
    exec: ExecutionContext,
    packet: Packet,
    hook: Hook,
}

impl Loaded for Ours {
    fn run(&mut self, program: &str, frame: &[u8]) -> anyhow::Result<Option<Outcome>> {
        let loaded = self.instance.program(program).with_context(|| format!("no program {program}"))?;
        let frame = Frame {
            bytes: Bytes::Copied(frame),
            link: Link::Ethernet,
            wire_len: frame.len() as u32,
            time_ns: 0,
        };
        let Ok(skb) = self.packet.load(frame, &self.hook) else { return Ok(None) };
        self.exec.tail_call_failures.clear();
        let r0 = {
            let mut batch = self.exec.batch();
            loaded.executable.run(Context::Skb(&mut *skb), &mut batch)
        };
        if let Some(fault) = self.exec.fault {
            bail!("{program} faults: {fault:?}");
        }
        let mut outcome = outcome(r0, skb);
        outcome.path = Some(self.exec.path().iter().map(|entry| self.name_of(entry.prog)).collect());
        outcome.failed = Some(self.failed());
        Ok(Some(outcome))
    }

    fn update(&mut self, map: &str, slot: u32, program: &str, flags: u64) -> Result<(), Errno> {
        let map = self.instance.map(map).ok_or(Errno::ENOENT)?;
        let array = map.prog_array().ok_or(Errno::EINVAL)?;
        let program = self.instance.program(program).ok_or(Errno::EBADF)?;
        array.update(slot, Arc::clone(&program.executable), flags).map_err(|error| error.errno)
    }

    fn delete(&mut self, map: &str, slot: u32) -> Result<(), Errno> {
        let map = self.instance.map(map).ok_or(Errno::ENOENT)?;
        map.delete(&slot.to_le_bytes()).map_err(|error: MapError| error.errno)
    }

    fn lookup(&mut self, map: &str, slot: u32) -> Result<(), Errno> {
        let map = self.instance.map(map).ok_or(Errno::ENOENT)?;
        map.lookup(&slot.to_le_bytes()).map(drop).map_err(|error| error.errno)
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
    fn name_of(&self, id: ProgramId) -> String {
        self.instance.program_name(id).map_or_else(|| format!("program {id}"), str::to_owned)
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
