//! Bytes to instructions and back, and everything that is no instruction.

mod common;

use bpfreplay_isa::{DecodeErrorKind as Kind, Group, Insn, Instruction, Reg, decode, decode_program, encode};
use proptest::prelude::*;

const IMMS: [i32; 7] = [0, 1, -1, 0x7f, 0x1234_5678, i32::MIN, i32::MAX];
const OFFS: [i16; 5] = [0, 1, -1, i16::MIN, i16::MAX];

fn slots(instruction: Instruction) -> Vec<Insn> {
    let (first, second) = encode(instruction);
    std::iter::once(first).chain(second).collect()
}

#[test]
fn every_instruction_survives_encoding() {
    let regs: Vec<_> = Reg::ALL.iter().flat_map(|&a| Reg::ALL.map(|b| (a, b))).collect();
    for instruction in common::every_instruction(&regs, &IMMS, &OFFS) {
        let slots = slots(instruction);
        assert_eq!(slots.len(), instruction.slots(), "{instruction:?}");
        assert_eq!(decode(&slots, 0), Ok(instruction), "{slots:?}");
        for insn in slots {
            assert_eq!(Insn::from_le_bytes(insn.to_le_bytes()), insn);
        }
    }
}

/// RFC 9669 appendix A: opcodes and their conformance groups; `-` marks the kernel's extensions.
const OPCODES: &str = "
    base32   04 05 06 0c 14 16 1c 1e 26 2e 36 3e 44 46 4c 4e 54 56 5c 5e 61 62 63 64 66 69 6a 6b 6c 6e 71 72 73 74
    base32   76 7c 7e 81 84 85 89 91 95 a4 a6 ac ae b4 b6 bc be c4 c6 cc ce d4 d6 d7 dc de
    base64   07 0f 15 17 18 1d 1f 25 2d 35 3d 45 47 4d 4f 55 57 5d 5f 65 67 6d 6f 75 77 79 7a 7b 7d 7f 87 a5 a7 ad
    base64   af b5 b7 bd bf c5 c7 cd cf d5 dd
    divmul32 24 2c 34 3c 94 9c
    divmul64 27 2f 37 3f 97 9f
    atomic32 c3
    atomic64 db
    packet   20 28 30 40 48 50
    -        e5 f5
";

#[test]
fn opcodes_are_those_of_the_rfc() {
    let mut expected = [None; 256];
    for line in OPCODES.lines() {
        let mut words = line.split_whitespace();
        let Some(group) = words.next() else { continue };
        for opcode in words {
            expected[usize::from_str_radix(opcode, 16).unwrap()] = Some(group);
        }
    }
    for opcode in 0..=255u8 {
        // The widths of byte swaps are in imm, 16 here; with imm 0 everything else is complete.
        let imm = if matches!(opcode, 0xd4 | 0xd7 | 0xdc) { 16 } else { 0 };
        let found = decode(&[Insn::new(opcode, 0, 0, 0, imm), Insn::default()], 0);
        match expected[usize::from(opcode)] {
            Some(group) => {
                let name = found.unwrap().group().map_or("-", Group::name);
                assert_eq!(name, group, "opcode {opcode:02x}");
            }
            None => assert_eq!(found.unwrap_err().kind, Kind::UnknownOpcode, "opcode {opcode:02x}"),
        }
    }
}

#[test]
fn groups_of_byte_swaps_go_by_width() {
    for opcode in [0xd4, 0xd7, 0xdc] {
        let group = |imm| decode(&[Insn::new(opcode, 0, 0, 0, imm)], 0).unwrap().group().unwrap();
        assert_eq!([16, 32, 64].map(group), [Group::Base32, Group::Base32, Group::Base64]);
    }
    assert_eq!(
        Group::ALL.map(|g| g.includes().map(Group::name)),
        [None, Some("base32"), None, Some("atomic32"), None, Some("divmul32"), None]
    );
}

/// Changing one field of a valid slot gives another valid instruction or one of the errors of that field: never the
/// same instruction, because then a field would be ignored.
#[test]
fn no_field_is_ignored() {
    let regs = [(Reg::R1, Reg::R2)];
    for instruction in common::every_instruction(&regs, &[0, 16], &[0, 8]) {
        let valid = slots(instruction);
        for index in 0..valid.len() {
            let Insn { opcode, regs, off, imm } = valid[index];
            let changes = [
                Insn { opcode: opcode ^ 0x08, ..valid[index] },
                Insn { regs: regs ^ 0x01, ..valid[index] },
                Insn { regs: regs ^ 0x10, ..valid[index] },
                Insn { off: off ^ 1, ..valid[index] },
                Insn { imm: imm ^ 1, ..valid[index] },
            ];
            for change in changes {
                let mut slots = valid.clone();
                slots[index] = change;
                assert_ne!(decode(&slots, 0), Ok(instruction), "{change:?}");
            }
        }
    }
}

