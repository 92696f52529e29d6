//! Objects that programs allocate (`bpf_obj_new`), and what owns them.
//!
//! ```text
//!   pool      blocks of memory, and when they may be used again
//!   fields    what goes with an object, or with a map's value: pointers it owns, lists, trees, references
//!   list      bpf_list_head and bpf_list_node        ┐ links are places in the pool, never addresses:
//!   rbtree    bpf_rb_root and bpf_rb_node            ┘ what is followed is always memory of the pool
//! ```
//!
//! The programs and maps of an object share one [`Objects`]. Lists and trees are under the lock of the value that their
//! head is in: the verifier sees to it that programs hold it.

mod fields;
pub(crate) mod list;
mod pool;
mod rbtree;

use std::sync::Arc;

use bpfreplay_program::LocalType;
use bpfreplay_uapi::Errno;

use crate::maps::MapError;

pub(crate) use list::End;
pub use pool::CLASS_BYTES;
pub(crate) use pool::{Place, Pool};
pub(crate) use rbtree::{Side, Tree};

/// The types of which a program's objects are, and the objects.
#[derive(Debug)]
pub struct Objects {
    types: Arc<[LocalType]>,
    /// Of programs that allocate none there is none.
    pool: Option<Pool>,
    /// Of objects that are there for each CPU.
    percpu: Option<Pool>,
}

impl Objects {
    /// For programs that allocate nothing.
    #[must_use]
    pub fn none() -> Arc<Objects> {
        Arc::new(Objects { types: Arc::new([]), pool: None, percpu: None })
    }

    /// For programs with these types, on so many CPUs: room for [`CLASS_BYTES`] of objects of each size there are blocks of, touched by
    /// first use only.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub fn new(types: &Arc<[LocalType]>, cpus: u32) -> Result<Arc<Objects>, MapError> {
        let why = "no memory for the objects that programs allocate";
        let pools = Pool::new().zip(Pool::for_each_cpu(cpus));
        let (pool, percpu) = pools.ok_or_else(|| MapError::new(Errno::ENOMEM, why))?;
        Ok(Arc::new(Objects { types: Arc::clone(types), pool: Some(pool), percpu: Some(percpu) }))
    }

    /// Objects there are now.
    #[must_use]
    pub fn live(&self) -> u64 {
        [&self.pool, &self.percpu].into_iter().flatten().map(Pool::live).sum()
    }

    /// What [`ExecutionContext::objects`](crate::ExecutionContext) has for programs that are about to call.
    #[must_use]
    pub fn address(&self) -> u64 {
        std::ptr::from_ref(self).expose_provenance() as u64
    }

    pub(crate) fn pool(&self) -> Option<&Pool> {
        self.pool.as_ref()
    }

    pub(crate) fn percpu(&self) -> Option<&Pool> {
        self.percpu.as_ref()
    }

    /// The type that a call names: 1 and its index; 0 is one without special fields.
    pub(crate) fn type_of(&self, meta: u32) -> Option<&LocalType> {
        self.types.get((meta as usize).checked_sub(1)?)
    }
}
