//! What the helpers that format print (linux: `bpf_bprintf_prepare`, then `bstr_printf`); what may be in a format is in
//! [`bpfreplay_uapi::format`].

use bpfreplay_uapi::Errno;
use bpfreplay_uapi::format::{self, Base, Bits, Conversion, Leading, Spec, Version};

/// Bytes all arguments of one call may take once strings are copied (`MAX_BPRINTF_BIN_ARGS`).
const ARGS_MAX: usize = 512;

/// Reads from an address nobody checked; returns how many bytes were readable.
pub(super) type Reader<'a> = dyn Fn(u64, &mut [u8]) -> usize + 'a;

/// Formats into `out`; returns the length of the whole text, which may exceed it.
///
/// # Errors
///
/// EINVAL: the format is not NUL-terminated, has control characters, a conversion that is not allowed, or more
/// conversions than arguments. ENOSPC: strings leave no room for the arguments behind them.
pub(super) fn format(fmt: &[u8], args: &[u64], read: &Reader<'_>, out: &mut [u8]) -> Result<usize, Errno> {
    let end = fmt.iter().position(|byte| *byte == 0).ok_or(Errno::EINVAL)?;
    let fmt = &fmt[..end];
    // The kernel goes through the whole format and copies the arguments before it prints anything.
    let mut room = Room { used: 0 };
    run(fmt, args, &mut |conversion, arg| room.take(conversion, arg, read))?;
    let mut room = Room { used: 0 };
    let mut out = Out { bytes: out, len: 0 };
    run(fmt, args, &mut |conversion, arg| {
        out.conversion(conversion, arg, read, room.left());
        room.take(conversion, arg, read)
    })?;
    Ok(out.len)
}

/// What the arguments take in the kernel's buffer: it decides where a string is cut off.
struct Room {
    used: usize,
}

impl Room {
    fn left(&self) -> usize {
        ARGS_MAX - self.used
    }

    fn take(&mut self, conversion: Conversion<'_>, arg: u64, read: &Reader<'_>) -> Result<(), Errno> {
        let (align, size) = match conversion {
            Conversion::Text(_) => return Ok(()),
            Conversion::Char(_) => (1, 1),
            Conversion::Integer(_, _, Bits::B32) | Conversion::Signed(_, Bits::B32) => (4, 4),
            Conversion::Integer(_, _, Bits::B64) | Conversion::Signed(_, Bits::B64) => (4, 8),
            Conversion::Pointer(_) | Conversion::Symbol => (4, 8),
            Conversion::Str(_) if self.left() == 0 => return Err(Errno::ENOSPC),
            Conversion::Str(_) => {
                let mut string = [0; ARGS_MAX];
                (1, read_string(arg, &mut string, self.left(), read).len() + 1)
            }
            Conversion::Ip(Version::V4, _) => (1, "255.255.255.255".len() + 1),
            Conversion::Ip(Version::V6, Leading::Capital) => (1, 8 * 5),
            Conversion::Ip(Version::V6, Leading::Small) => (1, 8 * 4 + 1),
        };
        let used = self.used.next_multiple_of(align) + size;
        if used > ARGS_MAX {
            return Err(Errno::ENOSPC);
        }
        self.used = used;
        Ok(())
    }
}

/// A string as far as it is readable and there is room for it with its NUL.
fn read_string<'a>(addr: u64, string: &'a mut [u8; ARGS_MAX], room: usize, read: &Reader<'_>) -> &'a [u8] {
    let readable = read(addr, &mut string[..room - 1]);
    let end = string[..readable].iter().position(|byte| *byte == 0).unwrap_or(readable);
    &string[..end]
}

type Emit<'a, 'f> = dyn FnMut(Conversion<'a>, u64) -> Result<(), Errno> + 'f;

fn run<'a>(fmt: &'a [u8], args: &[u64], emit: &mut Emit<'a, '_>) -> Result<(), Errno> {
    let mut args = args.iter();
    for conversion in format::conversions(fmt) {
        let conversion = conversion?;
        let arg = if conversion.takes_argument() { *args.next().ok_or(Errno::EINVAL)? } else { 0 };
        emit(conversion, arg)?;
    }
    Ok(())
}

