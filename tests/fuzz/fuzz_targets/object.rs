//! Any bytes as an object: a typed error or programs, never a panic, a hang or memory without bound.
#![no_main]

use bpfreplay_loader::Object;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match Object::parse(bytes) {
        Ok(object) => {
            for program in &object.programs {
                assert!(!program.insns.is_empty());
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
