//! Programs as text, prepared by a JIT, run on one packet.
#![allow(dead_code, reason = "each test file uses its part")]

use std::sync::Arc;

use bpfreplay_isa::{Imm64, Instruction, Symbols, assemble, decode_program};
use bpfreplay_jit::Jit;
use bpfreplay_program::{MapSpec, Program};
use bpfreplay_runtime::maps::UserHandle;
use bpfreplay_runtime::skb::{Bytes, Device, Frame, Hook, Link, Packet};
use bpfreplay_runtime::{Context, Executable, ExecutionContext, Map, SkBuff};
use bpfreplay_uapi::{HelperId, Kfunc, MapType, ProgType};
use bpfreplay_verifier::testing::unverified;
use bpfreplay_verifier::{Facts, TailCallSite, VerifiedProgram};

/// What the JIT is told of a tail call: less than all is what the verifier may know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Known {
    Nothing,
    Map,
    MapAndIndex(u32),
}

/// A JIT and the maps its programs share.
pub(crate) struct World {
    pub(crate) jit: Jit,
    pub(crate) maps: Vec<Arc<Map>>,
    specs: Arc<[MapSpec]>,
    /// When the last one goes, prog arrays are emptied: programs and prog arrays hold each other.
    _handles: Vec<UserHandle>,
}

impl World {
    pub(crate) fn new(specs: Vec<MapSpec>) -> World {
        let maps: Vec<Arc<Map>> =
            specs.iter().map(|spec| Map::create(spec, 2).expect("a good spec")).collect();
        let handles = maps.iter().map(Map::user_handle).collect();
        World { jit: Jit::new().expect("executable memory"), maps, specs: specs.into(), _handles: handles }
    }

    /// One prog array `jmp` of four slots.
    pub(crate) fn with_jmp() -> World {
        World::new(vec![MapSpec::new("jmp", MapType::ProgArray, 4, 4, 4)])
    }

    /// Assembles and compiles; every tail call gets `known` as its fact.
    pub(crate) fn program(&self, name: &str, known: Known, code: &str) -> Arc<dyn Executable> {
        self.jit.prepare(&self.assemble(name, known, code), &self.maps).expect("the JIT takes it")
    }

    pub(crate) fn assemble(&self, name: &str, known: Known, code: &str) -> VerifiedProgram {
        let assembly = assemble(code, &Names(&self.specs)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let decoded = decode_program(&assembly.insns).expect("it decodes");
        let tail_call = |instruction| {
            instruction == Instruction::Call(bpfreplay_isa::CallTarget::Helper(HelperId::TailCall.id()))
        };
        let site = |pc: usize| TailCallSite {
            pc: pc as u32,
            map: (known != Known::Nothing).then(|| map_before(&decoded, pc)),
            index: match known {
                Known::MapAndIndex(index) => Some(index),
                Known::Nothing | Known::Map => None,
            },
        };
        let sites = decoded.iter().filter(|&&(_, insn)| tail_call(insn)).map(|&(pc, _)| site(pc));
        let facts = Facts { tail_calls: sites.collect(), ..Facts::default() };
        let mut program = Program::new(name, ProgType::SchedCls, assembly.insns);
        program.maps = Arc::clone(&self.specs);
        unverified(Arc::new(program), facts)
    }

    pub(crate) fn set(&self, slot: u32, program: &Arc<dyn Executable>) {
        let array = self.maps[0].prog_array().expect("map 0 is the prog array");
        array.update(slot, Arc::clone(program), 0).expect("it fits");
    }
}

/// The map that the last `ld_imm64` before `pc` loads.
fn map_before(decoded: &[(usize, Instruction)], pc: usize) -> u32 {
    let maps =
        decoded.iter().take_while(|&&(at, _)| at < pc).filter_map(|&(_, instruction)| match instruction {
            Instruction::LoadImm64 { value: Imm64::Map(map), .. } => Some(map),
            _ => None,
        });
    maps.last().expect("a map before a tail call")
}

struct Names<'a>(&'a [MapSpec]);

impl Symbols for Names<'_> {
    fn map(&self, name: &str) -> Option<u32> {
        self.0.iter().position(|spec| spec.name == name).map(|at| at as u32)
    }

    fn kfunc(&self, name: &str) -> Option<i32> {
        Kfunc::from_name(name).map(|kfunc| kfunc.id() as i32)
    }

    fn helper(&self, name: &str) -> Option<u32> {
        HelperId::ALL.iter().find(|id| id.proto().name == name).map(|id| id.id())
    }
}

/// The frame of [`run`]: 64 bytes, counting up.
pub(crate) fn frame() -> Vec<u8> {
    (0..64).collect()
}

/// Runs a program on [`frame`] in `exec`.
pub(crate) fn run(program: &dyn Executable, exec: &mut ExecutionContext) -> u64 {
    with_skb(|skb| program.run(Context::Skb(skb), &mut exec.batch()))
}

/// Calls `f` with [`frame`] as the ingress hook shows it.
pub(crate) fn with_skb<T>(f: impl FnOnce(&mut SkBuff) -> T) -> T {
    let bytes = frame();
    let mut packet = Packet::new();
    let frame = Frame { bytes: Bytes::Copied(&bytes), link: Link::Ethernet, wire_len: 64, time_ns: 0 };
    let hook = Hook::Egress(Device::default());
    f(packet.load(frame, &hook).expect("a frame for the hook"))
}
