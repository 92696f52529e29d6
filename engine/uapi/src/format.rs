//! Format strings of `bpf_trace_printk`, `bpf_trace_vprintk` and `bpf_snprintf`: what may be in one
//! (linux: `bpf_bprintf_prepare`).

use crate::Errno;

/// Widest field the kernel's `printf` pads to (`FIELD_WIDTH_MAX`).
const WIDTH_MAX: usize = (1 << 23) - 1;

/// One piece of a format.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Conversion<'a> {
    /// A byte as it is; `%%` is one.
    Text(&'a [u8]),
    /// `%c`
    Char(Spec),
    /// `%u`, `%x` and `%X`, with `l` or `ll` of 64 bits.
    Integer(Spec, Base, Bits),
    /// `%d` and `%i`, with `l` or `ll` of 64 bits.
    Signed(Spec, Bits),
    /// `%s`, `%pks` and `%pus`: the argument is the address of a string.
    Str(Spec),
    /// `%p`, `%px` and `%pK`
    Pointer(Spec),
    /// `%ps`, `%pS` and `%pB`: a kernel symbol.
    Symbol,
    /// `%pI4`, `%pi4`, `%pI6` and `%pi6`: the argument is the address of an IP address in network order.
    Ip(Version, Leading),
}

impl Conversion<'_> {
    /// Whether it stands for an argument.
    #[must_use]
    pub const fn takes_argument(self) -> bool {
        match self {
            Conversion::Text(_) => false,
            Conversion::Char(_)
            | Conversion::Integer(..)
            | Conversion::Signed(..)
            | Conversion::Str(_)
            | Conversion::Pointer(_)
            | Conversion::Symbol
            | Conversion::Ip(..) => true,
        }
    }
}

/// Flags and width: `[0+- ]*[0-9]*`, both optional.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Spec {
    /// `0`: padded with zeroes.
    pub zero: bool,
    /// `-`: padded on the right.
    pub left: bool,
    /// `+`: a sign in any case.
    pub plus: bool,
    /// A space: one where there is no sign.
    pub space: bool,
    /// The least number of bytes, 0 where none is given.
    pub width: usize,
}

/// How a number is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Base {
    /// `%u`
    Decimal,
    /// `%x`
    HexLower,
    /// `%X`
    HexUpper,
}

/// How much of the argument counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bits {
    /// The low half.
    B32,
    /// All of it.
    B64,
}

/// Of an IP address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Version {
    /// 4 bytes.
    V4,
    /// 16 bytes.
    V6,
}

/// `%pI` or `%pi`: IPv4 octets without or with leading zeroes, IPv6 with or without colons.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Leading {
    /// `%pI`
    Capital,
    /// `%pi`
    Small,
}

/// The pieces of a format without its NUL; the first that may not be there is EINVAL, and the last.
#[must_use]
pub const fn conversions(fmt: &[u8]) -> Conversions<'_> {
    Conversions { fmt, at: 0 }
}

/// See [`conversions`].
#[derive(Clone, Debug)]
pub struct Conversions<'a> {
    fmt: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Conversions<'a> {
    type Item = Result<Conversion<'a>, Errno>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.fmt.len() {
            return None;
        }
        let next = if self.byte(0) != b'%' || self.byte(1) == b'%' { self.text() } else { self.conversion() };
        if next.is_none() {
            self.at = self.fmt.len();
        }
        Some(next.ok_or(Errno::EINVAL))
    }
}

impl<'a> Conversions<'a> {
    /// What of the format is still to come.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.fmt.get(self.at..).unwrap_or_default()
    }

    /// So many bytes on; 0 behind the end, as the NUL that stands there.
    fn byte(&self, ahead: usize) -> u8 {
        self.fmt.get(self.at + ahead).copied().unwrap_or(0)
    }

    /// Anything but control characters that are no white space.
    fn text(&mut self) -> Option<Conversion<'a>> {
        let from = self.at + usize::from(self.byte(0) == b'%');
        self.at = from + 1;
        let text = self.fmt.get(from..=from)?;
        (!text[0].is_ascii_control() || is_space(text[0])).then_some(Conversion::Text(text))
    }

    fn conversion(&mut self) -> Option<Conversion<'a>> {
        self.at += 1;
        let spec = self.spec();
        let first = self.byte(0);
        self.at += 1;
        match first {
            b'p' => self.pointer(spec),
            b's' => ends(self.byte(0)).then_some(Conversion::Str(spec)),
            b'c' => Some(Conversion::Char(spec)),
            _ => {
                self.at -= 1;
                self.integer(spec)
            }
        }
    }

    /// What is behind `%p`.
    fn pointer(&mut self, spec: Spec) -> Option<Conversion<'a>> {
        let (length, conversion) = match (self.byte(0), self.byte(1)) {
            (b'k' | b'u', b's') => (2, ends(self.byte(2)).then_some(Conversion::Str(spec))?),
            (b'x' | b'K', _) => (1, Conversion::Pointer(spec)),
            (b's' | b'S' | b'B', _) => (1, Conversion::Symbol),
            (leading @ (b'i' | b'I'), version @ (b'4' | b'6')) => {
                let version = if version == b'4' { Version::V4 } else { Version::V6 };
                let leading = if leading == b'I' { Leading::Capital } else { Leading::Small };
                (2, Conversion::Ip(version, leading))
            }
            (next, _) => (0, ends(next).then_some(Conversion::Pointer(spec))?),
        };
        self.at += length;
        Some(conversion)
    }

    fn integer(&mut self, spec: Spec) -> Option<Conversion<'a>> {
        let mut bits = Bits::B32;
        for _ in 0..2 {
            if self.byte(0) == b'l' {
                bits = Bits::B64;
                self.at += 1;
            }
        }
        let conversion = match self.byte(0) {
            b'd' | b'i' => Conversion::Signed(spec, bits),
            b'u' => Conversion::Integer(spec, Base::Decimal, bits),
            b'x' => Conversion::Integer(spec, Base::HexLower, bits),
            b'X' => Conversion::Integer(spec, Base::HexUpper, bits),
            _ => return None,
        };
        self.at += 1;
        Some(conversion)
    }

    fn spec(&mut self) -> Spec {
        let mut spec = Spec::default();
        loop {
            match self.byte(0) {
                b'0' => spec.zero = true,
                b'-' => spec.left = true,
                b'+' => spec.plus = true,
                b' ' => spec.space = true,
                _ => break,
            }
            self.at += 1;
        }
        while self.byte(0).is_ascii_digit() {
            spec.width = (spec.width * 10 + usize::from(self.byte(0) - b'0')).min(WIDTH_MAX);
            self.at += 1;
        }
        spec
    }
}

/// What may follow a string or a pointer.
fn ends(byte: u8) -> bool {
    byte == 0 || is_space(byte) || byte.is_ascii_punctuation()
}

/// `isspace`, which unlike Rust's has the vertical tab.
fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}
