//! The shipped parsers on the kernel against the native reference: same return value and same 20 bytes of `cb` for
//! generated frames that reach every reason.

mod frames;

use std::collections::BTreeSet;

use bpfreplay_loader::Object;
use bpfreplay_parsers::reference::{OuterTag, parse};
use bpfreplay_parsers::{PARSER_DPA, PARSER_LDABS, Proto, Reason, State};
use bpfreplay_tests::Kernel;
use bpfreplay_tests::kernel::KernelInstance;

/// What `BPF_PROG_TEST_RUN` takes on x86-64 with 4 KiB pages.
const FRAME_MAX: usize = 3712;
const FRAMES: usize = 20_000;
/// `cb` in `struct __sk_buff`.
const CB: std::ops::Range<usize> = 48..68;

#[test]
fn both_editions_do_what_the_reference_says() {
    let Some(kernel) = Kernel::or_skip("the parsers on the kernel") else { return };
    for shipped in [PARSER_DPA, PARSER_LDABS] {
        let object = Object::parse(shipped.bytes).expect("a shipped object");
        let loaded = KernelInstance::load(kernel, &object.programs).expect("the kernel takes it");
        let entry = loaded.program(shipped.entry).expect("the entry");
        let mut rng = frames::Rng::new(2015);
        let mut reasons = BTreeSet::new();
        let mut headers = [0_u64; Proto::COUNT];
        let mut taken = 0;

        for number in 0..FRAMES {
            let frame = frames::frame(&mut rng, FRAME_MAX);
            // The kernel refuses frames too short for the IP header their EtherType promises.
            let Ok(run) = kernel.test_run(entry, &frame, &[0; 192], 1) else { continue };
            let expected = parse(&frame, OuterTag::InBytes);
            let words: Vec<u32> = run.ctx[CB]
                .chunks_exact(4)
                .map(|word| u32::from_ne_bytes(word.try_into().expect("four bytes")))
                .collect();
            let state = State::decode(words.try_into().expect("five words"));
            assert_eq!(
                (run.retval, state),
                (expected.retval().cast_unsigned(), Ok(expected.state)),
                "{}, frame {number}: {frame:02x?}",
                shipped.name
            );
            taken += 1;
            reasons.insert(expected.state.reason);
            for (sum, found) in headers.iter_mut().zip(expected.headers) {
                *sum += u64::from(found);
            }
        }
        assert!(taken > FRAMES * 9 / 10, "{taken} frames taken");
        assert_eq!(reasons, Reason::ALL.iter().copied().collect(), "every reason is reached");
        assert_eq!(packets(&loaded, "proto_counters"), headers, "{}", shipped.name);
    }
}

/// The packets of each slot of a per-CPU array of {packets, bytes}, over all CPUs.
fn packets(loaded: &KernelInstance, map: &str) -> Vec<u64> {
    let entries = loaded.entries(map).expect("the map can be read");
    let mut slots: Vec<(u32, u64)> = entries
        .iter()
        .map(|(key, values)| {
            let packets = |value: &[u8]| u64::from_ne_bytes(value[..8].try_into().expect("eight bytes"));
            let key = u32::from_ne_bytes(key[..].try_into().expect("four bytes"));
            (key, values.chunks_exact(16).map(packets).sum())
        })
        .collect();
    slots.sort_unstable();
    slots.into_iter().map(|(_, packets)| packets).collect()
}