/// Text of any length, of which the beginning is kept.
struct Out<'a> {
    bytes: &'a mut [u8],
    len: usize,
}

impl Out<'_> {
    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.len) {
            *place = byte;
        }
        self.len += 1;
    }

    fn fill(&mut self, byte: u8, count: usize) {
        let kept = self.bytes.len().saturating_sub(self.len).min(count);
        for _ in 0..kept {
            self.push(byte);
        }
        self.len += count - kept;
    }

    fn text(&mut self, text: &[u8]) {
        text.iter().for_each(|byte| self.push(*byte));
    }

    fn padded(&mut self, spec: Spec, text: &[u8]) {
        let pad = spec.width.saturating_sub(text.len());
        if !spec.left {
            self.fill(b' ', pad);
        }
        self.text(text);
        if spec.left {
            self.fill(b' ', pad);
        }
    }

    fn number(&mut self, spec: Spec, sign: Option<u8>, value: u64, base: Base) {
        let (radix, digits): (u64, &[u8; 16]) = match base {
            Base::Decimal => (10, b"0123456789abcdef"),
            Base::HexLower => (16, b"0123456789abcdef"),
            Base::HexUpper => (16, b"0123456789ABCDEF"),
        };
        let mut text = [0; 20];
        let mut start = text.len();
        let mut rest = value;
        loop {
            start -= 1;
            text[start] = digits[(rest % radix) as usize];
            rest /= radix;
            if rest == 0 {
                break;
            }
        }
        let text = &text[start..];
        let pad = spec.width.saturating_sub(text.len() + usize::from(sign.is_some()));
        let zeroes = spec.zero && !spec.left;
        if !zeroes && !spec.left {
            self.fill(b' ', pad);
        }
        if let Some(sign) = sign {
            self.push(sign);
        }
        if zeroes {
            self.fill(b'0', pad);
        }
        self.text(text);
        if spec.left {
            self.fill(b' ', pad);
        }
    }

    fn conversion(&mut self, conversion: Conversion<'_>, arg: u64, read: &Reader<'_>, room: usize) {
        match conversion {
            Conversion::Text(text) => self.text(text),
            Conversion::Char(spec) => self.padded(spec, &[arg as u8]),
            Conversion::Integer(spec, base, bits) => {
                let value = match bits {
                    Bits::B32 => u64::from(arg as u32),
                    Bits::B64 => arg,
                };
                self.number(spec, None, value, base);
            }
            Conversion::Signed(spec, bits) => {
                let value = match bits {
                    Bits::B32 => i64::from(arg as i32),
                    Bits::B64 => arg as i64,
                };
                let sign = match value {
                    ..0 => Some(b'-'),
                    0.. if spec.plus => Some(b'+'),
                    0.. if spec.space => Some(b' '),
                    0.. => None,
                };
                self.number(spec, sign, value.unsigned_abs(), Base::Decimal);
            }
            Conversion::Str(spec) => {
                let mut string = [0; ARGS_MAX];
                if room > 0 {
                    self.padded(spec, read_string(arg, &mut string, room, read));
                }
            }
            Conversion::Pointer(spec) => {
                let spec = if spec.width == 0 { Spec { zero: true, width: 16, ..spec } } else { spec };
                self.number(spec, None, arg, Base::HexLower);
            }
            Conversion::Symbol => {
                self.text(b"0x");
                self.number(Spec::default(), None, arg, Base::HexLower);
            }
            Conversion::Ip(Version::V4, leading) => {
                let mut octets = [0; 4];
                let _ = read(arg, &mut octets);
                for (i, octet) in octets.iter().enumerate() {
                    if i > 0 {
                        self.push(b'.');
                    }
                    let width = if matches!(leading, Leading::Small) { 3 } else { 0 };
                    let spec = Spec { zero: true, width, ..Spec::default() };
                    self.number(spec, None, u64::from(*octet), Base::Decimal);
                }
            }
            Conversion::Ip(Version::V6, leading) => {
                let mut octets = [0; 16];
                let _ = read(arg, &mut octets);
                let (words, _) = octets.as_chunks::<2>();
                for (i, word) in words.iter().enumerate() {
                    if i > 0 && matches!(leading, Leading::Capital) {
                        self.push(b':');
                    }
                    let spec = Spec { zero: true, width: 4, ..Spec::default() };
                    self.number(spec, None, u64::from(u16::from_be_bytes(*word)), Base::HexLower);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STR: u64 = 0x10_0000;
    const S: u64 = 0x20_0000;
    const IP4: u64 = 0x30_0000;
    const IP6: u64 = 0x40_0000;
    const LONG: u64 = 0x50_0000;

    fn memory(addr: u64) -> Vec<u8> {
        match addr {
            STR => b"string\0".to_vec(),
            S => b"ab\0".to_vec(),
            IP4 => vec![10, 2, 30, 255],
            IP6 => vec![0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0, 1],
            LONG => vec![b'L'; 600],
            _ => vec![],
        }
    }

    fn read(addr: u64, to: &mut [u8]) -> usize {
        let bytes = memory(addr);
        let len = bytes.len().min(to.len());
        to[..len].copy_from_slice(&bytes[..len]);
        len
    }

    fn unescape(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let mut bytes = text.bytes();
        while let Some(byte) = bytes.next() {
            out.push(match (byte, byte == b'\\') {
                (_, true) => match bytes.next().unwrap() {
                    b'n' => b'\n',
                    b't' => b'\t',
                    b'v' => 0x0b,
                    b'x' => {
                        let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                        u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                    }
                    other => other,
                },
                (plain, false) => plain,
            });
        }
        out
    }

    #[test]
    fn formats_as_the_kernel_did() {
        let mut cases = 0;
        for line in
            include_str!("../../testdata/trace_printk.txt").lines().filter(|line| !line.starts_with('#'))
        {
            let [fmt, args, ret, text] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
            let mut numbers = [0; 3];
            for (number, arg) in numbers.iter_mut().zip(args.split(' ').filter(|arg| *arg != "-")) {
                *number = match arg {
                    "str" => STR,
                    "s" => S,
                    "ip4" => IP4,
                    "ip6" => IP6,
                    "long" => LONG,
                    number => number.parse::<i128>().unwrap() as u64,
                };
            }
            let mut fmt = unescape(fmt);
            fmt.push(0);
            let mut out = [0; 1024];
            let got = format(&fmt, &numbers, &read, &mut out);
            let got_ret = got.map_or_else(|errno| -i64::from(errno.number()), |len| len as i64);
            assert_eq!(got_ret, ret.parse::<i64>().unwrap(), "{line}");
            if let Ok(len) = got
                && text != "*"
            {
                assert_eq!(out[..len], unescape(text), "{line}");
            }
            cases += 1;
        }
        assert_eq!(cases, 59);
    }

    #[test]
    fn the_format_must_end_within_its_size() {
        assert_eq!(format(b"abc", &[0; 3], &read, &mut [0; 8]), Err(Errno::EINVAL));
        assert_eq!(format(b"abc\0%", &[0; 3], &read, &mut [0; 8]), Ok(3));
        assert_eq!(format(b"\0", &[0; 3], &read, &mut [0; 8]), Ok(0));
    }

    #[test]
    fn a_string_that_takes_all_room_leaves_none_for_a_number() {
        assert_eq!(format(b"%s %d\0", &[LONG, 1, 0], &read, &mut [0; 1024]), Err(Errno::ENOSPC));
        assert_eq!(format(b"%d %s\0", &[1, LONG, 0], &read, &mut [0; 1024]), Ok(2 + 507));
    }
}
