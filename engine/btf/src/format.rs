//! A value's bytes shown as its type says, in the JSON of `bpftool -j map dump`.
//!
//! ```text
//!   struct { __u32 packets; char name[8]; enum proto p; __u8 low:4; }
//!       07 00 00 00  65 74 68 30 00 00 00 00  06 00 00 00  05
//!   {"packets":7,"name":"eth0","p":"TCP","low":"0x5"}
//! ```
//!
//! | type | shown as |
//! |---|---|
//! | integer of 8, 16, 32 or 64 bits | a number; `bool` as `true` or `false` |
//! | `__int128`, other widths, every bit field (signed ones too, never extended) | `"0x..."`, digits as needed |
//! | enumeration | the first enumerator with the value, as text; else a signed number |
//! | pointer | its 64 bits as a number |
//! | array | an array; of `char` (not of a typedef of it) with a NUL and only printable characters before it: text |
//! | structure, union | an object, members in order; an anonymous member's name is `""` |
//! | typedef, `const`, `volatile`, `restrict`, tags | the type behind it |
//! | variable, data section | `{"name":...}`, `{".data":[{"x":1},...]}` |
//!
//! bpftool writes broken JSON for what it cannot show. Here a floating-point number (or what is no value at all, such
//! as a function) is `null`, and a quote or backslash as `BTF_INT_CHAR` is escaped. So is a backslash in text, which
//! bpftool 7.1 writes as a line feed.
//!
//! The types are not trusted: what does not fit the value is an error, never a read past it, and nesting and length
//! have limits.

mod json;

use std::collections::HashMap;

use crate::error::FormatError;
use crate::types::{Btf, EnumValue, IntEncoding, Kind, Member, RESOLVE_DEPTH_MAX, SecVar, Type};

/// Text of one value at most, in bytes, for each byte of the value. Ours: one byte is eight bit fields at the most, each
/// with a name, and unions show it several times.
pub const FORMATTED_PER_BYTE_MAX: usize = 1024;
/// Text that any value may have, in bytes: arrays of nothing take no bytes at all. Ours.
pub const FORMATTED_MIN: usize = 64 << 10;
/// Text that no value may have more of, in bytes. Ours: the largest data section as numbers of a byte takes half of it.
pub const FORMATTED_MAX: usize = 512 << 20;

/// Shows values of an object's types.
#[derive(Clone, Debug)]
pub struct Formatter<'b> {
    btf: &'b Btf,
    /// Enumerators by value, of the enumerations met so far: large ones are searched once for each value otherwise.
    enums: HashMap<u32, HashMap<i64, u32>>,
}

impl<'b> Formatter<'b> {
    /// For values of these types.
    #[must_use]
    pub fn new(btf: &'b Btf) -> Formatter<'b> {
        Formatter { btf, enums: HashMap::new() }
    }

    /// Appends a value of the type `type_id` as JSON.
    ///
    /// # Errors
    ///
    /// Types that do not fit the value, and limits; `out` is then as it was.
    pub fn json(&mut self, type_id: u32, value: &[u8], out: &mut Vec<u8>) -> Result<(), FormatError> {
        let start = out.len();
        let limit = value.len().saturating_mul(FORMATTED_PER_BYTE_MAX).clamp(FORMATTED_MIN, FORMATTED_MAX);
        let mut walk =
            Walk { formatter: self, value, out, end: start.saturating_add(limit), limit, depth: 0 };
        let result = walk.any(type_id, 0);
        if result.is_err() {
            out.truncate(start);
        }
        result
    }

    /// Where the name of the first enumerator with this value is.
    fn enumerator(&mut self, id: u32, values: &[EnumValue], enum64: bool, value: i64) -> Option<u32> {
        let by_value = self.enums.entry(id).or_insert_with(|| {
            let mut by_value = HashMap::with_capacity(values.len());
            for enumerator in values {
                // bpftool takes the 32 bits of an enumerator as signed, whatever the enumeration is.
                let value = enumerator.value.cast_signed();
                let value = if enum64 { value } else { i64::from(value as i32) };
                by_value.entry(value).or_insert(enumerator.name_off);
            }
            by_value
        });
        by_value.get(&value).copied()
    }
}

/// One value on its way to text. Places in it are bits from its start.
struct Walk<'w, 'v, 'b> {
    formatter: &'w mut Formatter<'b>,
    value: &'v [u8],
    out: &'w mut Vec<u8>,
    /// Where `out` must end.
    end: usize,
    limit: usize,
    depth: usize,
}

