//! Objects that programs allocated: what of them is live, and what kernel functions are handed of them.

use std::sync::Arc;

use bpfreplay_program::{KptrKind, LocalType, SpecialField, SpecialKind};
use bpfreplay_uapi::{Kfunc, KfuncArg};

use super::checked::Memory;
use super::region::{Access, Region};
use crate::exec::FaultKind;
use crate::maps::Map;
use crate::objects::{Objects, Place, Pool};

impl Memory<'_> {
    /// From now on the program that runs has these objects. Gives those that it had before.
    pub fn replace_objects(&mut self, objects: Option<Arc<Objects>>) -> Option<Arc<Objects>> {
        std::mem::replace(&mut self.objects, objects)
    }

    /// [`Objects::address`] of those, for the execution context.
    pub(super) fn objects_address(&self) -> u64 {
        self.objects.as_ref().map_or(0, |objects| objects.address())
    }

    /// Whether the program may access these bytes of an object; `None`: they are not in memory of objects.
    pub(super) fn check_object(
        &self,
        addr: u64,
        size: u64,
        access: Access,
    ) -> Option<Result<Region, FaultKind>> {
        if let Some(checked) = self.check_percpu(addr, size) {
            return Some(checked);
        }
        let pool = self.pool()?;
        let place = pool.place_at(addr)?;
        let out_of_bounds = FaultKind::OutOfBounds { addr, size: u32::try_from(size).unwrap_or(u32::MAX) };
        let Some(object) = pool.object(place) else { return Some(Err(out_of_bounds)) };
        let (state, off) = (pool.state(object), addr - pool.addr(object));
        let is_inside = off.checked_add(size).is_some_and(|end| end <= u64::from(state.size));
        if !is_inside || !is_in_reach(pool, object) {
            return Some(Err(out_of_bounds));
        }
        let special = self.type_of(state.meta).map_or(&[][..], |ty| &ty.special);
        Some(check_special(special, addr, (off, size), access).map(|()| Region::Object))
    }

    /// Of an object that is there for each CPU, whichever's: a helper gave the program its address.
    fn check_percpu(&self, addr: u64, size: u64) -> Option<Result<Region, FaultKind>> {
        let pool = self.objects.as_ref()?.percpu()?;
        let place = pool.place_at(addr)?;
        let is_inside = pool.object_of_cpu(place).is_some_and(|object| {
            let end = (addr - pool.addr(object)).checked_add(size);
            end.is_some_and(|end| end <= u64::from(pool.state(object).size)) && is_in_reach(pool, object)
        });
        let out_of_bounds = FaultKind::OutOfBounds { addr, size: u32::try_from(size).unwrap_or(u32::MAX) };
        Some(if is_inside { Ok(Region::Object) } else { Err(out_of_bounds) })
    }

    /// Whether this is an object that is there for each CPU, and that some run may use.
    pub(super) fn is_percpu_in_reach(&self, addr: u64) -> bool {
        self.percpu_at(addr).is_some_and(|(pool, object)| is_in_reach(pool, object))
    }

    fn percpu_at(&self, addr: u64) -> Option<(&Pool, Place)> {
        let pool = self.objects.as_ref()?.percpu()?;
        let object = pool.place_at(addr)?;
        (pool.object(object) == Some(object) && pool.addr(object) == addr).then_some((pool, object))
    }

    fn is_live_percpu(&self, addr: u64) -> bool {
        self.percpu_at(addr).is_some_and(|(pool, object)| pool.state(object).live)
    }

    /// The special field at this address, of a value of the program's maps or of an object.
    pub(super) fn field_at(&self, maps: &[Arc<Map>], addr: u64) -> Option<SpecialKind> {
        let at = |special: &[SpecialField], off: u64| {
            special.iter().find(|field| u64::from(field.off) == off).map(|field| field.kind)
        };
        if let Some((object, ty)) = self.object_around(addr) {
            return at(&ty.special, addr - object);
        }
        let maps = || maps.iter().chain(self.held.inner());
        let (map, room) = maps().find_map(|map| Some((map, map.value_room(addr)?)))?;
        at(map.spec().fields(), u64::from(map.spec().value_size).checked_sub(room)?)
    }

    /// Whether a program may be handed this for `bpf_kptr_xchg`: a field that owns, and what it is to own.
    pub(super) fn is_exchange(&self, maps: &[Arc<Map>], field: u64, object: u64) -> bool {
        match self.field_at(maps, field) {
            Some(SpecialKind::Kptr { kind: KptrKind::Ref, type_id }) => {
                object == 0 || self.live(object).is_some_and(|meta| self.is_of(meta, type_id))
            }
            Some(SpecialKind::Kptr { kind: KptrKind::Percpu, .. }) => {
                object == 0 || self.is_live_percpu(object)
            }
            Some(_) | None => false,
        }
    }

    /// Others can find this object from now on, if it is one.
    pub(super) fn share(&self, object: u64) {
        let Some(objects) = &self.objects else { return };
        for pool in [objects.pool(), objects.percpu()].into_iter().flatten() {
            if let Some(place) = pool.place_at(object) {
                pool.share(place);
            }
        }
    }

    /// Whether a kernel function may be handed this argument of its, which is about objects.
    pub(super) fn is_object_argument(
        &self,
        maps: &[Arc<Map>],
        (kfunc, arg): (Kfunc, KfuncArg),
        args: [u64; 5],
        at: usize,
    ) -> bool {
        let (value, next) = (args[at], args.get(at + 1).copied().unwrap_or(0));
        match arg {
            KfuncArg::LocalTypeId => self.is_new(value, next),
            KfuncArg::AllocObject if kfunc == Kfunc::PercpuObjDrop => self.is_live_percpu(value),
            // 0: of more than one type.
            KfuncArg::AllocObject => {
                self.live(value).is_some_and(|meta| next == 0 || u64::from(meta) == next)
            }
            KfuncArg::RefcountedObject => self.is_counted(value, next),
            KfuncArg::ListHead => matches!(self.field_at(maps, value), Some(SpecialKind::ListHead { .. })),
            KfuncArg::RbRoot => matches!(self.field_at(maps, value), Some(SpecialKind::RbRoot { .. })),
            KfuncArg::ListNode => match self.field_at(maps, args[0]) {
                Some(SpecialKind::ListHead { value_type_id, node_off }) => {
                    self.is_node(value, (value_type_id, node_off), (args[2], args[3]))
                }
                Some(_) | None => false,
            },
            KfuncArg::RbNode if kfunc == Kfunc::RbtreeAdd => match self.field_at(maps, args[0]) {
                Some(SpecialKind::RbRoot { value_type_id, node_off }) => {
                    self.is_node(value, (value_type_id, node_off), (args[3], args[4]))
                }
                Some(_) | None => false,
            },
            KfuncArg::RbNode => {
                self.object_around(value).is_some() && self.field_at(maps, value) == Some(SpecialKind::RbNode)
            }
            // What a function is, is the engine's.
            KfuncArg::Less | KfuncArg::Ignored => true,
            KfuncArg::Ctx
            | KfuncArg::TrustedCtx
            | KfuncArg::Scalar
            | KfuncArg::Iter
            | KfuncArg::Dynptr
            | KfuncArg::NewDynptr
            | KfuncArg::OptionalBuffer
            | KfuncArg::ConstSize => false,
        }
    }

    fn pool(&self) -> Option<&Pool> {
        self.objects.as_ref()?.pool()
    }

    fn type_of(&self, meta: u32) -> Option<&LocalType> {
        self.objects.as_ref()?.type_of(meta)
    }

    /// Size and type of a new object.
    fn is_new(&self, size: u64, meta: u64) -> bool {
        match self.type_of(meta as u32) {
            Some(ty) => size == u64::from(ty.size),
            None => meta == 0,
        }
    }

    /// The type of the live object that begins here.
    fn live(&self, addr: u64) -> Option<u32> {
        let pool = self.pool()?;
        let object = pool.place_at(addr)?;
        let state = pool.state(object);
        (state.live && pool.addr(pool.object(object)?) == addr).then_some(state.meta)
    }

    fn is_counted(&self, addr: u64, meta: u64) -> bool {
        let is_counted = |ty: &LocalType| ty.special.iter().any(|field| field.kind == SpecialKind::Refcount);
        let is_object = |pool: &Pool| {
            let object = pool.place_at(addr).and_then(|place| pool.object(place));
            object.is_some_and(|object| {
                pool.addr(object) == addr
                    && is_in_reach(pool, object)
                    && u64::from(pool.state(object).meta) == meta
            })
        };
        self.pool().is_some_and(is_object) && self.type_of(meta as u32).is_some_and(is_counted)
    }

    /// Whether this is a node for such a head, in a live object of the type that a call names with the node's offset.
    fn is_node(&self, node: u64, (type_id, node_off): (u32, u32), (meta, off): (u64, u64)) -> bool {
        let of_object = self.live(node.wrapping_sub(off));
        u64::from(node_off) == off
            && of_object.is_some_and(|of_object| {
                u64::from(of_object) == meta && self.type_of(of_object).is_some_and(|ty| ty.btf_id == type_id)
            })
    }

    /// Whether objects of this type are of the one with this BTF id. Those without special fields have none.
    fn is_of(&self, meta: u32, type_id: u32) -> bool {
        self.type_of(meta).is_none_or(|ty| ty.btf_id == type_id)
    }

    /// Start and type of the object that an address is in, if it is in reach and has special fields.
    fn object_around(&self, addr: u64) -> Option<(u64, &LocalType)> {
        let pool = self.pool()?;
        let object = pool.object(pool.place_at(addr)?)?;
        let ty = self.type_of(pool.state(object).meta)?;
        is_in_reach(pool, object).then(|| (pool.addr(object), ty))
    }
}

