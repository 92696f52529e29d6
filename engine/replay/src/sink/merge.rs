use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use crate::sink::{Format, Sink, SinkError};
use crate::source::Interface;

/// What one worker wrote for its frames of one block, one [`Segment`] an output.
#[derive(Debug, Default)]
pub(crate) struct Part {
    pub seq: u64,
    pub interfaces: Arc<Vec<Interface>>,
    pub segments: Vec<Segment>,
}

/// Formatted frames, ascending by position in the block.
#[derive(Debug, Default)]
pub(crate) struct Segment {
    pub bytes: Vec<u8>,
    /// Position of each frame in the block, and where its bytes end.
    pub ends: Vec<(u32, u32)>,
}

impl Part {
    pub(crate) fn reset(&mut self, seq: u64, interfaces: Arc<Vec<Interface>>, sinks: usize) {
        self.seq = seq;
        self.interfaces = interfaces;
        self.segments.resize_with(sinks, Segment::default);
        for segment in &mut self.segments {
            segment.bytes.clear();
            segment.ends.clear();
        }
    }
}

/// Puts the parts of every block together and writes them, block by block, frame by frame.
///
/// Every worker sends one part for every block, an empty one if none of its frames were there: when all are in, the
/// block is complete.
#[derive(Debug)]
pub(crate) struct Merge {
    outputs: Vec<Output>,
    workers: usize,
    next_seq: u64,
    waiting: BTreeMap<u64, Vec<Part>>,
    /// Where the bytes of each frame of the block are: part, start, end.
    order: Vec<(u32, u32, u32)>,
}

#[derive(Debug)]
struct Output {
    sink: Sink,
    /// Interfaces announced.
    interfaces: usize,
    failed: Option<SinkError>,
}

impl Merge {
    pub(crate) fn new(sinks: Vec<Sink>, workers: usize) -> Merge {
        let outputs = sinks.into_iter().map(|sink| Output { sink, interfaces: 0, failed: None }).collect();
        let mut merge = Merge { outputs, workers, next_seq: 0, waiting: BTreeMap::new(), order: Vec::new() };
        for output in &mut merge.outputs {
            let mut header = Vec::new();
            output.sink.format.header(&mut header);
            output.attempt(|out| out.write_all(&header));
        }
        merge
    }

    /// How many parts every block comes in; to be said before the first one.
    pub(crate) fn expect_parts_of(&mut self, workers: usize) {
        self.workers = workers;
    }

    /// Takes a part; hands back the ones that are written, to be used again.
    pub(crate) fn add(&mut self, part: Part, mut recycle: impl FnMut(Part)) {
        self.waiting.entry(part.seq).or_default().push(part);
        while let Some(entry) = self.waiting.first_entry()
            && *entry.key() == self.next_seq
            && entry.get().len() == self.workers
        {
            let parts = entry.remove();
            self.write(&parts);
            parts.into_iter().for_each(&mut recycle);
            self.next_seq += 1;
        }
    }

    /// The formats, in the order segments have.
    pub(crate) fn formats(&self) -> Vec<Arc<dyn Format>> {
        self.outputs.iter().map(|output| Arc::clone(&output.sink.format)).collect()
    }

    /// Whether an output can take no more.
    pub(crate) fn failed(&self) -> bool {
        self.outputs.iter().any(|output| output.failed.is_some())
    }

    /// Writes what is left, and says which outputs failed.
    pub(crate) fn finish(mut self) -> Vec<SinkError> {
        for output in &mut self.outputs {
            output.attempt(|out| out.flush());
        }
        self.outputs.into_iter().filter_map(|output| output.failed).collect()
    }

    fn write(&mut self, parts: &[Part]) {
        let Merge { outputs, order, .. } = self;
        for (n, output) in outputs.iter_mut().enumerate() {
            if let Some(part) = parts.first() {
                output.announce(&part.interfaces);
            }
            if let [part] = parts {
                output.attempt(|out| out.write_all(&part.segments[n].bytes));
                continue;
            }
            order.clear();
            // Frames that were not run any more leave holes, which are empty.
            let positions = parts.iter().filter_map(|part| part.segments[n].ends.last());
            let len = positions.map(|(position, _)| *position as usize + 1).max().unwrap_or(0);
            order.resize(len, (0, 0, 0));
            for (p, part) in (0..).zip(parts) {
                let mut start = 0;
                for (position, end) in &part.segments[n].ends {
                    order[*position as usize] = (p, start, *end);
                    start = *end;
                }
            }
            output.attempt(|out| {
                order.iter().try_for_each(|(p, start, end)| {
                    out.write_all(&parts[*p as usize].segments[n].bytes[*start as usize..*end as usize])
                })
            });
        }
    }
}

impl Output {
    fn announce(&mut self, interfaces: &[Interface]) {
        let mut bytes = Vec::new();
        for interface in interfaces.get(self.interfaces..).unwrap_or_default() {
            self.sink.format.interface(interface, &mut bytes);
        }
        self.interfaces = self.interfaces.max(interfaces.len());
        self.attempt(|out| out.write_all(&bytes));
    }

    fn attempt(&mut self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) {
        if self.failed.is_none()
            && let Err(error) = write(&mut self.sink.out)
        {
            self.failed = Some(self.sink.error(error));
        }
    }
}
