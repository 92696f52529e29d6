use std::sync::Arc;

use bpfreplay_program::{ArgKind, FuncInfo, Linkage, MapContent, MapSpec, Program, ReturnKind};
use bpfreplay_uapi::{MapType, ProgType};

use super::code::Code;
use super::dice::Dice;
use super::function::{Callee, Generator};

/// Programs that tail-call each other, and what they run on.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// `p0` is entered; the jump table has all of them.
    pub programs: Vec<Arc<Program>>,
    /// Frames, to be run one after the other.
    pub frames: Vec<Vec<u8>>,
    /// Whether no address and nothing uninitialised can be seen in the outcome, so that engines must agree on it.
    pub comparable: bool,
}

/// Programs of a scenario.
const PROGRAMS: usize = 3;
/// Functions of a program, the main one included, at the most.
const FUNCTIONS_MAX: usize = 3;

// Indexes of the maps every scenario has.
pub(super) const JUMP_TABLE: u32 = 0;
pub(super) const ARRAY: u32 = 1;
pub(super) const HASH: u32 = 2;
pub(super) const PERCPU_ARRAY: u32 = 3;
pub(super) const PERCPU_HASH: u32 = 4;
pub(super) const DATA: u32 = 5;
pub(super) const RODATA: u32 = 6;
/// Bytes of a value of each of them.
pub(super) const VALUE_SIZE: u32 = 24;
/// The last one is empty.
pub(super) const SLOTS_OF_JUMP_TABLE: u32 = PROGRAMS as u32 + 1;
/// Formats in `RODATA`: offset and length.
pub(super) const FORMATS: &[(u32, i32)] = &[(0, 6), (6, 8), (14, 10), (14, 9)];
const RODATA_BYTES: &[u8; VALUE_SIZE as usize] = b"%d %x\0%lu%llx\0%5d|%%%c\0\0";

/// The maps of every scenario; the jump table has this many programs.
pub(super) fn maps(programs: usize) -> Arc<[MapSpec]> {
    let map = |name: &str, map_type, entries| MapSpec::new(name, map_type, 4, VALUE_SIZE, entries);
    let data = |name: &str, bytes: &[u8], frozen| MapSpec {
        content: MapContent::Data { bytes: bytes.to_vec(), frozen },
        ..map(name, MapType::Array, 1)
    };
    let slots = (0..programs as u32).map(|slot| (slot, name(slot as usize))).collect();
    Arc::new([
        MapSpec {
            value_size: 4,
            content: MapContent::Programs(slots),
            ..map("jump_table", MapType::ProgArray, SLOTS_OF_JUMP_TABLE)
        },
        map("array", MapType::Array, 3),
        map("hash", MapType::Hash, 3),
        map("percpu_array", MapType::PercpuArray, 3),
        map("percpu_hash", MapType::PercpuHash, 3),
        data("data", &[0x5a; VALUE_SIZE as usize], false),
        data("rodata", RODATA_BYTES, true),
    ])
}

/// The name of a program.
pub(super) fn name(program: usize) -> String {
    format!("p{program}")
}

impl Scenario {
    /// Any bytes as a scenario: the last ones are the first frame.
    #[must_use]
    pub fn generate(bytes: &[u8]) -> Scenario {
        let mut dice = Dice::new(bytes);
        let bold = dice.one_in(2);
        let maps = maps(PROGRAMS);
        let len = 14 + dice.below(90);
        let mut frame = dice.bytes(len);
        // Most frames are IPv4: LD_ABS and the hash look at the network header.
        if !dice.one_in(4) && len >= 34 {
            frame[12..15].copy_from_slice(&[8, 0, 0x45]);
        }
        let extreme = if dice.one_in(2) { 0xff } else { 0 };
        let frames = vec![vec![extreme; len], frame];
        let programs = (0..PROGRAMS).map(|at| Arc::new(program(&mut dice, at, bold, &maps))).collect();
        Scenario { programs, frames, comparable: !bold }
    }
}

fn program(dice: &mut Dice<'_>, at: usize, bold: bool, maps: &Arc<[MapSpec]>) -> Program {
    let mut code = Code::default();
    let functions: Vec<Callee> = (0..=dice.below(FUNCTIONS_MAX))
        .map(|at| Callee { label: code.label(), global: at == 0 || dice.one_in(3) })
        .collect();
    for (at, function) in functions.iter().enumerate() {
        code.bind(function.label);
        let mut generator = Generator::new(dice, &mut code, &functions[at + 1..], bold);
        generator.function(at > 0, !function.global);
    }
    let (insns, place) = code.link();
    let mut program = Program::new(&name(at), ProgType::SchedCls, insns);
    program.maps = Arc::clone(maps);
    let starts: Vec<(u32, bool)> = functions.iter().map(|f| (place(f.label), f.global)).collect();
    program.funcs = function_infos(&program.name, &starts);
    program
}

/// BTF's words on functions, by start and whether they are global. The first is the entry.
pub(super) fn function_infos(program: &str, functions: &[(u32, bool)]) -> Vec<FuncInfo> {
    let info = |(at, &(insn_off, global)): (usize, &(u32, bool))| FuncInfo {
        insn_off,
        name: if at == 0 { program.to_owned() } else { format!("{program}_{at}") },
        linkage: if global { Linkage::Global } else { Linkage::Static },
        ret: ReturnKind::Scalar,
        args: if at == 0 { vec![ArgKind::Ctx] } else { vec![ArgKind::Ctx, ArgKind::Scalar] },
        btf_id: at as u32 + 1,
    };
    functions.iter().enumerate().map(info).collect()
}