impl<'v> Walk<'_, 'v, '_> {
    /// One type, whatever it is (`btf_dumper_do_type`).
    fn any(&mut self, id: u32, at: u64) -> Result<(), FormatError> {
        self.check_length()?;
        if self.depth >= RESOLVE_DEPTH_MAX {
            return Err(FormatError::TooDeep { type_id: id, limit: RESOLVE_DEPTH_MAX });
        }
        self.depth += 1;
        let btf = self.formatter.btf;
        let (id, ty) = btf.resolve(id)?;
        // Only integers know bits; all else starts at a byte.
        let byte = at / 8;
        match &ty.kind {
            Kind::Int { encoding, offset, bits, .. } => self.int(id, *encoding, at, *offset, *bits),
            Kind::Ptr(_) => self.pointer(id, byte),
            Kind::Array { elem, nelems } => self.array(id, *elem, *nelems, byte),
            Kind::Struct { members, .. } => self.members(id, members, byte),
            Kind::Enum { size, values, enum64, .. } => self.enumeration(id, *size, values, *enum64, byte),
            Kind::Var { ty: to } => self.variable(ty, *to, byte),
            Kind::Datasec { vars, .. } => self.section(ty, vars, byte),
            Kind::Void
            | Kind::Fwd
            | Kind::Func { .. }
            | Kind::FuncProto { .. }
            | Kind::Float { .. }
            | Kind::DeclTag { .. }
            // Not after `resolve`.
            | Kind::Typedef(_)
            | Kind::Modifier(_) => {
                self.out.extend_from_slice(b"null");
                Ok(())
            }
        }?;
        self.depth -= 1;
        Ok(())
    }

    fn int(
        &mut self,
        id: u32,
        encoding: IntEncoding,
        at: u64,
        offset: u32,
        bits: u32,
    ) -> Result<(), FormatError> {
        let odd = !at.is_multiple_of(8) || offset != 0 || !bits.is_multiple_of(8);
        if odd || bits == 128 {
            return self.bits(id, at + u64::from(offset), bits);
        }
        let byte = at / 8;
        match (encoding, bits) {
            (IntEncoding::Unsigned, 8 | 16 | 32 | 64) => {
                let value = self.number(id, byte, bits / 8)?;
                json::unsigned(self.out, value);
            }
            (IntEncoding::Signed, 8 | 16 | 32 | 64) => {
                let value = self.number(id, byte, bits / 8)?;
                json::signed(self.out, sign_extended(value, bits / 8));
            }
            (IntEncoding::Unsigned | IntEncoding::Signed, _) => return self.bits(id, at, bits),
            (IntEncoding::Char, _) => {
                let byte = self.bytes(id, byte, 1)?[0];
                json::character(self.out, byte);
            }
            (IntEncoding::Bool, _) => {
                let byte = self.bytes(id, byte, 1)?[0];
                json::truth(self.out, byte != 0);
            }
            (IntEncoding::Other(encoding), _) => {
                return Err(FormatError::Encoding { type_id: id, encoding });
            }
        }
        Ok(())
    }

    fn pointer(&mut self, id: u32, byte: u64) -> Result<(), FormatError> {
        let value = self.number(id, byte, 8)?;
        json::unsigned(self.out, value);
        Ok(())
    }

    fn enumeration(
        &mut self,
        id: u32,
        size: u32,
        values: &[EnumValue],
        enum64: bool,
        byte: u64,
    ) -> Result<(), FormatError> {
        if !matches!(size, 1 | 2 | 4 | 8) {
            return Err(FormatError::EnumSize { type_id: id, size });
        }
        let value = sign_extended(self.number(id, byte, size)?, size);
        match self.formatter.enumerator(id, values, enum64, value) {
            Some(name) => json::string(self.out, self.formatter.btf.string(name)?),
            None => json::signed(self.out, value),
        }
        Ok(())
    }

    fn array(&mut self, id: u32, elem: u32, nelems: u32, byte: u64) -> Result<(), FormatError> {
        let btf = self.formatter.btf;
        if is_char(btf, elem)?
            && let Some(text) = printable(self.bytes(id, byte, u64::from(nelems))?)
        {
            json::string(self.out, text);
            return Ok(());
        }
        // Whole arrays are checked before, so that a large one that is not there costs nothing.
        let size = btf.size_of(elem)?.ok_or(FormatError::NoSize { type_id: elem })?;
        self.bytes(id, byte, size.saturating_mul(u64::from(nelems)))?;
        self.out.push(b'[');
        for n in 0..u64::from(nelems) {
            self.comma(n);
            self.any(elem, (byte + n * size) * 8)?;
        }
        self.out.push(b']');
        Ok(())
    }

