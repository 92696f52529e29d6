//! The language of the cases: a step a line, `operation map arguments -> result`.
//!
//! ```text
//!   user space   update M KEY VALUE [FLAGS]     lookup M KEY      delete M KEY     take M KEY      next M KEY
//!                contains M VALUE               inner M KEY MAP [FLAGS]            freeze M
//!                create TYPE KEY_SIZE VALUE_SIZE MAX_ENTRIES [FLAGS [EXTRA [INNER]]]
//!   programs     prog lookup M KEY              prog inner M KEY INNER_KEY         prog percpu M KEY CPU
//!                prog update M KEY VALUE FLAGS  prog delete M KEY
//!                prog push M VALUE FLAGS        prog pop M        prog peek M      prog contains M VALUE
//!                prog output M DATA FLAGS       prog reserve M SIZE FLAGS submit|discard
//!                prog query M WHAT              prog perf M DATA FLAGS
//!   many         fill M N                       updates of the keys 0 to N - 1: how many succeeded
//!                count M                        keys there are
//! ```
//!
//! Keys and values are hex, `-` is none. Values of per-CPU maps: `each:HEX` has every CPU, `one:HEX` one, the others 0.
//! A result is `ok`, a value, `map:NAME`, the name of an error, or what a program returns as a signed number; a
//! program's lookup gives the first 4 bytes of the value, or `null`.

use serde::Deserialize;

use bpfreplay_tests::case::MapDef;

/// A file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    #[expect(dead_code, reason = "for who reads the file")]
    what: String,
    #[expect(dead_code, reason = "for who reads the file")]
    rule: String,
    #[serde(default, rename = "map")]
    pub(crate) maps: Vec<MapDef>,
    steps: String,
}

/// A line.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) text: String,
    pub(crate) words: Vec<String>,
    pub(crate) expected: String,
}

/// What runs steps.
pub(crate) trait Side {
    /// Gives the result, as a case states it.
    fn step(&mut self, step: &Step) -> String;
}

impl Case {
    pub(crate) fn steps(&self) -> impl Iterator<Item = Step> {
        let lines = self.steps.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
        lines.filter(|line| !line.is_empty()).map(|line| {
            let (what, expected) = line.split_once("->").unwrap_or_else(|| panic!("no result: {line}"));
            Step {
                text: what.trim().to_owned(),
                words: what.split_whitespace().map(str::to_owned).collect(),
                expected: expected.trim().to_owned(),
            }
        })
    }
}

impl Step {
    /// Word `at`, or what stands for it.
    pub(crate) fn word<'s>(&'s self, at: usize, default: &'s str) -> &'s str {
        self.words.get(at).map_or(default, String::as_str)
    }

    pub(crate) fn number(&self, at: usize) -> u64 {
        let word = self.word(at, "0");
        let number = word.strip_prefix("0x").map_or_else(|| word.parse(), |hex| u64::from_str_radix(hex, 16));
        number.unwrap_or_else(|_| panic!("no number: {word}"))
    }

    pub(crate) fn bytes(&self, at: usize) -> Vec<u8> {
        unhex(self.word(at, "-"))
    }

    /// A value as user space has it.
    pub(crate) fn value(&self, at: usize, cpus: usize) -> Vec<u8> {
        match self.word(at, "-").strip_prefix("each:") {
            Some(hex) => padded(&unhex(hex)).repeat(cpus),
            None => self.bytes(at),
        }
    }
}

/// A value user space read, as a case states it.
pub(crate) fn show_value(value: &[u8], per_cpu: Option<usize>) -> String {
    let Some(size) = per_cpu else { return hex(value) };
    let values: Vec<&[u8]> = value.chunks(size.next_multiple_of(8)).map(|value| &value[..size]).collect();
    let set: Vec<_> = values.iter().filter(|value| value.iter().any(|byte| *byte != 0)).collect();
    if values.iter().all(|value| *value == values[0]) {
        format!("each:{}", hex(values[0]))
    } else if let [one] = set[..] {
        format!("one:{}", hex(one))
    } else {
        hex(value)
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    if text == "-" {
        return Vec::new();
    }
    assert!(text.len().is_multiple_of(2), "half a byte: {text}");
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex")).collect()
}

fn padded(value: &[u8]) -> Vec<u8> {
    let mut padded = value.to_vec();
    padded.resize(value.len().next_multiple_of(8), 0);
    padded
}
