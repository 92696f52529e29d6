//! Values shown by types that clang does not write, or that lie. What clang writes is compared with bpftool in the
//! suite `map_dump` of the project's tests.

use bpfreplay_btf::{
    BTF_MAGIC, BTF_VERSION, Btf, BtfProblem, FORMATTED_MIN, FORMATTED_PER_BYTE_MAX, FormatError, Formatter,
    RESOLVE_DEPTH_MAX,
};
use proptest::prelude::*;

const INT: u32 = 1;
const PTR: u32 = 2;
const ARRAY: u32 = 3;
const STRUCT: u32 = 4;
const ENUM: u32 = 6;
const FWD: u32 = 7;
const TYPEDEF: u32 = 8;
const FLOAT: u32 = 16;
const ENUM64: u32 = 19;

/// Names, with the offsets they have among the strings.
const STRINGS: &[u8] = b"\0char\0a\0b\0";
const CHAR: u32 = 1;
const A: u32 = 6;
const B: u32 = 8;

/// One type: kind, `vlen`, `kflag` as 1 or 0, name, size or type, and the words that follow.
type Row<'a> = (u32, u32, u32, u32, u32, &'a [u32]);

fn btf(rows: &[Row<'_>]) -> Btf {
    let mut types = Vec::new();
    for (kind, vlen, kflag, name, size, rest) in rows {
        let info = kflag << 31 | kind << 24 | vlen;
        for word in [*name, info, *size].iter().chain(*rest) {
            types.extend(word.to_le_bytes());
        }
    }
    let words = |len: usize| u32::try_from(len).expect("short").to_le_bytes();
    let mut section = BTF_MAGIC.to_le_bytes().to_vec();
    section.extend([BTF_VERSION, 0]);
    for word in [24, 0, types.len(), types.len(), STRINGS.len()] {
        section.extend(words(word));
    }
    section.extend(types);
    section.extend(STRINGS);
    Btf::parse(&section).expect("well-formed")
}

/// `BTF_KIND_INT`'s word.
const fn int(encoding: u32, offset: u32, bits: u32) -> u32 {
    encoding << 24 | offset << 16 | bits
}

/// A value of the last type.
fn show(rows: &[Row<'_>], value: &[u8]) -> Result<String, FormatError> {
    let btf = btf(rows);
    let mut out = b"before".to_vec();
    let result = Formatter::new(&btf).json(u32::try_from(rows.len()).expect("few"), value, &mut out);
    let text = String::from_utf8(out).expect("UTF-8");
    let text = text.strip_prefix("before").expect("what was there stays");
    assert!(result.is_ok() || text.is_empty(), "an error leaves nothing behind");
    result.map(|()| text.to_owned())
}

#[test]
fn characters_are_text_and_valid_json() {
    let character: Row<'_> = (INT, 0, 0, A, 1, &[int(2, 0, 8)]);
    for (byte, text) in [
        (b'A', "\"A\""),
        (b'"', "\"\\\"\""),
        (b'\\', "\"\\\\\""),
        (0, "\"\\u0000\""),
        (0x1f, "\"\\u001f\""),
        (0x80, "\"\u{80}\""),
        (0xff, "\"\u{ff}\""),
    ] {
        assert_eq!(show(&[character], &[byte]).unwrap(), text);
    }
    // Arrays of them are text whatever the type is called; of others only if it is called char.
    let array: Row<'_> = (ARRAY, 0, 0, 0, 0, &[1, 1, 4]);
    assert_eq!(show(&[character, array], b"a\\b\0").unwrap(), "\"a\\\\b\"");
    const SIGNED: u32 = int(1, 0, 8);
    let signed = |name| (INT, 0, 0, name, 1, &[SIGNED][..]);
    assert_eq!(show(&[signed(CHAR), array], b"ab\0\xff").unwrap(), "\"ab\"");
    assert_eq!(show(&[signed(A), array], b"ab\0\xff").unwrap(), "[97,98,0,-1]");
}

#[test]
fn odd_integers_are_hexadecimal() {
    let value = 0x0123_4567_89ab_cdef_u64.to_le_bytes();
    for (encoding, offset, bits, text) in [
        (0, 0, 24, "\"0xabcdef\""),
        (1, 0, 40, "\"0x6789abcdef\""),
        (0, 4, 8, "\"0xde\""),
        (4, 0, 3, "\"0x7\""),
        (0, 0, 0, "\"0x0\""),
        (0, 60, 4, "\"0x0\""),
    ] {
        let row: Row<'_> = (INT, 0, 0, A, 8, &[int(encoding, offset, bits)]);
        assert_eq!(show(&[row], &value).unwrap(), text, "encoding {encoding}, offset {offset}, {bits} bits");
    }
}

#[test]
fn bit_fields_of_all_widths_and_places() {
    let word: Row<'_> = (INT, 0, 0, A, 16, &[int(0, 0, 128)]);
    let bytes: Vec<u8> = (1..=18).map(|n| n * 13).collect();
    let bit = |at: u32| u128::from(bytes[at as usize / 8] >> (at % 8) & 1);
    for bits in 1..=128u32 {
        for offset in 0..=15 {
            let member = bits << 24 | offset;
            let row: Row<'_> = (STRUCT, 1, 1, A, 18, &[B, 1, member]);
            let value = (0..bits).fold(0u128, |value, n| value | bit(offset + n) << n);
            assert_eq!(show(&[word, row], &bytes).unwrap(), format!("{{\"b\":\"{value:#x}\"}}"));
        }
    }
    let row: Row<'_> = (STRUCT, 1, 1, A, 18, &[B, 1, 129 << 24]);
    assert_eq!(show(&[word, row], &bytes), Err(FormatError::Bits { type_id: 2, bits: 129 }));
    // Older compilers gave a bit field an integer type of its own, or only an offset.
    let three: Row<'_> = (INT, 0, 0, A, 1, &[int(0, 2, 3)]);
    let row: Row<'_> = (STRUCT, 1, 0, A, 1, &[B, 1, 3]);
    assert_eq!(show(&[three, row], &[0b1010_0000]).unwrap(), "{\"b\":\"0x5\"}");
}

#[test]
fn enumerators_are_compared_as_bpftool_compares_them() {
    let minus = (-1i32).cast_unsigned();
    // Unsigned, of 8 bytes, in the old kind: the enumerator's 32 bits are taken as signed all the same.
    let old: Row<'_> = (ENUM, 1, 0, A, 8, &[B, minus]);
    assert_eq!(show(&[old], &[0xff; 8]).unwrap(), "\"b\"");
    assert_eq!(show(&[old], &[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]).unwrap(), "4294967295");
    let new: Row<'_> = (ENUM64, 2, 0, A, 8, &[A, 5, 1, B, 5, 1]);
    assert_eq!(show(&[new], &[5, 0, 0, 0, 1, 0, 0, 0]).unwrap(), "\"a\"", "the first of two");
    assert_eq!(show(&[new], &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]).unwrap(), "-2");
    let odd: Row<'_> = (ENUM, 0, 0, A, 3, &[]);
    assert_eq!(show(&[odd], &[0; 8]), Err(FormatError::EnumSize { type_id: 1, size: 3 }));
}

#[test]
fn what_is_no_value_is_null() {
    let float: Row<'_> = (FLOAT, 0, 0, A, 8, &[]);
    let fwd: Row<'_> = (FWD, 0, 0, A, 0, &[]);
    let row: Row<'_> = (STRUCT, 3, 0, A, 8, &[A, 1, 0, B, 2, 0, B, 0, 0]);
    assert_eq!(show(&[float, fwd, row], &[0; 8]).unwrap(), "{\"a\":null,\"b\":null,\"b\":null}");
}

#[test]
fn nothing_is_read_past_the_value() {
    let word: Row<'_> = (INT, 0, 0, A, 4, &[int(0, 0, 32)]);
    let past = |type_id, end, size| Err(FormatError::PastEnd { type_id, end, size });
    assert_eq!(show(&[word], &[0; 3]), past(1, 4, 3));
    assert_eq!(show(&[word, (STRUCT, 1, 0, A, 4, &[B, 1, 8])], &[0; 4]), past(1, 5, 4));
    assert_eq!(show(&[word, (STRUCT, 1, 0, A, 4, &[B, 1, u32::MAX])], &[0; 4]), past(1, 0x2000_0004, 4));
    assert_eq!(show(&[(PTR, 0, 0, 0, 0, &[])], &[0; 7]), past(1, 8, 7));
    // A large array that is not there is known at once.
    let array: Row<'_> = (ARRAY, 0, 0, 0, 0, &[1, 1, u32::MAX]);
    assert_eq!(show(&[word, array], &[0; 64]), past(2, 4 * u64::from(u32::MAX), 64));
    let text: Row<'_> = (INT, 0, 0, CHAR, 1, &[int(0, 0, 8)]);
    assert_eq!(show(&[text, array], &[0; 64]), past(2, u64::from(u32::MAX), 64));
    assert_eq!(
        show(&[(INT, 0, 0, A, 1, &[int(3, 0, 8)])], &[0]),
        Err(FormatError::Encoding { type_id: 1, encoding: 3 })
    );
}

#[test]
fn types_without_end_are_errors() {
    let looped = |id| move |error: FormatError| matches!(error, FormatError::Btf(e) if e.problem == BtfProblem::Loop(id));
    // A typedef of itself, an array of it, an array of itself.
    let typedef: Row<'_> = (TYPEDEF, 0, 0, A, 1, &[]);
    assert!(show(&[typedef], &[]).is_err_and(looped(1)));
    assert!(show(&[typedef, (ARRAY, 0, 0, 0, 0, &[1, 1, 1])], &[]).is_err_and(looped(1)));
    assert!(show(&[(ARRAY, 0, 0, 0, 0, &[1, 1, 1])], &[]).is_err_and(looped(1)));
    // A structure in itself, once and twice: the latter would be 2^32 of them.
    let deep = Err(FormatError::TooDeep { type_id: 1, limit: RESOLVE_DEPTH_MAX });
    assert_eq!(show(&[(STRUCT, 1, 0, A, 0, &[A, 1, 0])], &[]), deep);
    assert_eq!(show(&[(STRUCT, 2, 0, A, 0, &[A, 1, 0, B, 1, 0])], &[]), deep);
}

#[test]
fn text_without_end_is_an_error() {
    let long = Err(FormatError::TooLong { limit: FORMATTED_MIN });
    // Arrays of nothing, and two structures in each of a chain of structures.
    let nothing: Row<'_> = (STRUCT, 0, 0, A, 0, &[]);
    assert_eq!(show(&[nothing, (ARRAY, 0, 0, 0, 0, &[1, 1, u32::MAX])], &[]), long);
    let pairs: Vec<[u32; 6]> = (1..25).map(|inner| [A, inner, 0, B, inner, 0]).collect();
    let mut rows = vec![nothing];
    rows.extend(pairs.iter().map(|pair| (STRUCT, 2, 0, A, 0, &pair[..])));
    assert_eq!(show(&rows, &[]), long);
    assert_eq!(show(&rows[..10], &[]).map(|text| text.matches("{}").count()), Ok(512));
}

proptest! {
    /// Any types and any value: valid JSON within the limit, or an error.
    #[test]
    fn any_types_and_values(
        rows in prop::collection::vec((1u32..20, 0u32..4, 0u32..2, 0u32..40, any::<[u32; 12]>()), 1..12),
        value in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let count = u32::try_from(rows.len()).unwrap() + 1;
        let words: Vec<Vec<u32>> = rows
            .iter()
            .map(|(kind, vlen, _, _, words)| rest(*kind, *vlen, count, words))
            .collect();
        let table: Vec<Row<'_>> = rows
            .iter()
            .zip(&words)
            .map(|((kind, vlen, kflag, size, _), rest)| {
                let refers = matches!(kind, 2 | 8..=14 | 17 | 18);
                (*kind, *vlen, *kflag, A, if refers { size % count } else { *size }, &rest[..])
            })
            .collect();
        let btf = btf(&table);
        let mut formatter = Formatter::new(&btf);
        for id in 0..count {
            let mut out = Vec::new();
            let limit = (value.len() * FORMATTED_PER_BYTE_MAX).max(FORMATTED_MIN);
            if formatter.json(id, &value, &mut out).is_ok() {
                // Names and numbers are short here, so that little more can come after the limit was checked.
                prop_assert!(out.len() < limit + 256);
                prop_assert!(serde_json::from_slice::<serde_json::Value>(&out).is_ok());
            } else {
                prop_assert!(out.is_empty());
            }
        }
    }
}

/// The words after a type that are right for its kind: ids and names exist, all else is as it comes.
fn rest(kind: u32, vlen: u32, count: u32, words: &[u32; 12]) -> Vec<u32> {
    let rows = words.chunks(3).take(vlen as usize);
    match kind {
        1 => vec![words[0]],
        3 => vec![words[0] % count, 0, words[1] >> (words[2] % 32)],
        4 | 5 => rows.flat_map(|w| [B, w[0] % count, w[1] >> (w[2] % 32)]).collect(),
        6 => rows.flat_map(|w| [B, w[0] % 4]).collect(),
        13 => rows.flat_map(|w| [B, w[0] % count]).collect(),
        14 | 17 => vec![words[0] % 3],
        15 => rows.flat_map(|w| [w[0] % count, w[1] % 80, w[2]]).collect(),
        19 => rows.flat_map(|w| [B, w[0] % 4, w[1] % 2]).collect(),
        _ => vec![],
    }
}
