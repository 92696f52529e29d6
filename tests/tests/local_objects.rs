//! Objects that programs allocate (`tests/objects`), as clang 19 compiles them at `-mcpu` v1 and v4: every program is
//! accepted by our verifier and by the kernel, and finds out the same on interpreter, JIT and kernel for every frame of
//! the captures. What it owned goes with its maps.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use bpfreplay_instance::{Engine as OurEngine, Instance, Options};
use bpfreplay_loader::Object;
use bpfreplay_runtime::ExecutionContext;
use bpfreplay_runtime::skb::{Bytes, Device, Frame, Hook, Link, Packet};
use bpfreplay_runtime::{Context, Executable};
use bpfreplay_tests::Kernel;
use bpfreplay_tests::captures::{self, root, test_run_frames};
use bpfreplay_tests::case::{Engine, KernelEngine};
use bpfreplay_tests::kernel::stay_on_this_cpu;
use bpfreplay_tests::oracle::{compare, takes_frames};

const CPUS: [&str; 2] = ["v1", "v4"];
/// Workers that share maps and objects, and frames of each.
const WORKERS: u32 = 4;
const FRAMES: u32 = 3000;
/// As many sources there are at the least.
const SOURCES_MIN: usize = 10;

#[test]
fn every_program_finds_out_the_same_everywhere() {
    let kernel = Kernel::or_skip("the kernel as a judge of objects").map(KernelEngine);
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
    let mut programs = 0;
    for (file, object) in objects() {
        for entry in &object.programs {
            programs += 1;
            assert!(takes_frames(entry.prog_type), "{file}: {}", entry.name);
            compare(&file, &object, entry, &engines, &frames, &mut report);
        }
    }
    eprintln!("{programs} programs, {} frames, {} engines", frames.len(), engines.len());
    assert!(programs >= SOURCES_MIN * CPUS.len(), "{programs} programs");
    assert!(report.is_empty(), "{report}");
}

#[test]
fn nothing_outlives_the_maps_that_own_it() {
    let frames = 1000_u32;
    for (file, object) in objects() {
        for engine in OurEngine::ALL {
            let options = Options { engine, ..Options::default() };
            let instance =
                Instance::load(&object, &options).unwrap_or_else(|error| panic!("{file}: {error}"));
            let objects = Arc::clone(instance.objects());
            let mut exec = ExecutionContext::new(0);
            let mut most = 0;
            for number in 0..frames {
                let bytes = vec![0; 60 + (number * 7 % 900) as usize];
                let r0 = run(&**instance.entry(), &bytes, &mut exec);
                assert_eq!(exec.fault, None, "{file} on {engine}: frame {number}, r0 {r0:#x}");
                most = most.max(objects.live());
            }
            assert!((1..300).contains(&most), "{file} on {engine}: {most} objects at a time");
            drop(instance);
            assert_eq!(objects.live(), 0, "{file} on {engine}: {most} objects at a time");
        }
    }
}

/// The locks of the values are all that keeps lists and trees in order, and batches all that keeps memory from being
/// used again too early.
#[test]
fn workers_share_what_values_own() {
    for (file, object) in objects() {
        for engine in OurEngine::ALL {
            let options = Options { engine, cpus: WORKERS, ..Options::default() };
            let instance =
                Instance::load(&object, &options).unwrap_or_else(|error| panic!("{file}: {error}"));
            let objects = Arc::clone(instance.objects());
            let program = instance.entry();
            std::thread::scope(|scope| {
                for worker in 0..WORKERS {
                    let file = &file;
                    scope.spawn(move || {
                        let mut exec = ExecutionContext::new(worker);
                        for number in 0..FRAMES {
                            let bytes = vec![0; 60 + ((number + worker) * 7 % 900) as usize];
                            run(&**program, &bytes, &mut exec);
                            assert_eq!(
                                exec.fault, None,
                                "{file} on {engine}: worker {worker}, frame {number}"
                            );
                        }
                    });
                }
            });
            drop(instance);
            assert_eq!(objects.live(), 0, "{file} on {engine}");
        }
    }
}

fn run(program: &dyn Executable, bytes: &[u8], exec: &mut ExecutionContext) -> u64 {
    let mut packet = Packet::new();
    let wire_len = bytes.len() as u32;
    let frame = Frame { bytes: Bytes::Copied(bytes), link: Link::Ethernet, wire_len, time_ns: 0 };
    let skb = packet.load(frame, &Hook::Egress(Device::default())).expect("a frame");
    program.run(Context::Skb(skb), &mut exec.batch())
}

/// Every object file, with its name.
fn objects() -> Vec<(String, Object)> {
    let names = sources();
    assert!(names.len() >= SOURCES_MIN, "{} sources", names.len());
    let files = CPUS.iter().flat_map(|cpu| names.iter().map(move |name| format!("{cpu}/{name}.bpf.o")));
    files
        .map(|file| {
            let bytes = std::fs::read(folder().join(&file)).unwrap_or_else(|error| panic!("{file}: {error}"));
            let object = Object::parse(&bytes).unwrap_or_else(|error| panic!("{file}: {error}"));
            assert!(object.refused.is_empty(), "{file}: {:?}", object.refused);
            assert!(!object.programs.is_empty(), "{file} has no program");
            (file, object)
        })
        .collect()
}

fn folder() -> PathBuf {
    root().join("tests/objects")
}

/// The names of the sources, without `.bpf.c`.
fn sources() -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder()).expect("the folder of objects");
    let names = entries.filter_map(|entry| entry.expect("an entry").file_name().into_string().ok());
    names.filter_map(|name| name.strip_suffix(".bpf.c").map(str::to_owned)).collect()
}
