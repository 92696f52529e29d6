//! What a function takes and returns, as far as the verifier's rules ask (`btf_prepare_func_args`).

use bpfreplay_btf::{Btf, FuncLinkage, Kind};
use bpfreplay_program::{ArgKind, Linkage, ReturnKind};
use bpfreplay_uapi::ProgType;

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

fn arg_kind(btf: &Btf, func: u32, index: u32, ty: u32, prog_type: ProgType) -> Result<ArgKind, LoadError> {
    let (mut ctx, mut nonnull) = (false, false);
    for tag in btf.decl_tags(func, Some(index)) {
        match tag.strip_prefix("arg:") {
            Some("ctx") => ctx = true,
            Some("nonnull") => nonnull = true,
            Some("nullable") | None => {}
            Some(other) => return Ok(ArgKind::Other(format!("tagged arg:{other}"))),
        }
    }
    let (_, resolved) = btf.resolve(ty)?;
    let pointee = match resolved.kind {
        Kind::Int { .. } | Kind::Enum { .. } => return Ok(ArgKind::Scalar),
        Kind::Ptr(pointee) => pointee,
        _ => return Ok(ArgKind::Other("neither a scalar nor a pointer".to_owned())),
    };
    if ctx || is_context(btf, pointee, prog_type)? {
        return Ok(ArgKind::Ctx);
    }
    let (_, target) = btf.resolve(pointee)?;
    let name = btf.name(target)?;
    if name == "bpf_dynptr" {
        return Ok(ArgKind::Other("a dynptr".to_owned()));
    }
    match btf.size_of(pointee)?.and_then(|size| u32::try_from(size).ok()) {
        Some(size) if size > 0 => Ok(ArgKind::Mem { size, nonnull }),
        _ => {
            let name = if matches!(target.kind, Kind::Void) { "void" } else { name };
            Ok(ArgKind::Other(format!("a pointer to '{name}', whose size is not known")))
        }
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
    Ok(match prog_type {
        ProgType::SocketFilter
        | ProgType::SchedCls
        | ProgType::SchedAct
        | ProgType::CgroupSkb
        | ProgType::LwtIn
        | ProgType::LwtOut
        | ProgType::LwtXmit => name == "__sk_buff",
        ProgType::Xdp => name == "xdp_md",
        ProgType::Kprobe => matches!(name, "pt_regs" | "bpf_user_pt_regs_t"),
        ProgType::Tracepoint => false,
    })
}
