//! Kernel functions by name: the ids the running kernel's BTF gives them.

use std::collections::HashMap;
use std::sync::OnceLock;

use bpfreplay_btf::{Btf, Kind};
use bpfreplay_uapi::Kfunc;

const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

/// The BTF id of a kernel function; `None` where the kernel has none of that name, or no BTF.
pub(super) fn btf_id(kfunc: Kfunc) -> Option<i32> {
    static IDS: OnceLock<HashMap<u32, i32>> = OnceLock::new();
    IDS.get_or_init(ids).get(&kfunc.id()).copied()
}

fn ids() -> HashMap<u32, i32> {
    let Some(btf) = std::fs::read(VMLINUX).ok().and_then(|bytes| Btf::parse(&bytes).ok()) else {
        return HashMap::new();
    };
    let functions = btf.types().filter(|(_, ty)| matches!(ty.kind, Kind::Func { .. }));
    let named = functions.filter_map(|(id, ty)| Some((Kfunc::from_name(btf.name(ty).ok()?)?, id)));
    named.map(|(kfunc, id)| (kfunc.id(), id as i32)).collect()
}