/// Whether some run may still use it: it was not freed, or it was where others find it without owning it, and a batch
/// that may have done so is open (linux: such pointers are good in an RCU read-side critical section).
fn is_in_reach(pool: &Pool, object: Place) -> bool {
    let state = pool.state(object);
    state.live || (state.shared && !pool.has_passed(object))
}

/// Programs reach special fields through functions only, but for pointers: those they read, and where they own nothing
/// write (linux: check_map_access(), `direct access to ... is disallowed`).
pub(super) fn check_special(
    special: &[SpecialField],
    addr: u64,
    (off, size): (u64, u64),
    access: Access,
) -> Result<(), FaultKind> {
    let touches = |field: &&SpecialField| {
        let start = u64::from(field.off);
        off < start + u64::from(field.kind.size()) && start < off.saturating_add(size)
    };
    let mut touched = special.iter().filter(touches);
    let allowed = touched.all(|field| match (field.kind, access) {
        (SpecialKind::Kptr { .. }, Access::Read)
        | (SpecialKind::Kptr { kind: KptrKind::Unref, .. }, Access::Write) => {
            (off, size) == (u64::from(field.off), u64::from(field.kind.size()))
        }
        (_, Access::Read | Access::Write) => false,
    });
    if allowed {
        Ok(())
    } else {
        Err(FaultKind::OutOfBounds { addr, size: u32::try_from(size).unwrap_or(u32::MAX) })
    }
}
