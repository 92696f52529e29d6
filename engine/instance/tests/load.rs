//! Objects made ready on both engines, run, and refused.

use std::path::Path;
use std::sync::Arc;

use bpfreplay_instance::{Engine, Instance, InstanceError, Load, Options, Tail, default_entry};
use bpfreplay_loader::Object;
use bpfreplay_program::Program;
use bpfreplay_runtime::skb::{Bytes, Device, Frame, Hook, Link};
use bpfreplay_runtime::{Context, ExecutionContext, Packet};
use bpfreplay_uapi::{Errno, ProgType};

fn parsers(bytes: &[u8]) -> Object {
    Object::parse(bytes).expect("a shipped object loads")
}

fn fixture(name: &str) -> Object {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../loader/tests/objects");
    let bytes = std::fs::read(folder.join(format!("{name}.bpf.o"))).expect("a test object");
    Object::parse(&bytes).expect("a test object loads")
}

fn on(engine: Engine) -> Options {
    Options { engine, ..Options::default() }
}

/// An Ethernet, IPv4, TCP frame.
fn tcp_frame() -> Vec<u8> {
    let mut frame = vec![0; 64];
    frame[12] = 0x08;
    frame[14] = 0x45;
    frame[17] = 50;
    frame[22] = 64;
    frame[23] = 6;
    frame[46] = 0x50;
    frame
}

/// r0 of a run of a program on a frame, and the names of the programs it went through.
fn run(instance: &Instance, program: &str, frame: &[u8]) -> (u64, Vec<String>) {
    let mut exec = ExecutionContext::new(0);
    let mut packet = Packet::new();
    let frame =
        Frame { bytes: Bytes::Copied(frame), link: Link::Ethernet, wire_len: frame.len() as u32, time_ns: 0 };
    let skb = packet.load(frame, &Hook::Ingress(Device::default())).expect("a good frame");
    let mut batch = exec.batch();
    let program = instance.program(program).expect("a program");
    let r0 = program.executable.run(Context::Skb(skb), &mut batch);
    assert_eq!(batch.fault, None);
    let name = |id| instance.program_name(id).expect("one of ours").to_owned();
    (r0, batch.path().iter().map(|entry| name(entry.prog)).collect())
}

#[test]
fn the_parsers_take_their_tail_calls() {
    for engine in Engine::ALL {
        for object in [bpfreplay_parsers::PARSER_DPA, bpfreplay_parsers::PARSER_LDABS] {
            let instance = Instance::load(&parsers(object.bytes), &on(engine))
                .unwrap_or_else(|error| panic!("{engine} {}: {error}", object.name));
            assert_eq!(instance.entry().info().name, object.entry);
            assert_eq!(instance.entry().info().jited, engine == Engine::Jit);
            let (_, path) = run(&instance, object.entry, &tcp_frame());
            assert_eq!(path, [object.entry, "parse_tcp"], "{engine} {}", object.name);
        }
    }
}

#[test]
fn every_shipped_object_loads_on_both_engines() {
    for engine in Engine::ALL {
        for object in bpfreplay_parsers::ALL.iter().copied().flatten() {
            let instance = Instance::load(&parsers(object.bytes), &on(engine))
                .unwrap_or_else(|error| panic!("{engine} {}: {error}", object.name));
            assert_eq!(instance.programs().len(), object.programs.len(), "{}", object.name);
        }
    }
}

#[test]
fn weak_externs_are_compared_with_null() {
    let object = fixture("weak_externs");
    for engine in Engine::ALL {
        let only =
            |entry: &str| Options { entry: Some(entry.to_owned()), load: Load::Reachable, ..on(engine) };
        let instance = Instance::load(&object, &only("weak_externs")).expect("what is absent is not called");
        let (r0, _) = run(&instance, "weak_externs", &tcp_frame());
        assert_eq!(r0, 1, "{engine}: bpf_iter_num_new is here, the others are not");
        let refused = Instance::load(&object, &only("calls_what_is_absent")).expect_err("it is called");
        assert!(refused.to_string().contains("invalid func unknown#2002000000"), "{engine}: {refused}");
        let named = "(85) call bpf_no_such_function#2002000000";
        assert!(refused.to_string().contains(named), "{engine}: {refused}");
    }
}

