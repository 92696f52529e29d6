//! Packet loads, `LD_ABS` and `LD_IND`: size × index register × offset × length of the packet, in the main program and
//! in a subprogram. What they give is worked out from the packet's bytes; where permitted, the kernel has its say too.
//!
//! Such a load needs the context in r6 and the packet may be too short to be a register file, so the context is it: r0
//! and r7 go to `cb`, r8 to `tstamp`, r9 to `mark` and `priority`, all through r6, and r10 to `hwtstamp` beforehand.

use bpfreplay_isa::{AluOp, CallTarget, Imm64, Instruction, Operand, PacketIndex, Reg, Size, Width};
use bpfreplay_program::Program;
use bpfreplay_runtime::skb::{Bytes, Frame, Hook, Link, Packet, TestRun};
use bpfreplay_runtime::{Context, ExecutionContext, SKB_LAYOUT};
use bpfreplay_tests::Kernel;
use bpfreplay_uapi::ProgType;
use bpfreplay_uapi::skb::SkbField;

use crate::harness::{Engine, encoded, engines, verified};

/// Bytes before the network header.
const ETH_HLEN: i64 = 14;
/// Classic BPF's offsets relative to a header, and its ancillary data.
const SKF_NET_OFF: i32 = -0x10_0000;
const SKF_LL_OFF: i32 = -0x20_0000;
const SKF_AD_OFF: i32 = -0x1000;

/// Lengths of packets: a header and nothing else, one byte more, the shortest on a wire, a long one.
const LENGTHS: &[usize] = &[14, 15, 60, 1500];
const SIZES: [Size; 3] = [Size::B, Size::H, Size::W];

/// What r7 to r9 hold throughout.
const KEPT: [u64; 3] = [0x7171_7171_0707_0707, 0x8282_8282_0808_0808, 0x9393_9393_0909_0909];
/// The half of an index register that does not count.
const GARBAGE: u64 = 0xdead_beef_0000_0000;

/// One load, and what its index register holds.
#[derive(Clone, Copy, Debug)]
struct Case {
    size: Size,
    index: PacketIndex,
    imm: i32,
    value: u64,
}

/// Where the load is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    Main,
    Subprogram,
}

/// What a run leaves behind: the return value, and what the context notes (zeros where the program ended early).
#[derive(PartialEq, Eq, Debug)]
struct Outcome {
    returned: u64,
    r0: u64,
    kept: [u64; 3],
}

/// A packet of an EtherType without a protocol. No byte is 0, so that no load gives 0; the last ones are all ones.
fn packet(len: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..len).map(|i| (i * 37 % 255) as u8 + 1).collect();
    bytes[12..14].copy_from_slice(&[0x88, 0xb5]);
    if len >= 60 {
        bytes[len - 4..].fill(0xff);
    }
    bytes
}

/// Offsets around every limit of a packet of `len` bytes, for a load of `size`.
fn offsets(len: usize, size: Size) -> Vec<i32> {
    let (last, net) = ((len - size.bytes() as usize) as i32, ETH_HLEN as i32);
    let mut offsets =
        vec![0, 1, last / 2, last - 1, last, last + 1, last + 4, 0xffff, i32::MAX - 3, i32::MAX];
    offsets.extend([0, last - net - 1, last - net, last - net + 1, 0x800].map(|k| SKF_NET_OFF + k.max(0)));
    offsets.extend([0, last / 2, last, last + 1, 0xf_ffff].map(|k| SKF_LL_OFF + k));
    offsets.extend([0, 4, 60].map(|k| SKF_AD_OFF + k));
    offsets.extend([-1, -4, SKF_LL_OFF - 1, i32::MIN, i32::MIN + 14]);
    offsets
}

/// What a load gives, from the bytes alone.
fn value_at(bytes: &[u8], size: Size, offset: i32) -> Option<u64> {
    let offset = i64::from(offset);
    let (net, mac) = (i64::from(SKF_NET_OFF), i64::from(SKF_LL_OFF));
    let start = match offset {
        0.. => offset,
        _ if offset >= net => offset - net + ETH_HLEN,
        _ if offset >= mac => offset - mac,
        _ => return None,
    };
    let bytes = bytes.get(start as usize..start as usize + size.bytes() as usize)?;
    Some(match *bytes {
        [a] => a.into(),
        [a, b] => u16::from_be_bytes([a, b]).into(),
        [a, b, c, d] => u32::from_be_bytes([a, b, c, d]).into(),
        _ => unreachable!("sizes are 1, 2 and 4"),
    })
}

