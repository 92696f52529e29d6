//! Any bytes as a capture: frames within bounds and at most one ending, never a panic, a hang or memory without bound.
#![no_main]

use std::sync::atomic::AtomicBool;

use bpfreplay_replay::source::{Block, Capture, MAX_FRAME_LEN, Source, as_ethernet};
use bpfreplay_replay::Steering;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut source = Source::new(vec![Capture::Memory(bytes.into())]);
    let (stop, steering) = (AtomicBool::new(false), Steering::new(3));
    let (mut block, mut frames) = (Block::default(), 0);
    while source.next_block(&mut block, &stop) {
        for frame in &block.frames {
            frames += 1;
            let (link, captured) = (block.link(frame), block.bytes(frame));
            assert!(frame.len <= MAX_FRAME_LEN && captured.len() == frame.len as usize);
            assert!(steering.worker(link, captured) < 3);
            if let Ok(view) = as_ethernet(link, captured) {
                assert!(view.rest.len() <= captured.len());
            }
        }
    }
    assert_eq!(source.frames(), frames);
    assert!(source.endings().len() <= 1);
    for ending in source.endings() {
        assert!(!ending.error.to_string().is_empty());
    }
});
