//! Programs at random: whatever they do, a run ends, with r0 or with a fault.

use std::sync::Arc;

use bpfreplay_isa::{
    AluOp, CallTarget, Insn, Instruction, Operand, Reg, Size, Width, decode, decode_program, encode,
};
use bpfreplay_runtime::helpers::function;
use bpfreplay_runtime::{Context, ContextKind, Executable, Map, ProgramInfo, SKB_LAYOUT};
use bpfreplay_uapi::skb::SkbField;
use bpfreplay_uapi::{HelperId, MapType, ProgType};
use proptest::prelude::*;

use super::{Maps, frame, run_program};
use crate::program::InterpretedProgram;

/// Enough for loops to come round, few enough for thousands of programs.
const STEPS: u64 = 2000;

fn maps() -> Maps {
    Maps::default().with("array", MapType::Array, 4, 16, 2).with("hash", MapType::Hash, 4, 8, 4).with(
        "jmp_table",
        MapType::ProgArray,
        4,
        4,
        2,
    )
}

/// Any instruction: random fields, of which those are cleared that must be for the slot to decode.
fn instruction() -> impl Strategy<Value = Instruction> {
    let off = prop_oneof![Just(0i16), -16i16..16, Just(-512), any::<i16>()];
    let imm = prop_oneof![Just(0i32), 0i32..70, Just(16), any::<i32>()];
    let random = (any::<u8>(), 0u8..10, 0u8..11, off, imm).prop_map(|(opcode, dst, src, off, imm)| {
        let found = (0..8).find_map(|clear: u8| {
            let src = if clear & 1 == 0 { src } else { 0 };
            let off = if clear & 2 == 0 { off } else { 0 };
            let imm = if clear & 4 == 0 { imm } else { 0 };
            decode(&[Insn::new(opcode, dst, src, off, imm), Insn::default()], 0).ok()
        });
        found.unwrap_or(mov(Reg::R0, Reg::R7))
    });
    let runnable: Vec<_> = HelperId::ALL
        .iter()
        .copied()
        .filter(|&helper| function(helper, ContextKind::Skb).is_some())
        .collect();
    let helper = proptest::sample::select(runnable)
        .prop_map(|helper| Instruction::Call(CallTarget::Helper(helper.id())));
    let pointer = (0usize..6, prop_oneof![Just(Reg::R6), Just(Reg::R7), Just(Reg::R10)])
        .prop_map(|(dst, src)| mov(Reg::ALL[dst], src));
    prop_oneof![12 => random, 1 => helper, 3 => pointer]
}

/// What gets past the first argument: calls as a compiler writes them.
const IDIOMS: [&str; 7] = [
    "*(u32 *)(r10 - 4) = 1\nr1 = map(array) ll\nr2 = r10\nr2 += -4\ncall bpf_map_lookup_elem",
    "r1 = map(hash) ll\nr2 = r10\nr2 += -4\nr3 = r10\nr3 += -16\nr4 = 0\ncall bpf_map_update_elem",
    "r1 = map(hash) ll\nr2 = r10\nr2 += -4\ncall bpf_map_delete_elem",
    "r1 = r6\nr2 = 3\nr3 = r10\nr3 += -16\nr4 = 9\ncall bpf_skb_load_bytes",
    "r1 = r6\nr2 = 60\nr3 = r10\nr3 += -16\nr4 = 4\nr5 = 3\ncall bpf_skb_store_bytes",
    "r1 = r6\nr2 = map(jmp_table) ll\nr3 = 0\ntail_call",
    "r1 = r6\nr2 = map(jmp_table) ll\nr3 = 1\ntail_call",
];

/// One random instruction, or an idiom.
fn chunk() -> impl Strategy<Value = Vec<Instruction>> {
    let idiom = proptest::sample::select(&IDIOMS[..]).prop_map(|source| {
        let assembly = bpfreplay_isa::assemble(source, &maps()).unwrap();
        decode_program(&assembly.insns).unwrap().into_iter().map(|(_, instruction)| instruction).collect()
    });
    prop_oneof![6 => instruction().prop_map(|instruction| vec![instruction]), 1 => idiom]
}

