//! The prototype of a function in bpftool's form: `int parse(struct __sk_buff * skb)` (bpftool: btf_dumper_type_only()).

use std::fmt::Write;

use bpfreplay_btf::{Btf, Kind, RESOLVE_DEPTH_MAX, u32_at};

/// The prototype, if the types say it.
pub(super) fn prototype(btf: &Btf, func: u32) -> Option<String> {
    let ty = btf.get(func).ok()?;
    let Kind::Func { proto, .. } = ty.kind else { return None };
    let Kind::FuncProto { ret, params } = &btf.get(proto).ok()?.kind else { return None };
    let mut out = String::new();
    write_type(btf, *ret, RESOLVE_DEPTH_MAX, &mut out)?;
    let _ = write!(out, "{}(", btf.name(ty).ok()?);
    for (index, param) in params.iter().enumerate() {
        if index > 0 {
            out += ", ";
        }
        write_type(btf, param.ty, RESOLVE_DEPTH_MAX, &mut out)?;
        out += btf.string(param.name_off).ok()?;
    }
    out.push(')');
    Some(out)
}

/// A type with a space behind it.
fn write_type(btf: &Btf, id: u32, depth: usize, out: &mut String) -> Option<()> {
    let depth = depth.checked_sub(1)?;
    let ty = btf.get(id).ok()?;
    let name = btf.name(ty).ok()?;
    match &ty.kind {
        Kind::Void => *out += "void ",
        Kind::Int { .. } | Kind::Typedef(_) | Kind::Float { .. } => {
            let _ = write!(out, "{name} ");
        }
        Kind::Struct { union, .. } => {
            let word = if *union { "union" } else { "struct" };
            let _ = write!(out, "{word} {name} ");
        }
        Kind::Fwd => {
            let _ = write!(out, "struct {name} ");
        }
        Kind::Enum { .. } => {
            let _ = write!(out, "enum {name} ");
        }
        Kind::Ptr(to) => {
            write_type(btf, *to, depth, out)?;
            *out += "* ";
        }
        Kind::Array { elem, nelems } => {
            write_type(btf, *elem, depth, out)?;
            let _ = write!(out, "[{nelems}]");
        }
        Kind::Modifier(of) => {
            *out += modifier(btf, ty.offset);
            write_type(btf, *of, depth, out)?;
        }
        Kind::Func { .. }
        | Kind::FuncProto { .. }
        | Kind::Var { .. }
        | Kind::Datasec { .. }
        | Kind::DeclTag { .. } => {
            return None;
        }
    }
    Some(())
}

/// Which of the qualifiers it is, read where the type lies: `info` is the second word, the kind its bits 24 to 28.
fn modifier(btf: &Btf, offset: usize) -> &'static str {
    match u32_at(btf.raw(), offset + 4).map(|info| info >> 24 & 0x1f) {
        Some(9) => "volatile ",
        Some(10) => "const ",
        Some(11) => "restrict ",
        Some(_) | None => "",
    }
}