#[test]
fn errors_name_what_is_wrong() {
    let cases = [
        (Insn::new(0x8d, 0, 0, 0, 0), Kind::UnknownOpcode, "unknown opcode 8d at insn 0"),
        (Insn::new(0xdf, 0, 0, 0, 16), Kind::UnknownOpcode, "unknown opcode df at insn 0"),
        (Insn::new(0xdb, 1, 2, 0, 2), Kind::UnknownOpcode, "unknown opcode db at insn 0"),
        (Insn::new(0xbf, 11, 2, 0, 0), Kind::BadDst, "R11 is invalid at insn 0"),
        (Insn::new(0xbf, 1, 15, 0, 0), Kind::BadSrc, "R15 is invalid at insn 0"),
        (
            Insn::new(0xb7, 1, 2, 0, 0),
            Kind::ReservedField,
            "BPF_MOV uses reserved fields (off 0, imm 0) at insn 0",
        ),
        (
            Insn::new(0xbf, 1, 2, 9, 0),
            Kind::ReservedField,
            "BPF_MOV uses reserved fields (off 9, imm 0) at insn 0",
        ),
        (
            Insn::new(0xbc, 1, 2, 32, 0),
            Kind::ReservedField,
            "BPF_MOV uses reserved fields (off 32, imm 0) at insn 0",
        ),
        (
            Insn::new(0x07, 1, 0, 1, 0),
            Kind::ReservedField,
            "BPF_ALU uses reserved fields (off 1, imm 0) at insn 0",
        ),
        (
            Insn::new(0x37, 1, 0, 2, 5),
            Kind::ReservedField,
            "BPF_ALU uses reserved fields (off 2, imm 5) at insn 0",
        ),
        (
            Insn::new(0x87, 1, 0, 0, 5),
            Kind::ReservedField,
            "BPF_NEG uses reserved fields (off 0, imm 5) at insn 0",
        ),
        (
            Insn::new(0xd4, 1, 0, 0, 8),
            Kind::ReservedField,
            "BPF_END uses reserved fields (off 0, imm 8) at insn 0",
        ),
        (
            Insn::new(0x61, 1, 2, 0, 1),
            Kind::ReservedField,
            "BPF_LDX uses reserved fields (off 0, imm 1) at insn 0",
        ),
        (
            Insn::new(0x62, 1, 2, 0, 1),
            Kind::ReservedField,
            "BPF_ST uses reserved fields (off 0, imm 1) at insn 0",
        ),
        (
            Insn::new(0x63, 1, 2, 0, 1),
            Kind::ReservedField,
            "BPF_STX uses reserved fields (off 0, imm 1) at insn 0",
        ),
        (
            Insn::new(0x20, 1, 0, 0, 1),
            Kind::ReservedField,
            "BPF_LD_[ABS|IND] uses reserved fields (off 0, imm 1) at insn 0",
        ),
        (
            Insn::new(0x05, 0, 0, 1, 1),
            Kind::ReservedField,
            "BPF_JA uses reserved fields (off 1, imm 1) at insn 0",
        ),
        (
            Insn::new(0x06, 0, 0, 1, 1),
            Kind::ReservedField,
            "BPF_JA uses reserved fields (off 1, imm 1) at insn 0",
        ),
        (
            Insn::new(0x1d, 1, 2, 0, 1),
            Kind::ReservedField,
            "BPF_JMP/JMP32 uses reserved fields (off 0, imm 1) at insn 0",
        ),
        (
            Insn::new(0x85, 1, 0, 0, 1),
            Kind::ReservedField,
            "BPF_CALL uses reserved fields (off 0, imm 1) at insn 0",
        ),
        (Insn::new(0x85, 0, 3, 0, 1), Kind::UnknownKind, "unrecognized source field 3 at insn 0"),
        (
            Insn::new(0x95, 0, 0, 0, 1),
            Kind::ReservedField,
            "BPF_EXIT uses reserved fields (off 0, imm 1) at insn 0",
        ),
        (Insn::new(0x18, 1, 0, 0, 1), Kind::BadWide, "invalid bpf_ld_imm64 insn at insn 0"),
    ];
    for (insn, kind, text) in cases {
        let error = decode(&[insn], 0).unwrap_err();
        assert_eq!((error.kind, error.to_string().as_str()), (kind, text), "{insn:?}");
    }
    let wide = |second| decode(&[Insn::new(0x18, 1, 0, 0, 1), second], 0).map_err(|e| e.kind);
    assert!(wide(Insn::default()).is_ok());
    for second in [Insn::new(0x95, 0, 0, 0, 0), Insn::new(0, 1, 0, 0, 0), Insn::new(0, 0, 0, 1, 0)] {
        assert_eq!(wide(second), Err(Kind::BadWide));
    }
    let map = decode(&[Insn::new(0x18, 1, 1, 0, 1), Insn::new(0, 0, 0, 0, 1)], 0);
    assert_eq!(map.unwrap_err().kind, Kind::ReservedField);
    assert_eq!(decode(&[], 0).unwrap_err().kind, Kind::PastEnd);
    let late = decode_program(&[Insn::new(0x95, 0, 0, 0, 0), Insn::new(0xff, 0, 0, 0, 0)]).unwrap_err();
    assert_eq!(late.pc, 1);
}

proptest! {
    /// Whatever the bits, decoding does not panic, and what decodes encodes to the same bits.
    #[test]
    fn decoding_is_total_and_exact(slots in proptest::collection::vec(any::<[u8; 8]>(), 1..3)) {
        let slots: Vec<Insn> = slots.into_iter().map(Insn::from_le_bytes).collect();
        if let Ok(instruction) = decode(&slots, 0) {
            let (first, second) = encode(instruction);
            prop_assert_eq!(first, slots[0]);
            prop_assert_eq!(second, slots.get(1).copied().filter(|_| instruction.slots() == 2));
        }
    }
}
