//! The `.BTF` section to types. Layout: `include/uapi/linux/btf.h`.

use crate::bytes::Bytes;
use crate::error::{BtfError, BtfProblem};
use crate::types::{Btf, EnumValue, FuncLinkage, IntEncoding, Kind, Member, Param, SecVar, Type};

/// `BTF_MAGIC`, as little-endian bytes make it.
pub const BTF_MAGIC: u16 = 0xeb9f;
/// `BTF_VERSION`.
pub const BTF_VERSION: u8 = 1;
/// `struct btf_header`.
const HEADER_SIZE: usize = 24;

pub(crate) fn parse(section: &[u8]) -> Result<Btf, BtfError> {
    let (header_len, types, strings) = split(section)?;
    let strings = strings.to_vec();
    let mut out = vec![Type { name_off: 0, kind: Kind::Void, offset: 0 }];
    let mut bytes = Bytes::new(types);
    let mut consumed = 0;
    while !bytes.is_empty() {
        let offset = header_len + consumed;
        let before = bytes;
        let ty = read_type(&mut bytes, offset)?;
        consumed += before.len_until(&bytes);
        out.push(ty);
    }
    let btf = Btf { types: out, strings, raw: section.to_vec() };
    check_references(&btf)?;
    Ok(btf)
}

/// Header length, type bytes, string bytes.
fn split(section: &[u8]) -> Result<(usize, &[u8], &[u8]), BtfError> {
    let short = || BtfProblem::Truncated("its header").at(0);
    let mut header = Bytes::new(section);
    let magic = header.u16().ok_or_else(short)?;
    let [version, _flags] = header.array().ok_or_else(short)?;
    if magic != BTF_MAGIC || version != BTF_VERSION {
        return Err(BtfProblem::Header.at(0));
    }
    let mut word = || header.u32().map(|w| w as usize).ok_or_else(short);
    let (header_len, type_off, type_len, str_off, str_len) = (word()?, word()?, word()?, word()?, word()?);
    if header_len < HEADER_SIZE {
        return Err(BtfProblem::Header.at(4));
    }
    let body = section.get(header_len..).ok_or_else(short)?;
    let part = |off: usize, len: usize, what| {
        body.get(off..)
            .and_then(|rest| rest.get(..len))
            .ok_or_else(|| BtfProblem::Truncated(what).at(header_len.saturating_add(off)))
    };
    let types = part(type_off, type_len, "its types")?;
    Ok((header_len.saturating_add(type_off), types, part(str_off, str_len, "its strings")?))
}

/// One type. `struct btf_type`: name, `kflag:1 ... kind:5 ... vlen:16`, size or type; then what its kind adds.
fn read_type(bytes: &mut Bytes<'_>, offset: usize) -> Result<Type, BtfError> {
    read_type_inner(bytes).ok_or_else(|| BtfProblem::Truncated("a type").at(offset))?.map_or_else(
        |kind| Err(BtfProblem::Kind(kind).at(offset)),
        |(name_off, kind)| Ok(Type { name_off, kind, offset }),
    )
}