#[test]
fn values_and_overrides() {
    let object = parsers(bpfreplay_parsers::PARSER_DPA.bytes);
    for engine in Engine::ALL {
        let tails = vec!["ipproto_jmp_table[6]=parse_udp".parse().expect("good")];
        let instance = Instance::load(&object, &Options { tails, ..on(engine) }).expect("loads");
        let (_, path) = run(&instance, "packet_parser", &tcp_frame());
        assert_eq!(path, ["packet_parser", "parse_udp"]);

        let empty = Tail { map: "ipproto_jmp_table".into(), index: 6, program: None };
        instance.set_tail(&empty).expect("emptied");
        instance.set_tail(&empty).expect("emptying an empty slot is no error");
        let (_, path) = run(&instance, "packet_parser", &tcp_frame());
        assert_eq!(path, ["packet_parser"]);
    }
}

#[test]
fn only_what_is_reachable() {
    let object = parsers(bpfreplay_parsers::PARSER_DPA.bytes);
    let options =
        Options { load: Load::Reachable, entry: Some("parse_udp".to_owned()), ..on(Engine::Interpreter) };
    let instance = Instance::load(&object, &options).expect("loads");
    assert_eq!(instance.entry().info().name, "parse_udp");
    assert!(instance.programs().len() < object.programs.len());
    assert!(instance.program("parse_tcp").is_none() || instance.program("parse_inner").is_some());
}

#[test]
fn core_relocations_of_the_own_types_run() {
    // What tests/tests/libbpf.rs has the kernel judge, here on our engines.
    let object = fixture("core");
    for engine in Engine::ALL {
        let instance =
            Instance::load(&object, &on(engine)).unwrap_or_else(|error| panic!("{engine}: {error}"));
        let samples = instance.map("samples").expect("a map");
        let mut sample = [0u8; 56];
        sample[8 + 4 + 2 * 4] = 44;
        samples.update(&[0; 4], &sample, 0).expect("updated");
        assert_eq!(run(&instance, "core", &tcp_frame()).0, 1);
        let results = instance.map("results").expect("a map");
        let result = |index: u32| results.lookup(&index.to_le_bytes()).expect("in range")[0];
        assert_eq!((result(0), result(3), result(16)), (24, 0, 44), "{engine}");
    }
}

#[test]
fn names_that_are_not_there() {
    let object = parsers(bpfreplay_parsers::PARSER_DPA.bytes);
    let error = |options: Options| Instance::load(&object, &options).expect_err("refused");
    let entry = Some("nobody".to_owned());
    assert!(matches!(
        error(Options { entry, ..on(Engine::Interpreter) }),
        InstanceError::NoSuchProgram { name, known } if name == "nobody" && known.len() > 5
    ));
    let tail = |text: &str| Options { tails: vec![text.parse().expect("good")], ..on(Engine::Interpreter) };
    assert!(matches!(error(tail("nothing[1]=parse_tcp")), InstanceError::NoSuchMap { .. }));
    assert!(matches!(error(tail("ipproto_jmp_table[1]=nobody")), InstanceError::NoSuchProgram { .. }));
    let counters = object.maps.iter().find(|map| !map.name.contains("jmp")).expect("another map");
    assert!(matches!(
        error(tail(&format!("{}[0]=parse_tcp", counters.name))),
        InstanceError::NotAProgArray { .. }
    ));
    let InstanceError::Slot { source, .. } = error(tail("ipproto_jmp_table[256]=parse_tcp")) else {
        panic!("another error")
    };
    assert_eq!(source.errno, Errno::E2BIG);
    assert!(matches!(Instance::from_programs(&[], &on(Engine::Jit)), Err(InstanceError::NoPrograms)));
}

#[test]
fn a_program_of_another_type_does_not_fit_a_prog_array() {
    let object = parsers(bpfreplay_parsers::PARSER_DPA.bytes);
    let programs: Vec<Arc<Program>> = object
        .programs
        .iter()
        .map(|program| match program.name.as_str() {
            "parse_tcp" => Arc::new(Program { prog_type: ProgType::SchedAct, ..(**program).clone() }),
            _ => Arc::clone(program),
        })
        .collect();
    let error = Instance::from_programs(&programs, &on(Engine::Interpreter)).expect_err("refused");
    let (InstanceError::Owner { source, .. } | InstanceError::Slot { source, .. }) = &error else {
        panic!("{error}")
    };
    assert_eq!(source.errno, Errno::EINVAL);
    assert!(error.to_string().contains("sched_act"), "{error}");
}

