//! Small programs, assembled and run without a verifier before them: this engine must cope with anything.

mod anything;
mod calls;
mod faults;
mod helpers;
mod instructions;
mod locks;
mod memory;
mod objects;
mod tail_calls;

use std::collections::HashMap;
use std::sync::Arc;

use bpfreplay_isa::{Symbols, assemble};
use bpfreplay_program::MapSpec;
use bpfreplay_runtime::maps::UserHandle;
use bpfreplay_runtime::objects::Objects;
use bpfreplay_runtime::skb::{Bytes, Device, Frame, Hook, Link, Packet};
use bpfreplay_runtime::{Context, Executable, ExecutionContext, Fault, FaultKind, Map, ProgramInfo, SkBuff};
use bpfreplay_uapi::{HelperId, Kfunc, MapType, ProgType};

use crate::DEFAULT_STEP_LIMIT;
use crate::program::InterpretedProgram;

/// The CPU tests run on, of [`CPUS`].
const CPU: u32 = 1;
const CPUS: u32 = 2;

/// The maps of a test, by name and index.
#[derive(Default)]
struct Maps {
    index: HashMap<String, u32>,
    maps: Vec<Arc<Map>>,
    objects: Option<Arc<Objects>>,
    /// While these live, slots of prog arrays keep their programs, which keep the maps.
    _handles: Vec<UserHandle>,
}

impl Maps {
    fn with(
        mut self,
        name: &str,
        map_type: MapType,
        key_size: u32,
        value_size: u32,
        max_entries: u32,
    ) -> Maps {
        let spec = MapSpec::new(name, map_type, key_size, value_size, max_entries);
        self.add(&spec);
        self
    }

    fn add(&mut self, spec: &MapSpec) {
        self.index.insert(spec.name.clone(), self.maps.len() as u32);
        let map = match &self.objects {
            Some(objects) => Map::create_for(spec, CPUS, objects).unwrap(),
            None => Map::create(spec, CPUS).unwrap(),
        };
        self._handles.push(map.user_handle());
        self.maps.push(map);
    }

    fn get(&self, name: &str) -> &Map {
        &self.maps[self.index[name] as usize]
    }

    /// The program, ready to run.
    fn prepare(&self, name: &str, source: &str, step_limit: u64) -> Arc<InterpretedProgram> {
        let assembly = assemble(source, self).unwrap_or_else(|error| panic!("{source}\n{error}"));
        let info = ProgramInfo {
            id: ProgramInfo::next_id(),
            name: name.to_owned(),
            prog_type: ProgType::SchedCls,
            expected_attach_type: 0,
            xdp_has_frags: false,
            jited: false,
            writes_packet: true,
        };
        let program = InterpretedProgram::of_xlated(info, &assembly.insns, &self.maps, step_limit).unwrap();
        Arc::new(match &self.objects {
            Some(objects) => program.with_objects(objects),
            None => program,
        })
    }
}

impl Symbols for Maps {
    fn map(&self, name: &str) -> Option<u32> {
        self.index.get(name).copied()
    }

    fn kfunc(&self, name: &str) -> Option<i32> {
        Kfunc::from_name(name).map(|kfunc| kfunc.id() as i32)
    }

    fn helper(&self, name: &str) -> Option<u32> {
        HelperId::ALL.iter().find(|helper| helper.proto().name == name).map(|helper| helper.id())
    }
}

/// A frame of bytes 0, 1, 2 and so on, as tc ingress shows it.
struct TestFrame {
    bytes: Vec<u8>,
    packet: Packet,
}

impl TestFrame {
    fn skb(&mut self) -> &mut SkBuff {
        let wire_len = self.bytes.len() as u32;
        let frame = Frame { bytes: Bytes::Copied(&self.bytes), link: Link::Ethernet, wire_len, time_ns: 0 };
        let device = Device::default();
        self.packet.load(frame, &Hook::Ingress(device)).unwrap()
    }

    fn context(&mut self) -> Context<'_> {
        Context::Skb(self.skb())
    }
}

fn frame(len: usize) -> TestFrame {
    TestFrame { bytes: (0..len).map(|byte| byte as u8).collect(), packet: Packet::new() }
}

/// Runs a program on a frame of 64 bytes; its r0 or its fault.
fn run_in(maps: &Maps, source: &str) -> Result<u64, Fault> {
    run_on(maps, source, frame(64).context())
}

fn run_on(maps: &Maps, source: &str, context: Context<'_>) -> Result<u64, Fault> {
    run_program(&maps.prepare("test", source, DEFAULT_STEP_LIMIT), context).0
}

/// Runs a program; the outcome and what the run left in its context.
fn run_program(program: &InterpretedProgram, context: Context<'_>) -> (Result<u64, Fault>, ExecutionContext) {
    let mut exec = ExecutionContext::new(CPU);
    let r0 = program.run(context, &mut exec.batch());
    let outcome = match exec.fault {
        None => Ok(r0),
        Some(fault) => {
            assert_eq!(r0, 0, "a run that ends with a fault returns 0");
            Err(fault)
        }
    };
    (outcome, exec)
}

/// Runs a program without maps.
fn run(source: &str) -> Result<u64, Fault> {
    run_in(&Maps::default(), source)
}

/// The slot and kind of the fault a program ends with.
fn fault(source: &str) -> (u32, FaultKind) {
    let fault = run(source).unwrap_err();
    (fault.pc, fault.kind)
}
