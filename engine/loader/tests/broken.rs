//! No bytes make the loader panic or hang, and what is broken is refused with its place.

use std::path::Path;
use std::time::{Duration, Instant};

use bpfreplay_loader::{LoadErrorKind, Object};
use proptest::prelude::{any, proptest};

const OBJECTS: [&str; 7] =
    ["values", "id_slot", "no_btf", "subprograms_v3", "data_sections", "core", "cilium_tail"];

fn bytes(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/objects").join(format!("{name}.bpf.o"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn cut_off_at_every_length() {
    for name in OBJECTS {
        let whole = bytes(name);
        let table_end = whole.len();
        for len in 0..table_end {
            let error = Object::parse(&whole[..len]).err();
            // The section table lies at the end, so every cut loses some of it.
            assert!(error.is_some(), "{name} cut to {len} of {table_end} bytes loaded");
        }
    }
}

#[test]
fn every_byte_damaged() {
    for name in OBJECTS {
        let whole = bytes(name);
        let mut refused = 0;
        for at in 0..whole.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut damaged = whole.clone();
                damaged[at] ^= flip;
                // Names and constants may change unseen; what matters is that it returns.
                refused += usize::from(Object::parse(&damaged).is_err());
            }
        }
        assert!(refused > whole.len() / 10, "{name}: only {refused} of {} refused", 3 * whole.len());
    }
}

#[test]
fn what_is_no_object() {
    let kind = |bytes: &[u8]| Object::parse(bytes).expect_err("refused").kind;
    assert_eq!(kind(b""), LoadErrorKind::NotElf);
    assert_eq!(kind(b"int main() {}\n"), LoadErrorKind::NotElf);
    let mut other = bytes("values");
    other[18] = 62;
    assert_eq!(kind(&other), LoadErrorKind::WrongMachine(62));
    let mut other = bytes("values");
    other[16] = 2;
    assert_eq!(kind(&other), LoadErrorKind::NotRelocatable(2));
    let mut other = bytes("values");
    other[4] = 1;
    assert_eq!(kind(&other), LoadErrorKind::WrongClass);
}

#[test]
fn alignment_of_the_bytes_does_not_matter() {
    let whole = bytes("values");
    let mut shifted = vec![0];
    shifted.extend_from_slice(&whole);
    assert_eq!(Object::parse(&shifted[1..]).expect("loads").maps, Object::parse(&whole).expect("loads").maps);
}

proptest! {
    #[test]
    fn words_replaced(
        object in 0..OBJECTS.len(),
        edits in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u32>()), 1..8),
    ) {
        let mut damaged = bytes(OBJECTS[object]);
        for (at, word) in edits {
            let at = at.index(damaged.len() - 3);
            damaged[at..at + 4].copy_from_slice(&word.to_le_bytes());
        }
        let start = Instant::now();
        let _ = Object::parse(&damaged);
        // Not a measurement: a loop without a limit would run for ever.
        assert!(start.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn parts_swapped(
        object in 0..OBJECTS.len(),
        from in any::<proptest::sample::Index>(),
        to in any::<proptest::sample::Index>(),
        len in 1..256usize,
    ) {
        let whole = bytes(OBJECTS[object]);
        let (from, to) = (from.index(whole.len() - 256), to.index(whole.len() - 256));
        let mut damaged = whole.clone();
        damaged[to..to + len].copy_from_slice(&whole[from..from + len]);
        let _ = Object::parse(&damaged);
    }
}
