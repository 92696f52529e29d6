//! What a function takes and returns, as far as the verifier's rules ask (`btf_prepare_func_args`).

use bpfreplay_btf::{Btf, FuncLinkage, Kind};
use bpfreplay_program::{ArgKind, Linkage, ReturnKind};
use bpfreplay_uapi::{ContextKind, ProgType};

use crate::error::LoadError;

/// A function's type, digested.
pub(crate) struct Signature {
    pub(crate) linkage: Linkage,
    pub(crate) ret: ReturnKind,
    pub(crate) args: Vec<ArgKind>,
}

/// The signature of a function for a program type; `None` if the id is not a function's.
pub(crate) fn signature(btf: &Btf, id: u32, prog_type: ProgType) -> Result<Option<Signature>, LoadError> {
    let Kind::Func { proto, linkage } = btf.get(id)?.kind else { return Ok(None) };
    let Kind::FuncProto { ret, ref params } = btf.get(proto)?.kind else { return Ok(None) };
    let ret = match btf.resolve(ret)?.1.kind {
        Kind::Void => ReturnKind::Void,
        Kind::Int { .. } | Kind::Enum { .. } => ReturnKind::Scalar,
        _ => ReturnKind::Other,
    };
    let args = (0u32..)
        .zip(params)
        .map(|(i, param)| arg_kind(btf, id, i, param.ty, prog_type))
        .collect::<Result<_, _>>()?;
    let linkage = match linkage {
        FuncLinkage::Static => Linkage::Static,
        FuncLinkage::Global | FuncLinkage::Extern => Linkage::Global,
    };
    Ok(Some(Signature { linkage, ret, args }))
}

/// The tags of an argument (`__arg_ctx` and its kin).
#[derive(Default)]
struct Tags {
    ctx: bool,
    nonnull: bool,
    nullable: bool,
}

fn arg_kind(btf: &Btf, func: u32, index: u32, ty: u32, prog_type: ProgType) -> Result<ArgKind, LoadError> {
    let mut tags = Tags::default();
    for tag in btf.decl_tags(func, Some(index)) {
        match tag.strip_prefix("arg:") {
            Some("ctx") => tags.ctx = true,
            Some("nonnull") => tags.nonnull = true,
            Some("nullable") => tags.nullable = true,
            Some(known @ ("trusted" | "untrusted" | "arena")) => {
                return Ok(ArgKind::Other(format!("tagged arg:{known}")));
            }
            Some(_) => return Ok(ArgKind::Invalid(format!("arg#{index} has unsupported set of tags"))),
            None => {}
        }
    }
    let (_, resolved) = btf.resolve(ty)?;
    let pointee = match resolved.kind {
        Kind::Ptr(pointee) => pointee,
        _ if tags.ctx || tags.nonnull || tags.nullable => {
            return Ok(ArgKind::Invalid(format!("arg#{index} has pointer tag, but is not a pointer type")));
        }
        Kind::Int { .. } | Kind::Enum { .. } => return Ok(ArgKind::Scalar),
        _ => {
            let (kind, name) = (kind_name(&resolved.kind), btf.name(btf.get(func)?)?);
            let message = format!("Arg#{index} type {kind} in {name}() is not supported yet.");
            return Ok(ArgKind::Invalid(message));
        }
    };
    let combined = || ArgKind::Invalid(format!("arg#{index} has invalid combination of tags"));
    if tags.ctx || is_context(btf, pointee, prog_type)? {
        return Ok(if tags.nonnull || tags.nullable { combined() } else { ArgKind::Ctx });
    }
    let (_, target) = btf.resolve(pointee)?;
    let name = btf.name(target)?;
    if name == "bpf_dynptr" {
        return Ok(if tags.nonnull || tags.nullable { combined() } else { ArgKind::Dynptr });
    }
    if tags.nullable {
        return Ok(combined());
    }
    match btf.size_of(pointee)?.and_then(|size| u32::try_from(size).ok()) {
        Some(size) if size > 0 => Ok(ArgKind::Mem { size, nonnull: tags.nonnull }),
        _ => {
            let kind = kind_name(&target.kind);
            Ok(ArgKind::Invalid(format!(
                "arg#{index} reference type('{kind} {name}') size cannot be determined: -22"
            )))
        }
    }
}

/// The kernel's word for the kind of a type.
fn kind_name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Void => "UNKNOWN",
        Kind::Int { .. } => "INT",
        Kind::Ptr(_) => "PTR",
        Kind::Array { .. } => "ARRAY",
        Kind::Struct { union: false, .. } => "STRUCT",
        Kind::Struct { union: true, .. } => "UNION",
        Kind::Enum { enum64: false, .. } => "ENUM",
        Kind::Enum { enum64: true, .. } => "ENUM64",
        Kind::Fwd => "FWD",
        Kind::Typedef(_) => "TYPEDEF",
        Kind::Modifier(_) => "CONST",
        Kind::Func { .. } => "FUNC",
        Kind::FuncProto { .. } => "FUNC_PROTO",
        Kind::Var { .. } => "VAR",
        Kind::Datasec { .. } => "DATASEC",
        Kind::Float { .. } => "FLOAT",
        Kind::DeclTag { .. } => "DECL_TAG",
    }
}

/// Whether a type is the context structure of a program type (`btf_is_prog_ctx_type`).
fn is_context(btf: &Btf, pointee: u32, prog_type: ProgType) -> Result<bool, LoadError> {
    let (at, ty) = btf.skip_modifiers(pointee)?;
    // kprobe programs may say `bpf_user_pt_regs_t`, a typedef that must not be looked through.
    let name = match ty.kind {
        Kind::Typedef(_) if btf.name(ty)? == "bpf_user_pt_regs_t" => "bpf_user_pt_regs_t",
        _ => btf.name(btf.resolve(at)?.1)?,
    };
    Ok(match ContextKind::of(prog_type) {
        ContextKind::Skb => name == "__sk_buff",
        ContextKind::Xdp => name == "xdp_md",
        ContextKind::Plain => {
            prog_type == ProgType::Kprobe && matches!(name, "pt_regs" | "bpf_user_pt_regs_t")
        }
    })
}
