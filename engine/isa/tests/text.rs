//! Instructions to text and back; labels, names and what is no source.

mod common;

use bpfreplay_isa::{
    AssembleErrorKind as Kind, CallTarget, Imm64, Insn, Instruction, Reg, Symbols, assemble, decode,
    decode_program, encode,
};
use proptest::prelude::*;

const IMMS: [i32; 7] = [0, 1, -1, 0x7f, 0x1234_5678, i32::MIN, i32::MAX];
const OFFS: [i16; 5] = [0, 1, -1, i16::MIN, i16::MAX];

fn assemble_one(text: &str) -> Result<Instruction, String> {
    let assembly = assemble(text, &()).map_err(|error| format!("{text}: {error}"))?;
    let instruction = decode(&assembly.insns, 0).map_err(|error| format!("{text}: {error}"))?;
    assert_eq!(assembly.insns.len(), instruction.slots(), "{text}");
    Ok(instruction)
}

#[test]
fn every_instruction_survives_its_text() {
    let mut regs: Vec<_> = Reg::ALL.map(|reg| (reg, Reg::R3)).to_vec();
    regs.extend(Reg::ALL.map(|reg| (Reg::R4, reg)));
    for instruction in common::every_instruction(&regs, &IMMS, &OFFS) {
        assert_eq!(assemble_one(&instruction.to_string()), Ok(instruction));
    }
}

proptest! {
    /// Random fields; each way of clearing some of them that is an instruction goes through text unchanged.
    #[test]
    fn random_instructions_survive_their_text(
        opcode: u8, dst in 0u8..11, src in 0u8..11, off: i16, imm: i32, high: i32,
    ) {
        for keep in 0..16 {
            let kept = |bit: u8, value: i32| if keep & bit != 0 { value } else { 0 };
            let first = Insn::new(opcode, dst, kept(1, src.into()) as u8, kept(2, off.into()) as i16, kept(4, imm));
            let second = Insn::new(0, 0, 0, 0, kept(8, high));
            if let Ok(instruction) = decode(&[first, second], 0) {
                let text = instruction.to_string();
                prop_assert_eq!(assemble_one(&text), Ok(instruction));
            }
        }
    }

    /// Whatever the text, assembling does not panic.
    #[test]
    fn assembling_is_total(text in "[ -~\n]{0,60}") {
        let _ = assemble(&text, &());
    }

    /// Tokens in any order: errors lie inside the text.
    #[test]
    fn errors_have_a_position(words in proptest::collection::vec(
        proptest::sample::select(vec![
            "r1", "w1", "r11", "=", "+=", "s>=", "*", "(", ")", "u8", "u64", "s32", "+", "-", "0x5", "7", "ll", "skb",
            "[", "]", "if", "goto", "call", "lock", "map", "be16", "exit", ",", "xchg_64", "atomic_fetch_or", "x:",
        ]), 0..10))
    {
        let text = words.join(" ");
        if let Err(error) = assemble(&text, &()) {
            prop_assert!(error.line == 1 && error.column >= 1 && error.column <= text.len() + 1, "{}", error);
        }
    }
}

struct Names;

impl Symbols for Names {
    fn map(&self, name: &str) -> Option<u32> {
        ["jmp_table", ".rodata"].iter().position(|&map| map == name).map(|index| index as u32)
    }

    fn helper(&self, name: &str) -> Option<u32> {
        (name == "bpf_tail_call").then_some(12)
    }
}

#[test]
fn labels_and_names_are_linked() {
    let source = "
        entry:  r6 = r1             # comment
        loop:   if w6 != 0 goto next ; comment
                goto loop           // comment
        next:
        also:   r1 = r6
                r2 = map(jmp_table) ll
                r2 = jmp_table ll
                r3 = map_value(.rodata) + 0x10 ll
                r4 = func(leaf) ll
                call bpf_tail_call
                call leaf
                may_goto loop
                gotol also
                exit
        leaf:   r0 = *(u16 *)(r1)
                exit
        end:";
    let assembly = assemble(source, &Names).unwrap();
    let text: Vec<String> =
        decode_program(&assembly.insns).unwrap().iter().map(|(pc, i)| format!("{pc} {i}")).collect();
    let expected = [
        "0 r6 = r1",
        "1 if w6 != 0x0 goto +0x1",
        "2 goto -0x2",
        "3 r1 = r6",
        "4 r2 = map(0) ll",
        "6 r2 = map(0) ll",
        "8 r3 = map_value(1) + 0x10 ll",
        "10 r4 = func(+0x6) ll",
        "12 call 0xc",
        "13 call +0x3",
        "14 may_goto -0xe",
        "15 gotol -0xd",
        "16 exit",
        "17 r0 = *(u16 *)(r1 + 0x0)",
        "18 exit",
    ];
    assert_eq!(text, expected);
    assert_eq!(assembly.label("also"), Some(3));
    assert_eq!(assembly.label("leaf"), Some(17));
    assert_eq!(assembly.label("end"), Some(19));
    assert_eq!(assembly.label("bpf_tail_call"), None);
    assert_eq!(assembly.lines[3], 6);
    assert_eq!(assembly.lines.len(), assembly.insns.len());
}

