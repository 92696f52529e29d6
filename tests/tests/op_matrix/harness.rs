//! One instruction between loading and storing all registers.

use std::sync::Arc;

use bpfreplay_interpreter::Interpreter;
use bpfreplay_isa::{Insn, Instruction, Operand, Reg, Size, encode};
use bpfreplay_jit::{Cpu, Jit};
use bpfreplay_program::Program;
use bpfreplay_runtime::skb::{Bytes, Device, Frame, Hook, Link, Packet};
use bpfreplay_runtime::{Context, Executable, ExecutionContext, SKB_LAYOUT};
use bpfreplay_uapi::ProgType;
use bpfreplay_uapi::skb::SkbField;
use bpfreplay_verifier::testing::unverified;
use bpfreplay_verifier::{Facts, VerifiedProgram};

/// r0 to r9, and r10 as the program saw it.
pub(crate) type Registers = [u64; 11];

/// Words of memory that a case can reach beside the registers.
pub(crate) const SCRATCH_WORDS: usize = 16;

/// Where in the packet the scratch words are.
pub(crate) const SCRATCH: i16 = 88;

/// The packet: registers in, registers out, scratch memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Machine {
    pub(crate) registers: Registers,
    pub(crate) scratch: [u64; SCRATCH_WORDS],
}

/// Bytes of a machine as a packet.
const MACHINE_BYTES: usize = 8 * (11 + SCRATCH_WORDS);

impl Machine {
    /// Registers with a value each that no case computes, and scratch memory likewise.
    pub(crate) fn new() -> Machine {
        Machine {
            registers: std::array::from_fn(|i| {
                0xa5a5_0000_c3c3_0000 | ((i as u64) << 32) | (i as u64 * 0x11)
            }),
            scratch: std::array::from_fn(|i| 0x8182_8384_0000_0000 | (0x0101_0101 * (i as u64 + 0xe1))),
        }
    }

    fn to_bytes(self, bytes: &mut [u8; MACHINE_BYTES]) {
        let words = self.registers.into_iter().chain(self.scratch);
        for (bytes, word) in bytes.as_chunks_mut().0.iter_mut().zip(words) {
            *bytes = word.to_le_bytes();
        }
    }

    fn from_bytes(bytes: &[u8; MACHINE_BYTES]) -> Machine {
        let word = |i: usize| u64::from_le_bytes(bytes.as_chunks().0[i]);
        Machine { registers: std::array::from_fn(word), scratch: std::array::from_fn(|i| word(11 + i)) }
    }
}

/// Where a case runs: the packet is in one place, so that its address is known to what is expected.
#[repr(align(8))]
struct Place([u8; MACHINE_BYTES]);

/// Values at which arithmetic changes its mind.
pub(crate) const EDGES: &[u64] = &[
    0,
    1,
    2,
    7,
    31,
    32,
    63,
    64,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0x8000,
    0x1_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0x1_0000_0001,
    0x0123_4567_89ab_cdef,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0x8000_0000_8000_0000,
    0xffff_ffff_0000_0000,
    0xffff_ffff_8000_0000,
    0xffff_ffff_ffff_fffe,
    0xffff_ffff_ffff_ffff,
];

/// Immediates at which encodings and arithmetic change their mind.
pub(crate) const IMMEDIATES: &[i32] = &[
    0,
    1,
    2,
    3,
    7,
    8,
    31,
    32,
    33,
    63,
    64,
    100,
    127,
    128,
    255,
    256,
    0x1234_5678,
    i32::MAX,
    -1,
    -2,
    -128,
    -129,
    i32::MIN,
];