    fn members(&mut self, id: u32, members: &[Member], byte: u64) -> Result<(), FormatError> {
        self.out.push(b'{');
        for (n, member) in (0u64..).zip(members) {
            self.comma(n);
            self.name(member.name_off)?;
            let at = byte * 8 + u64::from(member.bit_offset);
            if member.bit_size > 0 {
                self.bits(id, at, member.bit_size)?;
            } else {
                self.any(member.ty, at)?;
            }
        }
        self.out.push(b'}');
        Ok(())
    }

    fn variable(&mut self, var: &Type, ty: u32, byte: u64) -> Result<(), FormatError> {
        self.out.push(b'{');
        self.name(var.name_off)?;
        self.any(ty, byte * 8)?;
        self.out.push(b'}');
        Ok(())
    }

    fn section(&mut self, section: &Type, vars: &[SecVar], byte: u64) -> Result<(), FormatError> {
        self.out.push(b'{');
        self.name(section.name_off)?;
        self.out.push(b'[');
        for (n, var) in (0u64..).zip(vars) {
            self.comma(n);
            self.any(var.ty, (byte + u64::from(var.offset)) * 8)?;
        }
        self.out.extend_from_slice(b"]}");
        Ok(())
    }

    fn name(&mut self, name_off: u32) -> Result<(), FormatError> {
        self.check_length()?;
        json::string(self.out, self.formatter.btf.string(name_off)?);
        self.out.push(b':');
        Ok(())
    }

    fn check_length(&self) -> Result<(), FormatError> {
        if self.out.len() > self.end {
            return Err(FormatError::TooLong { limit: self.limit });
        }
        Ok(())
    }

    fn comma(&mut self, n: u64) {
        if n > 0 {
            self.out.push(b',');
        }
    }

    /// A bit field or an integer that is no C integer, in hexadecimal.
    fn bits(&mut self, id: u32, at: u64, bits: u32) -> Result<(), FormatError> {
        let first = at / 8;
        let shift = (at % 8) as u32;
        if bits > u128::BITS {
            return Err(FormatError::Bits { type_id: id, bits });
        }
        let bytes = self.bytes(id, first, u64::from((shift + bits).div_ceil(8)))?;
        let value = extract(bytes, shift, bits);
        json::hex(self.out, value);
        Ok(())
    }

    /// A little-endian number of up to eight bytes.
    fn number(&self, id: u32, byte: u64, size: u32) -> Result<u64, FormatError> {
        let mut number = [0; 8];
        let bytes = self.bytes(id, byte, u64::from(size))?;
        number[..bytes.len()].copy_from_slice(bytes);
        Ok(u64::from_le_bytes(number))
    }

    /// Bytes of the value that a type covers.
    fn bytes(&self, id: u32, first: u64, len: u64) -> Result<&'v [u8], FormatError> {
        let end = first.saturating_add(len);
        let past = || FormatError::PastEnd { type_id: id, end, size: self.value.len() };
        let range = usize::try_from(first).ok().zip(usize::try_from(end).ok());
        let (first, end) = range.ok_or_else(past)?;
        self.value.get(first..end).ok_or_else(past)
    }
}

/// Whether an array of this type may be text: `char`, not a typedef of it (`is_str_array`).
fn is_char(btf: &Btf, elem: u32) -> Result<bool, FormatError> {
    let (_, ty) = btf.skip_modifiers(elem)?;
    let Kind::Int { size: 1, encoding, .. } = ty.kind else { return Ok(false) };
    Ok(encoding == IntEncoding::Char || btf.is_named(ty, "char"))
}

/// The text before the NUL, if there is one and nothing but printable ASCII before it.
fn printable(bytes: &[u8]) -> Option<&str> {
    let len = bytes.iter().position(|byte| !matches!(byte, 0x20..=0x7e))?;
    if bytes[len] != 0 {
        return None;
    }
    std::str::from_utf8(&bytes[..len]).ok()
}

/// The bits `shift..shift + bits` of little-endian bytes; `bytes` are those and no more, `bits` at most 128.
fn extract(bytes: &[u8], shift: u32, bits: u32) -> u128 {
    let (low, high) = bytes.split_at(bytes.len().min(16));
    let mut word = [0; 16];
    word[..low.len()].copy_from_slice(low);
    let mut value = u128::from_le_bytes(word) >> shift;
    // A seventeenth byte is there only if the first does not begin at its first bit.
    if let Some(&top) = high.first() {
        value |= u128::from(top) << (128 - shift);
    }
    if bits < 128 { value & ((1 << bits) - 1) } else { value }
}

/// A number of `size` bytes (1 to 8) with its sign.
fn sign_extended(value: u64, size: u32) -> i64 {
    let unused = 64 - 8 * size;
    (value << unused).cast_signed() >> unused
}