#[test]
fn the_entry_is_found() {
    let object = parsers(bpfreplay_parsers::PARSER_DPA.bytes);
    assert_eq!(default_entry(&object.programs).expect("one head").name, "packet_parser");
    let object = fixture("subprograms_v3");
    let Err(InstanceError::AmbiguousEntry { candidates }) = default_entry(&object.programs) else {
        panic!("two programs, no prog array")
    };
    assert_eq!(candidates, ["first", "second"]);
}

#[test]
fn neighbours_that_cannot_be_loaded_matter_where_something_leads_to_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../loader/tests/objects");
    let bytes = std::fs::read(folder.join("neighbours.bpf.o")).expect("a test object");
    let object = Object::parse_with(&bytes, &Default::default()).expect("a sound file");
    for engine in Engine::ALL {
        let load = |entry: Option<&str>, tails: &[&str]| {
            let tails = tails.iter().map(|tail| tail.parse().expect("good")).collect();
            let entry = entry.map(str::to_owned);
            Instance::load(&object, &Options { entry, tails, load: Load::Reachable, cpus: 3, ..on(engine) })
        };
        // Neither the programs beside it matter, nor the map of a kind that only one of them names.
        let fine = load(Some("fine"), &[]).expect("loads");
        assert_eq!(run(&fine, "fine", &tcp_frame()), (0, vec!["fine".to_owned()]));
        assert!(fine.map("stacks").is_none());
        assert_eq!(fine.map("events").expect("named").spec().max_entries, 3, "a slot for each CPU");

        for (entry, tails) in [("asks", &[][..]), ("enters", &[]), ("fine", &["jmp[0]=asks"])] {
            let error = load(Some(entry), tails).expect_err("refused");
            assert!(
                matches!(&error, InstanceError::NotLoaded { program, .. } if program == "asks"),
                "{error}"
            );
        }
        let error = load(Some("names_stacks"), &[]).expect_err("refused");
        assert!(matches!(&error, InstanceError::Map(why) if why.errno == Errno::EOPNOTSUPP), "{error}");
        let Err(InstanceError::AmbiguousEntry { candidates }) = load(None, &[]) else { panic!("four heads") };
        assert_eq!(candidates, ["fine", "enters", "names_stacks", "unsafe"]);
    }
    let error = Instance::load(&object, &on(Engine::Jit)).expect_err("all of it");
    assert!(matches!(&error, InstanceError::NotLoaded { .. }), "{error}");
}

#[test]
fn a_refused_program_says_why() {
    let object = parsers(bpfreplay_parsers::PARSER_DPA.bytes);
    let mut broken = (**object.program("parse_tcp").expect("defined")).clone();
    broken.insns.truncate(3);
    broken.funcs.clear();
    broken.lines.clear();
    let error = Instance::from_programs(&[Arc::new(broken)], &on(Engine::Jit)).expect_err("refused");
    assert!(matches!(&error, InstanceError::Verifier { program, .. } if program == "parse_tcp"), "{error}");
}

#[test]
fn nothing_is_left_when_an_instance_goes() {
    let object = parsers(bpfreplay_parsers::PARSER_DPA.bytes);
    for engine in Engine::ALL {
        let instance = Instance::load(&object, &on(engine)).expect("loads");
        let maps: Vec<_> = instance.maps().iter().map(Arc::downgrade).collect();
        drop(instance);
        // Programs hold maps and prog arrays hold programs; retired programs go with the epoch.
        for _ in 0..1000 {
            if maps.iter().all(|map| map.strong_count() == 0) {
                break;
            }
            let mut exec = ExecutionContext::new(0);
            drop(exec.batch());
        }
        let left = maps.iter().filter(|map| map.strong_count() > 0).count();
        assert_eq!(left, 0, "{engine}: {left} of {} maps are still there", maps.len());
    }
}
