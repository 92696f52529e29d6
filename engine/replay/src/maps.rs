//! What maps hold after a replay: written as bpftool dumps them, and compared between two engines.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use bpfreplay_btf::{FormatError, Formatter};
use bpfreplay_runtime::{Map, MapError};
use bpfreplay_uapi::{Errno, MapType};

/// Writes all maps as one JSON object: by name what `bpftool -j map dump` prints for one.
///
/// ```json
/// {"flows":[{"key":["0x0a"],"value":["0x01"],"formatted":{"key":10,"value":{"tcp":true}}}],
///  "counters":[{"key":["0x00","0x00","0x00","0x00"],"values":[{"cpu":0,"value":["0x05"]}]}]}
/// ```
///
/// Keys and values are their bytes and, where the map has types, what the types say of them; what they cannot say,
/// because they do not fit, is `{"error":"..."}`. A per-CPU map has one value a worker. A prog array has the id of the
/// program in each slot that is not empty, a map of maps that of the map; maps of redirect targets have every slot. What
/// bpftool shows nothing of is shown in the same form where there is something: a queue or stack by its values, the next
/// one first, with an empty key.
///
/// # Errors
///
/// What writing gives. A map that user space must not read (`BPF_F_WRONLY`) is `null`.
pub fn write_maps(maps: &[Arc<Map>], out: &mut dyn Write) -> io::Result<()> {
    let mut text = Vec::new();
    out.write_all(b"{")?;
    for (n, map) in maps.iter().enumerate() {
        if n > 0 {
            text.push(b',');
        }
        text.push(b'\n');
        crate::sink::json_string(&mut text, &map.spec().name);
        text.push(b':');
        out.write_all(&text)?;
        text.clear();
        dump(map, out)?;
    }
    out.write_all(b"\n}\n")
}

fn dump(map: &Map, out: &mut dyn Write) -> io::Result<()> {
    let mut result = Ok(());
    let mut first = true;
    let mut text = Vec::new();
    let mut formatted = Formatted::of(map);
    let shown = entries(map, |key, value| {
        if result.is_err() {
            return;
        }
        text.extend_from_slice(if first { b"[{\"key\":" } else { b",\n{\"key\":" });
        first = false;
        bytes(&mut text, key);
        let value = match value {
            Ok(value) => value,
            Err(error) => {
                text.extend_from_slice(b",\"value\":{\"error\":");
                crate::sink::json_string(&mut text, error);
                text.extend_from_slice(b"}}");
                result = out.write_all(&text);
                text.clear();
                return;
            }
        };
        if map.is_per_cpu() {
            per_cpu(&mut text, map, value);
        } else {
            text.extend_from_slice(b",\"value\":");
            bytes(&mut text, value);
        }
        if let Some(formatted) = &mut formatted {
            text.extend_from_slice(b",\"formatted\":");
            formatted.entry(&mut text, map, key, value);
        }
        text.push(b'}');
        result = out.write_all(&text);
        text.clear();
    });
    result?;
    match shown {
        Ok(()) => out.write_all(if first { b"[]" } else { b"]" }),
        Err(_) => out.write_all(b"null"),
    }
}

/// Every entry. Of maps of targets every slot, as bpftool shows them: the empty ones, and those that cannot be read,
/// with the text of the error.
fn entries(map: &Map, mut show: impl FnMut(&[u8], Result<&[u8], &'static str>)) -> Result<(), MapError> {
    let every_slot = matches!(
        map.spec().map_type,
        MapType::Devmap | MapType::Cpumap | MapType::Xskmap | MapType::PerfEventArray
    );
    if !every_slot {
        return map.for_each(|key, value| show(key, Ok(value)));
    }
    let mut key: Option<Vec<u8>> = None;
    loop {
        let next = match map.next_key(key.as_deref()) {
            Ok(next) => next,
            Err(error) if error.errno == Errno::ENOENT => return Ok(()),
            Err(error) => return Err(error),
        };
        match map.lookup(&next) {
            Ok(value) => show(&next, Ok(&value)),
            Err(error) => show(&next, Err(strerror(error.errno))),
        }
        key = Some(next);
    }
}

/// What bpftool has of strerror(3) for the errors of a lookup.
fn strerror(errno: Errno) -> &'static str {
    match errno {
        Errno::ENOENT => "No such file or directory",
        Errno::EOPNOTSUPP => "Operation not supported",
        Errno::ENOTSUPP => "Unknown error 524",
        other => other.name(),
    }
}

