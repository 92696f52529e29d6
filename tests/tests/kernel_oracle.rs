//! The same linked bytecode, the same frames, three ways: interpreter, JIT, and the running kernel.
//!
//! Every frame of every capture that `BPF_PROG_TEST_RUN` takes goes through every program of every shipped object.
//! After each frame r0, the packet's bytes, mark, priority and cb must be equal; after all of them every map.

use bpfreplay_instance::Engine as OurEngine;
use bpfreplay_loader::Object;
use bpfreplay_tests::Kernel;
use bpfreplay_tests::captures::{self, test_run_frames};
use bpfreplay_tests::case::{Engine, KernelEngine};
use bpfreplay_tests::kernel::stay_on_this_cpu;
use bpfreplay_tests::oracle::{compare, takes_frames};

#[test]
fn engines_agree_with_the_kernel_frame_by_frame() {
    // Without it JIT and interpreter are compared all the same.
    let kernel = Kernel::or_skip("the kernel as a judge of engines").map(KernelEngine);
    if kernel.is_some() {
        stay_on_this_cpu().expect("the thread can be kept on a CPU");
    }
    let mut engines: Vec<&dyn Engine> = vec![&OurEngine::Interpreter, &OurEngine::Jit];
    if let Some(kernel) = &kernel {
        engines.insert(0, kernel);
    }

    let frames: Vec<Vec<u8>> = captures::all().iter().flat_map(|path| test_run_frames(path)).collect();
    assert!(frames.len() > 5000, "the captures hold {} frames", frames.len());
    let mut report = String::new();
    let (mut objects, mut programs, mut runs) = (0, 0, 0u64);
    // One object alone, while somebody looks for a difference.
    let only = std::env::var("ORACLE_OBJECT").unwrap_or_default();
    for path in captures::objects().into_iter().filter(|path| path.to_string_lossy().contains(&only)) {
        let bytes = std::fs::read(&path).expect("an object");
        let object = Object::parse(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        objects += 1;
        for entry in object.programs.iter().filter(|program| takes_frames(program.prog_type)) {
            programs += 1;
            runs += frames.len() as u64;
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            compare(&file, &object, entry, &engines, &frames, &mut report);
        }
    }
    eprintln!(
        "{objects} objects, {programs} programs, {} frames: {runs} runs on each of {} engines",
        frames.len(),
        engines.len()
    );
    assert!(
        !only.is_empty() || (objects >= 12 && programs >= 30),
        "{objects} objects with {programs} programs"
    );
    assert!(report.is_empty(), "{report}");
}
