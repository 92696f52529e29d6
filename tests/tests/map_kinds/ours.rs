//! Steps on our maps, programs on one of our engines. The verifier is left out: what a step does is the helper's
//! affair.

use std::sync::Arc;

use bpfreplay_interpreter::Interpreter;
use bpfreplay_jit::Jit;
use bpfreplay_program::MapSpec;
use bpfreplay_runtime::skb::{Bytes, Frame, Hook, Link, TestRun, TestRunContext};
use bpfreplay_runtime::{Context, Executable, ExecutionContext, Map, MapError, Packet};
use bpfreplay_tests::case::{ProgramDef, assemble_program};
use bpfreplay_tests::kernel::possible_cpus;
use bpfreplay_uapi::MapType;
use bpfreplay_verifier::Facts;
use bpfreplay_verifier::testing::unverified;

use crate::programs;
use crate::step::{Side, Step, hex, show_value};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Interpreter,
    Jit,
}

pub(crate) struct Ours {
    engine: Engine,
    jit: Jit,
    specs: Arc<[MapSpec]>,
    maps: Vec<Arc<Map>>,
}

impl Ours {
    pub(crate) fn new(engine: Engine, specs: Vec<MapSpec>) -> Ours {
        let cpus = possible_cpus() as u32;
        let maps = specs.iter().map(|spec| Map::create(spec, cpus).expect("a map")).collect();
        Ours { engine, jit: Jit::new().expect("executable memory"), specs: specs.into(), maps }
    }

    fn map(&self, name: &str) -> &Arc<Map> {
        self.maps.iter().find(|map| map.spec().name == name).unwrap_or_else(|| panic!("no map {name}"))
    }

    fn user(&self, step: &Step) -> Result<String, MapError> {
        if step.word(0, "") == "create" {
            return Map::create(&step.spec(), 1).map(|_| "ok".to_owned());
        }
        let map = self.map(step.word(1, ""));
        let key = step.bytes(2);
        let ok = |()| "ok".to_owned();
        let per_cpu = map.is_per_cpu().then_some(map.spec().value_size as usize);
        match step.word(0, "") {
            "update" => map.update(&key, &step.value(3, map.cpus() as usize), step.number(4)).map(ok),
            "lookup" if map.is_map_of_maps() => map.lookup(&key).map(|id| {
                let id = u32::from_le_bytes(id.try_into().expect("an id has 4 bytes"));
                let inner = self.maps.iter().find(|map| map.id() == id).expect("a map of the case");
                format!("map:{}", inner.spec().name)
            }),
            "lookup" => map.lookup(&key).map(|value| show_value(&value, per_cpu)),
            "take" => map.lookup_and_delete(&key).map(|value| show_value(&value, per_cpu)),
            "delete" => map.delete(&key).map(ok),
            "contains" => map.contains(&key).map(ok),
            "next" => map.next_key(Some(&key[..]).filter(|key| !key.is_empty())).map(|key| hex(&key)),
            "inner" => map.update_inner(&key, self.map(step.word(3, "")), step.number(4)).map(ok),
            "freeze" => map.freeze().map(ok),
            "fill" => {
                let value = vec![1; map.user_value_size()];
                let done = (0..step.number(2))
                    .filter(|key| map.update(&(*key as u32).to_le_bytes(), &value, 0).is_ok());
                Ok(done.count().to_string())
            }
            "count" => {
                let mut keys = 0;
                map.for_each(|_, _| keys += 1).map(|()| keys.to_string())
            }
            other => panic!("no such step: {other}"),
        }
    }

    fn program(&self, step: &Step) -> String {
        let map = self.map(step.word(2, ""));
        let def = ProgramDef::new("step", programs::code(step, map.spec().value_size));
        let program =
            assemble_program(&def, &self.specs).unwrap_or_else(|error| panic!("{}: {error}", def.code));
        let program = unverified(Arc::new(program), Facts::default());
        let program: Arc<dyn Executable> = match self.engine {
            Engine::Interpreter => Interpreter::default().prepare(&program, &self.maps).expect("it is taken"),
            Engine::Jit => self.jit.prepare(&program, &self.maps).expect("it is compiled"),
        };
        let mut exec = ExecutionContext::new(0);
        let mut packet = Packet::new();
        let hook = Hook::TestRun(TestRun::with_context(TestRunContext::default()).expect("an empty context"));
        let bytes = [0; 64];
        let frame = Frame { bytes: Bytes::Copied(&bytes), link: Link::Ethernet, wire_len: 64, time_ns: 0 };
        let skb = packet.load(frame, &hook).expect("a frame");
        let r0 = program.run(Context::Skb(skb), &mut exec.batch());
        assert_eq!(exec.fault, None, "{}", step.text);
        programs::show(step, r0 as u32)
    }
}

impl Side for Ours {
    fn step(&mut self, step: &Step) -> String {
        if step.word(0, "") == "prog" {
            return self.program(step);
        }
        self.user(step).unwrap_or_else(|error| error.errno.name().to_owned())
    }
}

impl Step {
    /// The map of a `create`.
    pub(crate) fn spec(&self) -> MapSpec {
        let map_type = MapType::ALL.iter().find(|map_type| map_type.name() == self.word(1, ""));
        let map_type = *map_type.unwrap_or_else(|| panic!("no such type: {}", self.text));
        let [key, value, max, flags] = [2, 3, 4, 5].map(|at| self.number(at) as u32);
        let mut spec = MapSpec::new("made", map_type, key, value, max);
        spec.map_flags = flags;
        spec.map_extra = self.number(6);
        if let Some(inner) = self.words.get(7) {
            let inner = MapType::ALL.iter().find(|map_type| map_type.name() == inner).expect("a type");
            spec.inner = Some(Box::new(MapSpec::new("inner", *inner, 4, 4, 4)));
        }
        spec
    }
}