fn mov(dst: Reg, src: Reg) -> Instruction {
    Instruction::Alu { width: Width::W64, op: AluOp::Mov, dst, src: Operand::Reg(src) }
}

fn constant(dst: Reg, value: u64) -> Instruction {
    Instruction::LoadImm64 { dst, value: Imm64::Const(value) }
}

fn note(field: SkbField, at: i16, size: Size, src: Reg) -> Instruction {
    let off = SKB_LAYOUT.field(field).off as i16 + at;
    Instruction::Store { size, base: Reg::R6, off, src: Operand::Reg(src) }
}

/// The registers before a load: the context in r6, known values in r7 to r9, the index where the case wants it.
fn before(case: Case, kept: [u64; 3]) -> Vec<Instruction> {
    let mut all = vec![mov(Reg::R6, Reg::R1), note(SkbField::Hwtstamp, 0, Size::Dw, Reg::FP)];
    all.extend([Reg::R7, Reg::R8, Reg::R9].into_iter().zip(kept).map(|(reg, value)| constant(reg, value)));
    match case.index {
        PacketIndex::Ind(reg) if writable_index(reg) => all.push(constant(reg, case.value)),
        PacketIndex::Ind(_) | PacketIndex::Abs => {}
    }
    all
}

/// What r7 to r9 hold in the function of the load: an index is among them where they are the case's.
fn kept(case: Case) -> [u64; 3] {
    let mut kept = KEPT;
    if let PacketIndex::Ind(reg @ (Reg::R7 | Reg::R8 | Reg::R9)) = case.index {
        kept[reg.index() - 7] = case.value;
    }
    kept
}

/// Whether a case may choose what the register holds.
fn writable_index(reg: Reg) -> bool {
    reg != Reg::R6 && reg != Reg::FP
}

/// Notes r0 and r7 to r9, and returns r0.
fn after() -> Vec<Instruction> {
    let shift = Instruction::Alu { width: Width::W64, op: AluOp::Rsh, dst: Reg::R9, src: Operand::Imm(32) };
    vec![
        note(SkbField::Cb, 0, Size::Dw, Reg::R0),
        note(SkbField::Cb, 8, Size::Dw, Reg::R7),
        note(SkbField::Tstamp, 0, Size::Dw, Reg::R8),
        note(SkbField::Mark, 0, Size::W, Reg::R9),
        shift,
        note(SkbField::Priority, 0, Size::W, Reg::R9),
        Instruction::Exit,
    ]
}

/// A program with the load in its place. A subprogram adds 1 to what it loaded: it returns 0 only by failing.
fn program(case: Case, place: Place) -> Vec<Instruction> {
    let load = Instruction::LoadPacket { size: case.size, index: case.index, imm: case.imm };
    match place {
        Place::Main => [before(case, KEPT), vec![load], after()].concat(),
        Place::Subprogram => {
            let after = after();
            let call = Instruction::Call(CallTarget::Local(after.len() as i32));
            let abs = Case { index: PacketIndex::Abs, ..case };
            let add =
                Instruction::Alu { width: Width::W64, op: AluOp::Add, dst: Reg::R0, src: Operand::Imm(1) };
            let body = vec![load, add, Instruction::Exit];
            [before(abs, KEPT), vec![call], after, before(case, KEPT.map(|value| !value)), body].concat()
        }
    }
}