fn per_cpu(text: &mut Vec<u8>, map: &Map, values: &[u8]) {
    text.extend_from_slice(b",\"values\":[");
    for (cpu, value) in values_by_cpu(map, values).enumerate() {
        cpu_value(text, cpu);
        bytes(text, value);
        text.push(b'}');
    }
    text.push(b']');
}

/// The beginning of one CPU's value in a list of them.
fn cpu_value(text: &mut Vec<u8>, cpu: usize) {
    if cpu > 0 {
        text.push(b',');
    }
    text.extend_from_slice(format!("{{\"cpu\":{cpu},\"value\":").as_bytes());
}

/// The types of a map's keys and values.
struct Formatted<'m> {
    formatter: Formatter<'m>,
    /// 0 for data sections.
    key: u32,
    value: u32,
}

impl<'m> Formatted<'m> {
    fn of(map: &'m Map) -> Option<Formatted<'m>> {
        let spec = map.spec();
        let btf = spec.btf.as_deref().filter(|_| spec.btf_value_type_id != 0)?;
        let (key, value) = (spec.btf_key_type_id, spec.btf_value_type_id);
        Some(Formatted { formatter: Formatter::new(btf), key, value })
    }

    fn entry(&mut self, text: &mut Vec<u8>, map: &Map, key: &[u8], value: &[u8]) {
        let start = text.len();
        if let Err(error) = self.try_entry(text, map, key, value) {
            text.truncate(start);
            text.extend_from_slice(b"{\"error\":");
            crate::sink::json_string(text, &error.to_string());
            text.push(b'}');
        }
    }

    fn try_entry(
        &mut self,
        text: &mut Vec<u8>,
        map: &Map,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), FormatError> {
        text.push(b'{');
        if self.key != 0 {
            text.extend_from_slice(b"\"key\":");
            self.formatter.json(self.key, key, text)?;
            text.push(b',');
        }
        if map.is_per_cpu() {
            text.extend_from_slice(b"\"values\":[");
            for (cpu, value) in values_by_cpu(map, value).enumerate() {
                cpu_value(text, cpu);
                self.formatter.json(self.value, value, text)?;
                text.push(b'}');
            }
            text.push(b']');
        } else {
            text.extend_from_slice(b"\"value\":");
            self.formatter.json(self.value, value, text)?;
        }
        text.push(b'}');
        Ok(())
    }
}

/// The values of one key of a per-CPU map, by worker: [`Map::lookup`] gives each rounded up to 8 bytes.
pub fn values_by_cpu<'v>(map: &Map, values: &'v [u8]) -> impl Iterator<Item = &'v [u8]> {
    let size = map.spec().value_size as usize;
    values.chunks_exact(size.next_multiple_of(8)).map(move |value| &value[..size])
}

fn bytes(text: &mut Vec<u8>, bytes: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    text.push(b'[');
    for (n, byte) in bytes.iter().enumerate() {
        if n > 0 {
            text.push(b',');
        }
        let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 0xf)]);
        text.extend_from_slice(&[b'"', b'0', b'x', high, low, b'"']);
    }
    text.push(b']');
}

