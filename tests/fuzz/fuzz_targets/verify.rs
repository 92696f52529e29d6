#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bpfreplay_tests::fuzz::verify(bytes));