fn mov(dst: Reg, src: Reg) -> Instruction {
    Instruction::Alu { width: Width::W64, op: AluOp::Mov, dst, src: Operand::Reg(src) }
}

/// The slots of a program that has pointers to begin with, its jumps bent to go to instructions.
fn assemble(body: &[Instruction]) -> Vec<Insn> {
    let data = SKB_LAYOUT.field(SkbField::Data).off as i16;
    let load = Instruction::Load { size: Size::Dw, signed: false, dst: Reg::R7, base: Reg::R6, off: data };
    let program =
        [mov(Reg::R6, Reg::R1), load].into_iter().chain(body.iter().copied()).chain([Instruction::Exit]);
    let program: Vec<Instruction> = program.collect();
    let mut end = 0;
    let slots: Vec<usize> = program
        .iter()
        .map(|instruction| {
            end += instruction.slots();
            end - instruction.slots()
        })
        .collect();

    let bend = |slot: usize, off: i64| {
        let target = slots[(slot as i64 + off).unsigned_abs() as usize % slots.len()];
        target as i64 - slot as i64 - 1
    };
    let bent = slots.iter().zip(&program).map(|(&slot, &instruction)| match instruction {
        Instruction::Jump { width, off } => Instruction::Jump { width, off: bend(slot, off.into()) as i32 },
        Instruction::JumpIf { width, op, dst, src, off } => {
            Instruction::JumpIf { width, op, dst, src, off: bend(slot, off.into()) as i16 }
        }
        Instruction::MayGoto { off } => Instruction::MayGoto { off: bend(slot, off.into()) as i16 },
        Instruction::Call(CallTarget::Local(off)) => {
            Instruction::Call(CallTarget::Local(bend(slot, off.into()) as i32))
        }
        other @ (Instruction::Alu { .. }
        | Instruction::Neg { .. }
        | Instruction::MovSx { .. }
        | Instruction::Endian { .. }
        | Instruction::LoadImm64 { .. }
        | Instruction::Load { .. }
        | Instruction::Store { .. }
        | Instruction::Atomic { .. }
        | Instruction::LoadPacket { .. }
        | Instruction::Call(CallTarget::Helper(_) | CallTarget::Kfunc(_))
        | Instruction::TailCall
        | Instruction::Exit) => other,
    });
    bent.flat_map(|instruction| {
        let (first, second) = encode(instruction);
        std::iter::once(first).chain(second)
    })
    .collect()
}

fn prepare(insns: &[Insn], maps: &[Arc<Map>]) -> Option<Arc<InterpretedProgram>> {
    let info = ProgramInfo {
        id: ProgramInfo::next_id(),
        name: "anything".to_owned(),
        prog_type: ProgType::SchedCls,
        expected_attach_type: 0,
        xdp_has_frags: false,
        jited: false,
        writes_packet: true,
    };
    InterpretedProgram::of_xlated(info, insns, maps, STEPS).ok().map(Arc::new)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn every_run_ends(bodies in proptest::collection::vec(proptest::collection::vec(chunk(), 1..40), 3)) {
        let maps = maps();
        let programs: Vec<_> = bodies.iter().filter_map(|body| prepare(&assemble(&body.concat()), &maps.maps)).collect();
        let array = maps.get("jmp_table").prog_array().unwrap();
        for (slot, program) in programs.iter().take(2).enumerate() {
            array.update(slot as u32, Arc::clone(program) as Arc<dyn Executable>, 0).unwrap();
        }
        for program in &programs {
            let (_, exec) = run_program(program, frame(64).context());
            prop_assert!(exec.path().len() <= 34);
            run_program(program, Context::Plain(&[7; 32])).0.ok();
        }
    }
}
