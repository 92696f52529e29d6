//! Records for user space: helpers 25, 130, 131, 134. (132 and 133, which end a record, know no map: `map_abi`.)

use bpfreplay_uapi::Errno;

use super::ret;
use crate::maps::{Map, Sample};

/// `bpf_ringbuf_output`.
pub(super) fn ringbuf_output(map: &Map, cpu: u32, data: &[u8], flags: u64) -> u64 {
    ret(map.ringbuf().ok_or(Errno::EINVAL).and_then(|ringbuf| ringbuf.output(cpu, data, flags)))
}

/// `bpf_ringbuf_reserve`: the address of the record's data, or NULL.
pub(super) fn ringbuf_reserve(map: &Map, cpu: u32, size: u64, flags: u64) -> u64 {
    map.ringbuf().and_then(|ringbuf| ringbuf.reserve(cpu, size, flags)).unwrap_or(0)
}

/// `bpf_ringbuf_query`.
pub(super) fn ringbuf_query(map: &Map, cpu: u32, what: u64) -> u64 {
    map.ringbuf().map_or(0, |ringbuf| ringbuf.query(cpu, what))
}

/// `bpf_perf_event_output`: `data`, and as much of the packet behind it as the flags say.
///
/// A packet is its linear part and its fragments.
pub(super) fn perf_event_output(map: &Map, cpu: u32, flags: u64, data: &[u8], packet: [&[u8]; 2]) -> u64 {
    ret(try_perf_event_output(map, cpu, flags, data, packet))
}

fn try_perf_event_output(
    map: &Map,
    cpu: u32,
    flags: u64,
    data: &[u8],
    [linear, rest]: [&[u8]; 2],
) -> Result<(), Errno> {
    let sample = Sample::parse(flags)?;
    let append = sample.append as usize;
    let (linear, rest) = match append.checked_sub(linear.len()) {
        None => (&linear[..append], &[][..]),
        Some(more) => (linear, rest.get(..more).ok_or(Errno::EFAULT)?),
    };
    map.perf_event_array().ok_or(Errno::EINVAL)?.output(cpu, sample, [data, linear, rest])
}
