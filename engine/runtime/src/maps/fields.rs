//! What values own: pointers to objects, lists and trees of them. It goes with the element, or gets lost with an update.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bpfreplay_program::{MapSpec, SpecialField, SpecialKind};

use crate::objects::Objects;

/// The fields of a map's values that own something.
#[derive(Debug)]
pub(super) struct Fields {
    special: Box<[SpecialField]>,
    objects: Arc<Objects>,
}

impl Fields {
    /// Nothing where values own nothing.
    pub(super) fn of(spec: &MapSpec, objects: &Arc<Objects>) -> Option<Fields> {
        let fits = |field: &SpecialField| {
            field.off.is_multiple_of(field.kind.align())
                && field.off.checked_add(field.kind.size()).is_some_and(|end| end <= spec.value_size)
        };
        let owns = spec.fields().iter().any(|field| owns(field.kind)) && spec.fields().iter().all(fits);
        owns.then(|| Fields { special: spec.fields().into(), objects: Arc::clone(objects) })
    }

    /// The value goes, or gets another content (linux: bpf_obj_free_fields()).
    pub(super) fn free(&self, stripe: usize, value: &[AtomicU64]) {
        self.objects.free_fields(stripe, &self.special, value);
    }

    /// Whether there is anything that values could own.
    pub(super) fn may_own(&self) -> bool {
        self.objects.live() != 0
    }
}

fn owns(kind: SpecialKind) -> bool {
    match kind {
        SpecialKind::Kptr { .. } | SpecialKind::ListHead { .. } | SpecialKind::RbRoot { .. } => true,
        SpecialKind::SpinLock
        | SpecialKind::Timer
        | SpecialKind::Workqueue
        | SpecialKind::Refcount
        | SpecialKind::ListNode
        | SpecialKind::RbNode => false,
    }
}