/// An engine, by how it prepares a program.
pub(crate) type Engine = (&'static str, Box<dyn Fn(&VerifiedProgram) -> Arc<dyn Executable>>);

/// Every engine in every configuration.
pub(crate) fn engines() -> Vec<Engine> {
    let jit = |cpu| {
        let jit = Jit::for_cpu(cpu).expect("executable memory");
        move |program: &VerifiedProgram| jit.prepare(program, &[]).expect("the JIT takes every instruction")
    };
    vec![
        ("jit", Box::new(jit(Cpu::detect())) as Box<_>),
        ("jit without bmi2", Box::new(jit(Cpu { bmi2: false }))),
        (
            "interpreter",
            Box::new(|program| Interpreter::new().prepare(program, &[]).expect("it takes every instruction")),
        ),
    ]
}

/// The registers a case can write: r0 to r9.
pub(crate) fn writable() -> impl Iterator<Item = Reg> {
    Reg::ALL.into_iter().filter(|&reg| reg != Reg::FP)
}

/// Slots between the instructions of a case and the functions behind its program.
pub(crate) const EPILOGUE: i32 = 14;

/// A program of these instructions between loading and storing all registers, and of functions they call.
fn program(instructions: &[Instruction], functions: &[Instruction]) -> VerifiedProgram {
    let load = |dst, base, off| Instruction::Load { size: Size::Dw, signed: false, dst, base, off };
    let store = |base, off, src| Instruction::Store { size: Size::Dw, base, off, src: Operand::Reg(src) };
    let data = SKB_LAYOUT.field(SkbField::Data).off as i16;
    let mut all =
        vec![load(Reg::R9, Reg::R1, data), store(Reg::FP, -8, Reg::R9), store(Reg::R9, 80, Reg::FP)];
    for i in 0..10 {
        all.push(load(Reg::ALL[i], Reg::R9, 8 * i as i16));
    }
    all.extend_from_slice(instructions);
    all.extend([store(Reg::FP, -16, Reg::R0), load(Reg::R0, Reg::FP, -8)]);
    for i in 1..10 {
        all.push(store(Reg::R0, 8 * i as i16, Reg::ALL[i]));
    }
    all.extend([load(Reg::R1, Reg::FP, -16), store(Reg::R0, 0, Reg::R1), Instruction::Exit]);
    all.extend_from_slice(functions);
    verified(&all)
}

/// These instructions in slots.
pub(crate) fn encoded(instructions: &[Instruction]) -> Vec<Insn> {
    let slots = instructions.iter().flat_map(|&insn| {
        let (a, b) = encode(insn);
        [Some(a), b]
    });
    slots.flatten().collect()
}

/// A program of these instructions, for engines to prepare.
pub(crate) fn verified(instructions: &[Instruction]) -> VerifiedProgram {
    let program = Program::new("case", ProgType::SchedCls, encoded(instructions));
    unverified(Arc::new(program), Facts::default())
}

/// Runs a program on a packet.
fn run(program: &dyn Executable, exec: &mut ExecutionContext, place: &mut Place) {
    let mut packet = Packet::new();
    let bytes = Bytes::Exclusive(&mut place.0);
    let frame = Frame { bytes, link: Link::Ethernet, wire_len: MACHINE_BYTES as u32, time_ns: 0 };
    let hook = Hook::Egress(Device::default());
    let skb = packet.load(frame, &hook).expect("a frame for the hook");
    program.run(Context::Skb(skb), &mut exec.batch());
    assert_eq!(exec.fault, None);
}

/// Runs instructions on every engine from each of `starts`, and compares with what `expect` makes of the start and of
/// the packet's address. It finds r10 as it was in the run, because only the run knows it.
pub(crate) fn check(
    engines: &[Engine],
    instructions: &[Instruction],
    starts: impl Iterator<Item = Machine> + Clone,
    expect: impl Fn(&mut Machine, u64),
) -> usize {
    check_calls(engines, (instructions, &[]), starts, expect)
}

/// [`check`] of instructions and of functions that they call, the first of which is [`EPILOGUE`] slots behind them.
#[expect(
    clippy::needless_pass_by_value,
    reason = "cloned for each engine; calls read better without a borrow"
)]
pub(crate) fn check_calls(
    engines: &[Engine],
    (instructions, functions): (&[Instruction], &[Instruction]),
    starts: impl Iterator<Item = Machine> + Clone,
    expect: impl Fn(&mut Machine, u64),
) -> usize {
    let program = program(instructions, functions);
    let mut exec = ExecutionContext::new(0);
    let mut place = Box::new(Place([0; MACHINE_BYTES]));
    let mut compared = 0;
    for (name, prepare) in engines {
        let prepared = prepare(&program);
        for start in starts.clone() {
            start.to_bytes(&mut place.0);
            run(&*prepared, &mut exec, &mut place);
            let actual = Machine::from_bytes(&place.0);
            let mut expected = start;
            expected.registers[10] = actual.registers[10];
            expect(&mut expected, place.0.as_ptr() as u64);
            if actual != expected {
                let text: Vec<String> =
                    instructions.iter().chain(functions).map(Instruction::to_string).collect();
                panic!("{name}: {}\nfrom {start:#x?}\nto {actual:#x?}\nnot {expected:#x?}", text.join("; "));
            }
            compared += 1;
        }
    }
    compared
}