fn read_type_inner(bytes: &mut Bytes<'_>) -> Option<Result<(u32, Kind), u32>> {
    let name_off = bytes.u32()?;
    let info = bytes.u32()?;
    let word = bytes.u32()?;
    let vlen = (info & 0xffff) as usize;
    let kind_number = (info >> 24) & 0x1f;
    let kflag = info >> 31 == 1;
    let kind = match kind_number {
        1 => {
            // `BTF_INT_ENCODING`, `BTF_INT_OFFSET`, `BTF_INT_BITS`.
            let data = bytes.u32()?;
            let encoding = IntEncoding::from_bits((data >> 24) & 0xf);
            Kind::Int { size: word, encoding, offset: (data >> 16) & 0xff, bits: data & 0xff }
        }
        2 => Kind::Ptr(word),
        3 => {
            let (elem, _index, nelems) = (bytes.u32()?, bytes.u32()?, bytes.u32()?);
            Kind::Array { elem, nelems }
        }
        4 | 5 => {
            let members = read_all(vlen, || {
                let (name_off, ty, off) = (bytes.u32()?, bytes.u32()?, bytes.u32()?);
                let (bit_offset, bit_size) = if kflag { (off & 0xff_ffff, off >> 24) } else { (off, 0) };
                Some(Member { name_off, ty, bit_offset, bit_size })
            })?;
            Kind::Struct { size: word, members, union: kind_number == 5 }
        }
        6 => {
            let values = read_all(vlen, || {
                let (name_off, value) = (bytes.u32()?, bytes.u32()?);
                // Signed enumerators (kflag) extend their sign.
                let value = if kflag { value.cast_signed() as i64 as u64 } else { u64::from(value) };
                Some(EnumValue { name_off, value })
            })?;
            Kind::Enum { size: word, values, signed: kflag, enum64: false }
        }
        7 => Kind::Fwd,
        8 => Kind::Typedef(word),
        9 | 10 | 11 | 18 => Kind::Modifier(word),
        12 => {
            let linkage = match vlen {
                0 => FuncLinkage::Static,
                1 => FuncLinkage::Global,
                _ => FuncLinkage::Extern,
            };
            Kind::Func { proto: word, linkage }
        }
        13 => {
            let params = read_all(vlen, || Some(Param { name_off: bytes.u32()?, ty: bytes.u32()? }))?;
            Kind::FuncProto { ret: word, params }
        }
        14 => {
            let _linkage = bytes.u32()?;
            Kind::Var { ty: word }
        }
        15 => {
            let vars = read_all(vlen, || {
                let (ty, offset, _size) = (bytes.u32()?, bytes.u32()?, bytes.u32()?);
                Some(SecVar { ty, offset })
            })?;
            Kind::Datasec { size: word, vars }
        }
        16 => Kind::Float { size: word },
        17 => {
            let component = bytes.u32()?;
            Kind::DeclTag { target: word, component: (component != u32::MAX).then_some(component) }
        }
        19 => {
            let values = read_all(vlen, || {
                let (name_off, low, high) = (bytes.u32()?, bytes.u32()?, bytes.u32()?);
                Some(EnumValue { name_off, value: u64::from(high) << 32 | u64::from(low) })
            })?;
            Kind::Enum { size: word, values, signed: kflag, enum64: true }
        }
        other => return Some(Err(other)),
    };
    Some(Ok((name_off, kind)))
}

fn read_all<T>(count: usize, mut one: impl FnMut() -> Option<T>) -> Option<Vec<T>> {
    (0..count).map(|_| one()).collect()
}

/// Every id and string a type mentions exists, so that later steps need not ask.
fn check_references(btf: &Btf) -> Result<(), BtfError> {
    let count = btf.types.len();
    for ty in &btf.types {
        let id = |id: u32| {
            if (id as usize) < count { Ok(()) } else { Err(BtfProblem::TypeId { id, count }.at(ty.offset)) }
        };
        let name = |off: u32| btf.string(off).map_err(|_| BtfProblem::String(off).at(ty.offset));
        name(ty.name_off)?;
        match &ty.kind {
            Kind::Void | Kind::Int { .. } | Kind::Fwd | Kind::Float { .. } => {}
            Kind::Ptr(to)
            | Kind::Typedef(to)
            | Kind::Modifier(to)
            | Kind::Var { ty: to }
            | Kind::Func { proto: to, .. }
            | Kind::DeclTag { target: to, .. }
            | Kind::Array { elem: to, .. } => id(*to)?,
            Kind::Struct { members, .. } => {
                for member in members {
                    name(member.name_off)?;
                    id(member.ty)?;
                }
            }
            Kind::Enum { values, .. } => {
                for value in values {
                    name(value.name_off)?;
                }
            }
            Kind::FuncProto { ret, params } => {
                id(*ret)?;
                for param in params {
                    id(param.ty)?;
                }
            }
            Kind::Datasec { vars, .. } => {
                for var in vars {
                    id(var.ty)?;
                }
            }
        }
    }
    Ok(())
}
