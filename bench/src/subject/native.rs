use std::hint::black_box;

use bpfreplay_runtime::Packet;
use bpfreplay_runtime::skb::{Bytes, Device, Frame, Hook, Link};
use hdrhistogram::Histogram;

use super::{Subject, Verdicts, verdict_name};
use crate::definition::Native;
use crate::frames::{Cursor, Frames};
use crate::machine::{Tsc, ticks};
use crate::native::{State, Table};

/// Native code over the same frames.
pub(crate) struct InRust<'f> {
    /// `None`: does nothing with the frame.
    code: Option<Native>,
    /// Whether the packet's metadata is set up for every frame, as for a program.
    metadata: Option<(Packet, Hook)>,
    frames: &'f Frames,
    cursor: Cursor,
    table: Table,
    state: State,
}

impl<'f> InRust<'f> {
    pub(crate) fn new(code: Option<Native>, with_metadata: bool, frames: &'f Frames) -> InRust<'f> {
        let metadata = with_metadata.then(|| (Packet::new(), Hook::Ingress(Device::default())));
        InRust {
            code,
            metadata,
            frames,
            cursor: Cursor::default(),
            table: Table::new(),
            state: State::default(),
        }
    }

    #[inline]
    fn run_frame(&mut self, bytes: &[u8]) -> u32 {
        if let Some((packet, hook)) = &mut self.metadata {
            let frame = Frame {
                bytes: Bytes::Shared(bytes),
                link: Link::Ethernet,
                wire_len: bytes.len() as u32,
                time_ns: 0,
            };
            let _ = black_box(packet.load(frame, hook));
        }
        match self.code {
            Some(code) => code.run(bytes, &self.table, &mut self.state),
            None => 0,
        }
    }
}

impl Subject for InRust<'_> {
    fn run(&mut self, count: u64) {
        for _ in 0..count {
            let bytes = self.cursor.next(self.frames);
            black_box(self.run_frame(black_box(bytes)));
        }
        black_box(self.state.counted());
    }

    fn verdicts(&mut self) -> anyhow::Result<Verdicts> {
        let mut verdicts = Verdicts::new();
        for index in 0..self.frames.len() {
            let r0 = self.run_frame(self.frames.get(index));
            *verdicts.entry(verdict_name(r0)).or_default() += 1;
        }
        Ok(verdicts)
    }

    fn sample(&mut self, count: u32, tsc: Tsc, into: &mut Histogram<u64>) -> Result<(), &'static str> {
        for _ in 0..count {
            let bytes = self.cursor.next(self.frames);
            let before = ticks();
            black_box(self.run_frame(black_box(bytes)));
            let after = ticks();
            into.saturating_record((tsc.ns(before, after) * 1000.0) as u64);
        }
        Ok(())
    }
}
