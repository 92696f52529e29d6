//! `--samples`: what user space has put into user ring buffers before the first frame.
//!
//! One JSON object a line; of its members `data` counts, bytes in hex. What `--events` writes can be read here.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, anyhow, bail, ensure};
use bpfreplay_instance::Instance;
use bpfreplay_runtime::maps::Map;
use bpfreplay_uapi::{Errno, MapType};
use serde_json::Value;

/// Bytes of a line at the most: a sample of the largest ring buffer is longer than any that is of use.
const LINE_MAX: usize = 64 << 20;

/// `MAP=FILE`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Samples {
    map: String,
    pub(crate) path: PathBuf,
}

impl FromStr for Samples {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Samples> {
        let (map, path) = text.split_once('=').context("there is no '=' between the map and the file")?;
        ensure!(!map.is_empty(), "the map has no name");
        ensure!(!path.is_empty(), "the file has no name");
        ensure!(path != "-", "samples are read from a file, not from standard input");
        Ok(Samples { map: map.to_owned(), path: path.into() })
    }
}

impl Samples {
    /// Puts every sample of the file into the map of each engine.
    pub(crate) fn produce(&self, instance: &Instance) -> anyhow::Result<()> {
        let map = find(instance, &self.map)?;
        let name = self.path.display();
        let file = File::open(&self.path).with_context(|| format!("{name}: cannot read"))?;
        let mut lines = BufReader::new(file);
        let mut line = Vec::new();
        for number in 1.. {
            let at = || format!("{name}, line {number}");
            line.clear();
            let read = read_line(&mut lines, &mut line).with_context(at)?;
            if read == 0 {
                break;
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            let sample = sample(&line).with_context(at)?;
            map.produce(&sample)
                .map_err(|error| too_much(map, sample.len(), error.errno))
                .with_context(at)?;
        }
        Ok(())
    }
}

/// A line of not more than [`LINE_MAX`] bytes; how many there were, 0 at the end.
fn read_line(lines: &mut impl BufRead, line: &mut Vec<u8>) -> anyhow::Result<usize> {
    let read = lines.take(LINE_MAX as u64 + 1).read_until(b'\n', line)?;
    ensure!(read <= LINE_MAX, "the line is longer than {LINE_MAX} bytes");
    Ok(read)
}

fn find<'a>(instance: &'a Instance, name: &str) -> anyhow::Result<&'a Map> {
    let is_one = |map: &Map| map.spec().map_type == MapType::UserRingbuf;
    match instance.map(name) {
        Some(map) if is_one(map) => Ok(map),
        Some(map) => bail!("--samples: map '{name}' is a {}, not a user_ringbuf", map.spec().map_type.name()),
        None => {
            let maps = instance.maps().iter().filter(|map| is_one(map));
            let names: Vec<&str> = maps.map(|map| map.spec().name.as_str()).collect();
            let has = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            bail!("--samples: the object has no map '{name}'; user ring buffers: {has}")
        }
    }
}

fn sample(line: &[u8]) -> anyhow::Result<Vec<u8>> {
    let value: Value =
        serde_json::from_slice(line).context("not a JSON object, such as {\"data\":\"01ff\"}")?;
    let data = value.get("data").and_then(Value::as_str);
    let hex =
        data.context("no member \"data\" with the sample's bytes in hex, such as {\"data\":\"01ff\"}")?;
    ensure!(hex.len().is_multiple_of(2), "\"data\" has an odd number of hex digits");
    let byte = |pair: &[u8]| {
        let text = std::str::from_utf8(pair).ok().filter(|text| text.bytes().all(|c| c.is_ascii_hexdigit()));
        text.and_then(|text| u8::from_str_radix(text, 16).ok()).context("\"data\" is not hex")
    };
    hex.as_bytes().chunks(2).map(byte).collect()
}

/// Programs drain the ring while frames run, so all samples have to be in it before.
fn too_much(map: &Map, len: usize, errno: Errno) -> anyhow::Error {
    let (name, size) = (&map.spec().name, map.spec().max_entries);
    match errno {
        Errno::E2BIG => anyhow!("a sample of {len} bytes can never be in '{name}', which has {size} bytes"),
        _ => anyhow!(
            "no room for this sample of {len} bytes: '{name}' has {size} bytes, and each sample takes 8 more, rounded \
             up to 8; give the map a larger max_entries"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_checked() {
        assert_eq!(sample(b"{\"frame\":1,\"data\":\"01fF\"}").unwrap(), [1, 255]);
        assert_eq!(sample(b"{\"data\":\"\"}").unwrap(), b"");
        for bad in
            ["", "01", "{}", "{\"data\":1}", "{\"data\":\"0\"}", "{\"data\":\"+1\"}", "{\"data\":\"\u{e9}\"}"]
        {
            assert!(sample(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
