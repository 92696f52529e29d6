//! The JSON of single values.

use std::io::Write;

const MEMORY: &str = "writing to memory cannot fail";

pub(super) fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend([b'\\', c as u8]),
            c if c.is_ascii_control() => write!(out, "\\u{:04x}", c as u32).expect(MEMORY),
            c => out.extend(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

/// What `BTF_INT_CHAR` is shown as: the character of Latin-1, which is what bpftool's `\u00XX` says.
pub(super) fn character(out: &mut Vec<u8>, byte: u8) {
    string(out, char::from(byte).encode_utf8(&mut [0; 4]));
}

pub(super) fn unsigned(out: &mut Vec<u8>, value: u64) {
    write!(out, "{value}").expect(MEMORY);
}

pub(super) fn signed(out: &mut Vec<u8>, value: i64) {
    write!(out, "{value}").expect(MEMORY);
}

pub(super) fn hex(out: &mut Vec<u8>, value: u128) {
    write!(out, "\"{value:#x}\"").expect(MEMORY);
}

pub(super) fn truth(out: &mut Vec<u8>, value: bool) {
    out.extend_from_slice(if value { b"true" } else { b"false" });
}