#[test]
fn spellings_that_mean_the_same() {
    for (a, b) in [
        ("w1 = *(u8 *)(r2 + 0)", "r1 = *(u8 *)(r2)"),
        ("*(u32 *)(r1 + 4) = w2", "*(u32*)(r1+0x4)=r2"),
        ("lock *(u32 *)(r1 + 4) += w2", "lock *(u32 *)(r1 + 4) += r2"),
        ("w1 = 0xffffffff", "w1 = -1"),
        ("*(u8 *)(r1 + 0) = 255", "*(u8 *)(r1 + 0) = 0xff"),
        ("r1 = 0xffffffffffffffff ll", "r1 = -1 ll"),
        ("goto 3", "goto +0x3"),
        ("r1=-r1", "r1 = -r1"),
        ("if r1 s>-1 goto+1", "if r1 s> -0x1 goto +1"),
        ("call 7", "call 0x7"),
    ] {
        assert_eq!(assemble(a, &()).unwrap().insns, assemble(b, &()).unwrap().insns, "{a} | {b}");
    }
    let same = |text, instruction| assert_eq!(assemble_one(text), Ok(instruction));
    same("call +7", Instruction::Call(CallTarget::Local(7)));
    same("call kfunc(-7)", Instruction::Call(CallTarget::Kfunc(-7)));
    same("r1 = fd_array(2) ll", Instruction::LoadImm64 { dst: Reg::R1, value: Imm64::MapIndex(2) });
}

#[test]
fn errors_say_where_and_what() {
    for (source, line, column, text) in [
        ("exit\n  r1 = ?", 2, 8, "unknown character '?'"),
        ("r1 = 12abc", 1, 6, "\"12abc\" is not a number of at most 64 bits"),
        ("r1 = 0x10000000000000000 ll", 1, 6, "\"0x10000000000000000\" is not a number of at most 64 bits"),
        ("r1 = 0x80000000", 1, 6, "immediate 2147483648 is not in -2147483648..=2147483647"),
        ("r11 = 1", 1, 1, "expected an instruction, found \"r11\""),
        ("r1 = w2", 1, 6, "r and w registers do not mix here: w is the low 32 bits, r all 64"),
        ("r1 = be16 r2", 1, 11, "register must be r1, not r2"),
        ("r1 = -r2", 1, 7, "register must be r1, not r2"),
        ("r1 = *(u8 *)skb[0]", 1, 1, "register must be r0, not r1"),
        (
            "r0 = *(u64 *)skb[0]",
            1,
            14,
            "expected a memory operand: skb[] has types u8, u16 and u32, found \"skb\"",
        ),
        ("r1 = xchg_64(r2 + 0, r3)", 1, 22, "register must be r1, not r3"),
        ("r1 = cmpxchg_64(r2 + 0, r0, r1)", 1, 1, "register must be r0, not r1"),
        ("r1 = *(u8 *)(r2 + 40000)", 1, 17, "offset 40000 is not in -32768..=32767"),
        ("lock *(u8 *)(r1 + 0) += r2", 1, 8, "expected a type u32 or u64, found \"u8\""),
        ("w1 = (s32)w2", 1, 7, "expected s8 or s16, found \"s32\""),
        ("goto nowhere", 1, 6, "label \"nowhere\" is not defined"),
        (
            "call nothing",
            1,
            6,
            "\"nothing\" is neither a label nor a helper: helpers are called bpf_… or by number",
        ),
        ("r1 = map(nothing) ll", 1, 10, "map \"nothing\" is not defined"),
        ("r1 = nothing ll", 1, 6, "map \"nothing\" is not defined"),
        ("r1 = map(0)", 1, 12, "expected \"ll\", found the end of the line"),
        ("a:\nb: a: exit", 2, 4, "label \"a\" is defined twice"),
        ("exit exit", 1, 6, "expected the end of the line, found \"exit\""),
        ("if r1 = 2 goto +1", 1, 7, "expected a comparison, found \"=\""),
        ("if r1 == 2 call 1", 1, 12, "expected \"goto\", found \"call\""),
        ("call", 1, 5, "expected helper id, found the end of the line"),
    ] {
        let error = assemble(source, &()).unwrap_err();
        assert_eq!(
            (error.line, error.column, error.kind.to_string().as_str()),
            (line, column, text),
            "{source}"
        );
    }
}

#[test]
fn a_label_out_of_reach_is_an_error() {
    let far = format!("goto end\n{}end: exit", "r0 = 0\n".repeat(32768));
    let error = assemble(&far, &()).unwrap_err();
    assert_eq!(error.kind, Kind::TooFar { label: "end".to_owned(), distance: 32768 });
    let near = assemble(&far.replace("goto", "gotol"), &()).unwrap();
    assert_eq!(decode(&near.insns, 0).unwrap().to_string(), "gotol +0x8000");
    assert_eq!(encode(Instruction::Exit).0, near.insns[near.insns.len() - 1]);
}
