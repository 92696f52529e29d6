//! What programs leave for user space while a frame runs: records of ring buffers and samples of perf event arrays.
//!
//! A worker takes them out right after the frame, so a buffer never fills across frames, only within one.

use std::sync::Arc;

use bpfreplay_runtime::Map;
use bpfreplay_uapi::MapType;

/// The maps of one engine that programs leave records in.
#[derive(Clone, Debug, Default)]
pub struct RecordMaps(Vec<Arc<Map>>);

/// A record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record<'a> {
    /// The map it was left in.
    pub map: &'a str,
    /// Its type: a ring buffer or a perf event array.
    pub map_type: MapType,
    /// The CPU, which is the worker.
    pub cpu: u32,
    /// What the program wrote; of a perf event array without the padding that perf adds.
    pub data: &'a [u8],
}

/// How much was left in a map.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordCount {
    /// The map.
    pub map: String,
    /// Its type.
    pub map_type: MapType,
    /// Records.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Records there was no room for.
    pub lost: u64,
}

impl RecordMaps {
    /// Those of these maps that take records.
    #[must_use]
    pub fn new(maps: &[Arc<Map>]) -> RecordMaps {
        RecordMaps(maps.iter().filter(|map| map.has_records()).cloned().collect())
    }

    /// Opens a buffer for every worker in the perf event arrays, as tools do before they attach a program.
    pub(crate) fn open(&self, workers: usize) {
        for map in self.0.iter().filter(|map| map.spec().map_type == MapType::PerfEventArray) {
            for cpu in 0..workers as u32 {
                // An array with fewer slots than there are CPUs is the program's wish: it is told E2BIG.
                let _ = map.open_perf_buffer(cpu);
            }
        }
    }
}

/// A worker's records of one frame, and its counts of all.
#[derive(Debug)]
pub(crate) struct Records {
    maps: RecordMaps,
    cpu: u32,
    /// Records and bytes by map.
    counts: Vec<(u64, u64)>,
    bytes: Vec<u8>,
    /// Map and end in `bytes` of each record of the frame.
    frame: Vec<(usize, usize)>,
    scratch: Vec<u8>,
}

impl Records {
    pub(crate) fn new(maps: &RecordMaps, cpu: u32) -> Records {
        Records {
            maps: maps.clone(),
            cpu,
            counts: vec![(0, 0); maps.0.len()],
            bytes: Vec::new(),
            frame: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// Takes out what the frame left: map by map, each in its order.
    #[inline]
    pub(crate) fn take(&mut self) {
        if !self.maps.0.is_empty() {
            self.take_from_maps();
        }
    }

    fn take_from_maps(&mut self) {
        let Records { maps, cpu, counts, bytes, frame, scratch } = self;
        bytes.clear();
        frame.clear();
        for (at, (map, count)) in maps.0.iter().zip(counts).enumerate() {
            map.drain(*cpu, scratch, |data| {
                count.0 += 1;
                count.1 += data.len() as u64;
                bytes.extend_from_slice(data);
                frame.push((at, bytes.len()));
            });
        }
    }

    /// The records of the frame.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Record<'_>> {
        let starts = std::iter::once(0).chain(self.frame.iter().map(|(_, end)| *end));
        self.frame.iter().zip(starts).map(|((map, end), start)| {
            let spec = self.maps.0[*map].spec();
            Record { map: &spec.name, map_type: spec.map_type, cpu: self.cpu, data: &self.bytes[start..*end] }
        })
    }

    /// Adds this worker's counts, which are in the same order in every worker.
    pub(crate) fn add_to(&self, total: &mut Vec<RecordCount>) {
        for (at, (map, (records, bytes))) in self.maps.0.iter().zip(&self.counts).enumerate() {
            if total.len() <= at {
                let (map, map_type) = (map.spec().name.clone(), map.spec().map_type);
                total.push(RecordCount { map, map_type, records: 0, bytes: 0, lost: 0 });
            }
            total[at].records += records;
            total[at].bytes += bytes;
            total[at].lost += map.records_lost(self.cpu);
        }
    }
}
