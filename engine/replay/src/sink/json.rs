use std::io::Write;

/// Appends a JSON string.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend([b'\\', c as u8]),
            c if (c as u32) < 0x20 => {
                write!(out, "\\u{:04x}", c as u32).expect("writing to memory cannot fail");
            }
            c => out.extend(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

/// Appends `"key":value` with a comma before it, for numbers.
pub(crate) fn number(out: &mut Vec<u8>, key: &str, value: impl std::fmt::Display) {
    write!(out, ",\"{key}\":{value}").expect("writing to memory cannot fail");
}

#[cfg(test)]
mod tests {
    #[test]
    fn strings_are_escaped() {
        let mut out = Vec::new();
        super::string(&mut out, "a\"\\\n\u{e9}");
        assert_eq!(out, "\"a\\\"\\\\\\u000a\u{e9}\"".as_bytes());
    }
}