/// The first key two engines' maps differ on, in words; None if all are equal. Prog arrays and maps of maps are left out:
/// their values are ids, and no program writes them.
///
/// # Errors
///
/// A map that user space must not read.
pub fn compare_maps(first: &[Arc<Map>], second: &[Arc<Map>]) -> Result<Option<String>, MapError> {
    for (a, b) in first.iter().zip(second) {
        if a.spec().map_type == MapType::ProgArray || a.is_map_of_maps() {
            continue;
        }
        if matches!(a.spec().map_type, MapType::Queue | MapType::Stack) {
            if let Some(difference) = compare_values(a, b)? {
                return Ok(Some(difference));
            }
            continue;
        }
        let mut theirs: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        b.for_each(|key, value| drop(theirs.insert(key.to_vec(), value.to_vec())))?;
        let mut found = None;
        a.for_each(|key, value| {
            let other = theirs.remove(key);
            if found.is_none() && other.as_deref() != Some(value) {
                found = Some((key.to_vec(), Some(value.to_vec()), other));
            }
        })?;
        let found = found.or_else(|| theirs.into_iter().next().map(|(key, value)| (key, None, Some(value))));
        if let Some((key, a_value, b_value)) = found {
            let show = |value: Option<Vec<u8>>| value.map_or("nothing".to_owned(), |value| hex(&value));
            let name = &a.spec().name;
            return Ok(Some(format!(
                "map {name}, key {}: {} and {}",
                hex(&key),
                show(a_value),
                show(b_value)
            )));
        }
    }
    Ok(None)
}