/// Runs a case on every engine and compares; `case_at` makes it once the context's address is known.
fn check(engines: &[Engine], bytes: &[u8], place: Place, case_at: impl Fn(u32) -> Case) {
    let mut exec = ExecutionContext::new(0);
    let mut skb = Box::new(Packet::new());
    let hook = Hook::TestRun(TestRun::new());
    let frame = || Frame {
        bytes: Bytes::Shared(bytes),
        link: Link::Ethernet,
        wire_len: bytes.len() as u32,
        time_ns: 0,
    };
    let address = std::ptr::from_mut(skb.load(frame(), &hook).expect("a frame for the hook")).addr() as u32;
    let case = case_at(address);
    let program = verified(&program(case, place));
    for (name, prepare) in engines {
        let prepared = prepare(&program);
        let skb = skb.load(frame(), &hook).expect("a frame for the hook");
        let returned = prepared.run(Context::Skb(skb), &mut exec.batch());
        assert_eq!(exec.fault, None, "{name}: {case:x?} in {place:?}");
        let double = |low: u32, high: u32| u64::from(high) << 32 | u64::from(low);
        let actual = Outcome {
            returned,
            r0: double(skb.cb[0], skb.cb[1]),
            kept: [double(skb.cb[2], skb.cb[3]), skb.tstamp, double(skb.mark, skb.priority)],
        };

        let index = match case.index {
            PacketIndex::Abs => 0,
            PacketIndex::Ind(Reg::R6) => address,
            PacketIndex::Ind(Reg::R10) => skb.hwtstamp as u32,
            PacketIndex::Ind(_) => case.value as u32,
        };
        let loaded = value_at(bytes, case.size, (index as i32).wrapping_add(case.imm));
        let expected = match (place, loaded) {
            (Place::Main, None) => Outcome { returned: 0, r0: 0, kept: [0; 3] },
            (Place::Main, Some(value)) => Outcome { returned: value, r0: value, kept: kept(case) },
            (Place::Subprogram, loaded) => {
                let value = loaded.map_or(0, |value| value + 1);
                Outcome { returned: value, r0: value, kept: KEPT }
            }
        };
        let len = bytes.len();
        assert_eq!(actual, expected, "{name}: {case:x?} in {place:?}, a packet of {len} bytes");
    }
}

/// Every length of packet, size, offset around its limits, and place.
fn each(mut body: impl FnMut(&[u8], Size, i32, Place)) {
    for &len in LENGTHS {
        let bytes = packet(len);
        for size in SIZES {
            for offset in offsets(len, size) {
                body(&bytes, size, offset, Place::Main);
                body(&bytes, size, offset, Place::Subprogram);
            }
        }
    }
}

/// The offset as an immediate, as a register, and as sums that do and do not wrap; high halves do not count.
fn splits(offset: i32) -> [(i32, u64); 4] {
    let rest = |imm: i32| (imm, GARBAGE | u64::from(offset.wrapping_sub(imm) as u32));
    [(0, u64::from(offset as u32)), rest(offset), rest(7), rest(-16)]
}

#[test]
fn absolute() {
    let engines = engines();
    each(|bytes, size, imm, place| {
        check(&engines, bytes, place, |_| Case { size, index: PacketIndex::Abs, imm, value: 0 });
    });
}

#[test]
fn indexed_by_every_register() {
    let engines = engines();
    each(|bytes, size, offset, place| {
        for reg in Reg::ALL.into_iter().filter(|&reg| writable_index(reg)) {
            for (imm, value) in splits(offset) {
                check(&engines, bytes, place, |_| Case { size, index: PacketIndex::Ind(reg), imm, value });
            }
        }
        // Addresses: the context's is known beforehand, the stack's only to the run.
        check(&engines, bytes, place, |address| Case {
            size,
            index: PacketIndex::Ind(Reg::R6),
            imm: offset.wrapping_sub(address as i32),
            value: 0,
        });
        let imm = offset;
        check(&engines, bytes, place, |_| Case { size, index: PacketIndex::Ind(Reg::FP), imm, value: 0 });
    });
}

/// The kernel's r0 for the same loads. Subprograms are not asked: it wants BTF for those, as case files give it.
#[test]
fn the_kernel_says_the_same() {
    let Some(kernel) = Kernel::or_skip("the kernel as a judge of packet loads") else { return };
    each(|bytes, size, offset, place| {
        if place == Place::Subprogram {
            return;
        }
        let indexed = splits(offset).map(|(imm, value)| (PacketIndex::Ind(Reg::R7), imm, value));
        for (index, imm, value) in indexed.into_iter().chain([(PacketIndex::Abs, offset, 0)]) {
            let load = Instruction::LoadPacket { size, index, imm };
            let insns = encoded(&[mov(Reg::R6, Reg::R1), constant(Reg::R7, value), load, Instruction::Exit]);
            let program = Program::new("load", ProgType::SchedCls, insns);
            let fd = kernel.load_program(&program, &program.insns, None, 0).expect("the kernel takes it");
            let run = kernel.test_run(&fd, bytes, &[], 1).expect("a frame it takes");
            let expected = value_at(bytes, size, offset).unwrap_or(0);
            let len = bytes.len();
            assert_eq!(u64::from(run.retval), expected, "{load} with r7 {value:#x}, a packet of {len} bytes");
        }
    });
}
