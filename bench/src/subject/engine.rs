use bpfreplay_instance::{Engine, Instance, Load, Options};
use bpfreplay_loader::Object;
use bpfreplay_runtime::skb::{Bytes, Device, Frame, Hook, Link};
use bpfreplay_runtime::{Batch, Context, Executable, ExecutionContext, Packet};
use hdrhistogram::Histogram;

use super::{Subject, Verdicts, verdict_name};
use crate::frames::{Cursor, Frames};
use crate::machine::{Tsc, ticks};

/// Frames of one batch: one epoch guard, as a replay has.
const BATCH: u64 = 256;

/// A program on one of our engines, at the ingress hook, with all metadata set up for every frame.
pub(crate) struct OnEngine<'f> {
    instance: Instance,
    frames: &'f Frames,
    cursor: Cursor,
    exec: ExecutionContext,
    packet: Packet,
    hook: Hook,
}

impl<'f> OnEngine<'f> {
    pub(crate) fn new(
        object: &Object,
        entry: &str,
        engine: Engine,
        frames: &'f Frames,
    ) -> anyhow::Result<OnEngine<'f>> {
        let options =
            Options { engine, entry: Some(entry.to_owned()), load: Load::Reachable, ..Options::default() };
        let instance = Instance::load(object, &options)?;
        anyhow::ensure!(!instance.writes_packet(), "{entry} writes to packets, which are shared here");
        Ok(OnEngine {
            instance,
            frames,
            cursor: Cursor::default(),
            exec: ExecutionContext::new(0),
            packet: Packet::new(),
            hook: Hook::Ingress(Device::default()),
        })
    }
}

#[inline]
fn run_frame(
    program: &dyn Executable,
    bytes: &[u8],
    packet: &mut Packet,
    hook: &Hook,
    batch: &mut Batch<'_>,
) -> Option<u64> {
    let frame =
        Frame { bytes: Bytes::Shared(bytes), link: Link::Ethernet, wire_len: bytes.len() as u32, time_ns: 0 };
    let skb = packet.load(frame, hook).ok()?;
    Some(program.run(Context::Skb(skb), batch))
}

impl Subject for OnEngine<'_> {
    fn run(&mut self, count: u64) {
        let program = &**self.instance.entry();
        let mut left = count;
        while left > 0 {
            let mut batch = self.exec.batch();
            for _ in 0..left.min(BATCH) {
                let bytes = self.cursor.next(self.frames);
                let r0 = run_frame(program, bytes, &mut self.packet, &self.hook, &mut batch);
                std::hint::black_box(r0);
            }
            left -= left.min(BATCH);
        }
    }

    fn verdicts(&mut self) -> anyhow::Result<Verdicts> {
        let mut verdicts = Verdicts::new();
        let program = &**self.instance.entry();
        let mut batch = self.exec.batch();
        for index in 0..self.frames.len() {
            let r0 = run_frame(program, self.frames.get(index), &mut self.packet, &self.hook, &mut batch);
            if let Some(fault) = &batch.fault {
                anyhow::bail!("frame {index}: {fault:?}");
            }
            let name = r0.map_or_else(|| "refused".to_owned(), |r0| verdict_name(r0 as u32));
            *verdicts.entry(name).or_default() += 1;
        }
        Ok(verdicts)
    }

    fn sample(&mut self, count: u32, tsc: Tsc, into: &mut Histogram<u64>) -> Result<(), &'static str> {
        let program = &**self.instance.entry();
        let mut batch = self.exec.batch();
        for _ in 0..count {
            let bytes = self.cursor.next(self.frames);
            let before = ticks();
            let r0 = run_frame(program, bytes, &mut self.packet, &self.hook, &mut batch);
            let after = ticks();
            std::hint::black_box(r0);
            into.saturating_record((tsc.ns(before, after) * 1000.0) as u64);
        }
        Ok(())
    }
}