/// Of maps without keys: value by value.
fn compare_values(first: &Map, second: &Map) -> Result<Option<String>, MapError> {
    let values = |map: &Map| {
        let mut values = Vec::new();
        map.for_each(|_, value| values.push(hex(value))).map(|()| values)
    };
    let (a, b) = (values(first)?, values(second)?);
    let differs = (0..a.len().max(b.len())).find(|at| a.get(*at) != b.get(*at));
    Ok(differs.map(|at| {
        let show = |value: Option<&String>| value.map_or("nothing", String::as_str).to_owned();
        format!("map {}, value {at}: {} and {}", first.spec().name, show(a.get(at)), show(b.get(at)))
    }))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use bpfreplay_btf::Btf;
    use bpfreplay_program::MapSpec;

    fn map(name: &str, map_type: MapType, key: u32, value: u32, entries: u32) -> Arc<Map> {
        Map::create(&MapSpec::new(name, map_type, key, value, entries), 2).unwrap()
    }

    #[test]
    fn maps_are_written_as_bpftool_writes_them() {
        let array = map("array", MapType::Array, 4, 2, 2);
        array.update(&[1, 0, 0, 0], &[0xab, 0], 0).unwrap();
        let percpu = map("percpu", MapType::PercpuArray, 4, 2, 1);
        percpu.update(&[0; 4], &[1, 2, 0, 0, 0, 0, 0, 0, 3, 4, 0, 0, 0, 0, 0, 0], 0).unwrap();
        let hash = map("hash", MapType::Hash, 1, 1, 4);
        let mut out = Vec::new();
        write_maps(&[array, percpu, hash], &mut out).unwrap();
        let expected = "{\n\
            \"array\":[{\"key\":[\"0x00\",\"0x00\",\"0x00\",\"0x00\"],\"value\":[\"0x00\",\"0x00\"]},\n\
            {\"key\":[\"0x01\",\"0x00\",\"0x00\",\"0x00\"],\"value\":[\"0xab\",\"0x00\"]}],\n\
            \"percpu\":[{\"key\":[\"0x00\",\"0x00\",\"0x00\",\"0x00\"],\"values\":[{\"cpu\":0,\"value\":[\"0x01\",\"0x02\"]},\
            {\"cpu\":1,\"value\":[\"0x03\",\"0x04\"]}]}],\n\
            \"hash\":[]\n}\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn types_are_shown_or_said_not_to_fit() {
        // Type 1: `__u32`, four bytes. Names: "\0u\0".
        let mut section = vec![0x9f, 0xeb, 1, 0];
        for word in [24u32, 0, 16, 16, 3, 1, 1 << 24, 4, 32] {
            section.extend(word.to_le_bytes());
        }
        section.extend(b"\0u\0");
        let btf = Arc::new(Btf::parse(&section).unwrap());
        let typed = |name: &str, map_type, key_size, value_size| {
            let mut spec = MapSpec::new(name, map_type, key_size, value_size, 1);
            spec.btf = Some(Arc::clone(&btf));
            (spec.btf_key_type_id, spec.btf_value_type_id) = (1, 1);
            Map::create(&spec, 1).unwrap()
        };
        let maps = [
            typed("fits", MapType::Array, 4, 4),
            typed("percpu", MapType::PercpuArray, 4, 8),
            typed("lies", MapType::Array, 4, 2),
        ];
        maps[0].update(&[0; 4], &[1, 1, 0, 0], 0).unwrap();
        let mut out = Vec::new();
        write_maps(&maps, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let formatted: Vec<&str> =
            text.lines().filter_map(|line| Some(line.split_once("\"formatted\":")?.1)).collect();
        assert_eq!(
            formatted,
            [
                "{\"key\":0,\"value\":257}}],",
                "{\"key\":0,\"values\":[{\"cpu\":0,\"value\":0}]}}],",
                "{\"error\":\"BTF type 1 ends at byte 4 of a value of 2 bytes\"}}]",
            ]
        );
    }

    #[test]
    fn kinds_without_keys_and_empty_slots() {
        let queue = map("queue", MapType::Queue, 0, 2, 4);
        queue.update(&[], &[1, 2], 0).unwrap();
        queue.update(&[], &[3, 4], 0).unwrap();
        let devmap = map("devmap", MapType::Devmap, 4, 4, 2);
        devmap.update(&[1, 0, 0, 0], &[7, 0, 0, 0], 0).unwrap();
        let ring = map("ring", MapType::Ringbuf, 0, 0, 4096);
        let perf = map("perf", MapType::PerfEventArray, 4, 4, 1);
        let mut out = Vec::new();
        write_maps(&[queue, devmap, ring, perf], &mut out).unwrap();
        // The last three as bpftool -j map dump has them; it says nothing of queues.
        let expected = "{\n\
            \"queue\":[{\"key\":[],\"value\":[\"0x01\",\"0x02\"]},\n\
            {\"key\":[],\"value\":[\"0x03\",\"0x04\"]}],\n\
            \"devmap\":[{\"key\":[\"0x00\",\"0x00\",\"0x00\",\"0x00\"],\"value\":{\"error\":\"No such file or directory\"}},\n\
            {\"key\":[\"0x01\",\"0x00\",\"0x00\",\"0x00\"],\"value\":[\"0x07\",\"0x00\",\"0x00\",\"0x00\"]}],\n\
            \"ring\":[],\n\
            \"perf\":[{\"key\":[\"0x00\",\"0x00\",\"0x00\",\"0x00\"],\"value\":{\"error\":\"Unknown error 524\"}}]\n}\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn the_first_difference_is_named() {
        let pair = || (map("hash", MapType::Hash, 1, 1, 4), map("hash", MapType::Hash, 1, 1, 4));
        let compare = |a: &Arc<Map>, b: &Arc<Map>| compare_maps(&[Arc::clone(a)], &[Arc::clone(b)]).unwrap();
        let (a, b) = pair();
        assert_eq!(compare(&a, &b), None);
        a.update(&[1], &[2], 0).unwrap();
        assert_eq!(compare(&a, &b).unwrap(), "map hash, key 01: 02 and nothing");
        assert_eq!(compare(&b, &a).unwrap(), "map hash, key 01: nothing and 02");
        b.update(&[1], &[3], 0).unwrap();
        assert_eq!(compare(&a, &b).unwrap(), "map hash, key 01: 02 and 03");
        b.update(&[1], &[2], 0).unwrap();
        assert_eq!(compare(&a, &b), None);
    }
}
