//! What a helper is handed, against its prototype; and what it handed out.

use std::sync::Arc;

use bpfreplay_isa::Size;
use bpfreplay_program::SpecialKind;
use bpfreplay_uapi::limits::ITER_NUM_SIZE;
use bpfreplay_uapi::{ArgType, DynptrArg, HelperId, Kfunc, KfuncArg, MapType, MemAccess, RetType};

use super::checked::Memory;
use super::region::{Access, Region};
use crate::exec::FaultKind;
use crate::executable::ContextKind;
use crate::maps::Map;

/// Bytes a helper may be handed at the most (`BPF_MAX_VAR_SIZ`).
const MAX_MEM_SIZE: u64 = 1 << 29;

impl Memory<'_> {
    /// Checks every argument against the helper's prototype, but for functions: what those are is the engine's.
    ///
    /// # Errors
    ///
    /// [`FaultKind::BadArgument`] with the argument, from 1.
    pub fn check_arguments(
        &self,
        maps: &[Arc<Map>],
        helper: HelperId,
        args: [u64; 5],
    ) -> Result<(), FaultKind> {
        let proto = helper.proto();
        let mut map: Option<&Map> = None;
        for (i, arg) in proto.args.iter().enumerate() {
            let value = args[i];
            let size = args.get(i + 1).copied().unwrap_or(0);
            // No bytes are touched, wherever the pointer is: one behind the end of a packet, too.
            let handed = |size: u64, access: MemAccess| {
                if size == 0 {
                    return true;
                }
                let accesses: &[Access] = match access {
                    MemAccess::Read => &[Access::Read],
                    MemAccess::Fill => &[Access::Write],
                    MemAccess::Change => &[Access::Read, Access::Write],
                };
                accesses.iter().all(|access| match self.check(maps, value, size, *access) {
                    Ok(Region::Stack | Region::MapValue | Region::Record | Region::Lent) => true,
                    Ok(Region::Packet) => proto.pkt_access || self.held.has_slices(),
                    Ok(Region::Context | Region::Object) | Err(_) => false,
                })
            };
            let of_map =
                |size: fn(&Map) -> u32, access| map.is_some_and(|map| handed(u64::from(size(map)), access));
            let fits = match arg {
                ArgType::Anything | ArgType::ConstAllocSize | ArgType::Func | ArgType::StackOrNull => true,
                ArgType::ConstSize => (1..=MAX_MEM_SIZE).contains(&value),
                ArgType::ConstSizeOrZero => value <= MAX_MEM_SIZE,
                ArgType::CtxOrNull if value == 0 => true,
                ArgType::Ctx | ArgType::CtxOrNull => {
                    self.is_context(value) && self.kind() != ContextKind::Plain
                }
                ArgType::ConstMapPtr => {
                    map = self.map(maps, value).filter(|map| is_for(helper, map));
                    map.is_some_and(|map| helper != HelperId::TimerInit || map.timer_at(args[0]).is_some())
                }
                ArgType::MapKey => of_map(|map| map.spec().key_size, MemAccess::Read),
                ArgType::MapValueOrNull if value == 0 => true,
                ArgType::MapValueOrNull => of_map(|map| map.spec().value_size, MemAccess::Read),
                // What a bloom filter is asked for, it reads.
                ArgType::MapValue(_) if is_bloom_peek(helper, map) => {
                    of_map(|map| map.spec().value_size, MemAccess::Read)
                }
                ArgType::MapValue(access) => of_map(|map| map.spec().value_size, *access),
                ArgType::MemOrNull(_) if value == 0 && size == 0 => true,
                ArgType::Mem(access) | ArgType::MemOrNull(access) => handed(size, *access),
                ArgType::FixedMem(access, size) => handed(u64::from(*size), *access),
                ArgType::ConstStr => self.is_string(maps, value),
                ArgType::SpinLock => self.is_lock(maps, helper, value),
                ArgType::RingbufMem => self.held.has_record(value),
                ArgType::Timer => {
                    maps.iter().chain(self.held.inner()).any(|map| map.timer_at(value).is_some())
                }
                ArgType::Kptr => self.is_exchange(maps, value, size),
                ArgType::ObjectOrNull => true,
                ArgType::PercpuObject => self.is_percpu_in_reach(value),
                // No helper of this engine takes one yet.
                ArgType::SockCommon | ArgType::BtfSockCommon | ArgType::BtfSockCommonRelease => false,
                ArgType::Dynptr(DynptrArg::Initialized) => self.is_dynptr(maps, value),
                ArgType::Dynptr(DynptrArg::NewLocal | DynptrArg::NewRingbuf) => {
                    self.is_room_for_dynptr(maps, value)
                }
                ArgType::Dynptr(DynptrArg::ReleaseRingbuf) => self.is_record_dynptr(maps, value),
            };
            if !fits {
                return Err(FaultKind::BadArgument(i as u8 + 1));
            }
        }
        Ok(())
    }

    /// Checks what a kernel function is handed.
    pub(super) fn check_kfunc_arguments(
        &self,
        maps: &[Arc<Map>],
        kfunc: Kfunc,
        args: [u64; 5],
    ) -> Result<(), FaultKind> {
        for (i, arg) in kfunc.args().iter().enumerate() {
            let value = args[i];
            let fits = match arg {
                KfuncArg::Ctx | KfuncArg::TrustedCtx => {
                    self.is_context(value) && self.kind() != ContextKind::Plain
                }
                KfuncArg::Scalar | KfuncArg::ConstSize => true,
                KfuncArg::Iter => self.is_object_on_stack(maps, value, ITER_NUM_SIZE),
                KfuncArg::Dynptr => self.is_dynptr(maps, value),
                KfuncArg::NewDynptr => self.is_room_for_dynptr(maps, value),
                KfuncArg::OptionalBuffer => value == 0 || self.is_buffer(maps, value, args[i + 1]),
                KfuncArg::LocalTypeId
                | KfuncArg::AllocObject
                | KfuncArg::RefcountedObject
                | KfuncArg::ListHead
                | KfuncArg::ListNode
                | KfuncArg::RbRoot
                | KfuncArg::RbNode
                | KfuncArg::Less
                | KfuncArg::Ignored => self.is_object_argument(maps, (kfunc, *arg), args, i),
            };
            if !fits {
                return Err(FaultKind::BadArgument(i as u8 + 1));
            }
        }
        Ok(())
    }

    /// Memory to read and write.
    fn is_buffer(&self, maps: &[Arc<Map>], addr: u64, size: u64) -> bool {
        [Access::Read, Access::Write].into_iter().all(|access| match self.check(maps, addr, size, access) {
            Ok(Region::Stack | Region::MapValue | Region::Record | Region::Packet | Region::Object) => true,
            Ok(Region::Lent | Region::Context) | Err(_) => false,
        })
    }

    /// Remembers what a call handed out or took back. Gives r0.
    pub(super) fn note_call(&mut self, maps: &[Arc<Map>], helper: HelperId, args: [u64; 5], r0: u64) -> u64 {
        match helper.proto().ret {
            RetType::RingbufMemOrNull if r0 != 0 => self.held.add_record(r0, args[1]),
            RetType::MapValueOrNull if r0 != 0 => return self.note_inner(maps, args, r0),
            _ => {}
        }
        match helper {
            HelperId::RingbufReserveDynptr => self.note_reserved(maps, args),
            HelperId::SpinUnlock => drop(self.held.take_lock()),
            _ => {}
        }
        r0
    }

    /// If a map of maps was looked into: the inner map, kept alive by the run.
    fn note_inner(&mut self, maps: &[Arc<Map>], args: [u64; 5], r0: u64) -> u64 {
        let Some(map) = self.map(maps, args[0]).filter(|map| map.is_map_of_maps()) else { return r0 };
        let key: Vec<u8> = (0..u64::from(map.spec().key_size))
            .filter_map(|i| self.load(maps, args[1] + i, Size::B).ok())
            .map(|byte| byte as u8)
            .collect();
        // Whatever it is by now: only what is held is used.
        let Some(inner) = map.inner(&key) else { return 0 };
        let address = inner.address();
        self.held.add_inner(inner);
        address
    }

    /// Whether there is a NUL before what can be read ends.
    fn is_string(&self, maps: &[Arc<Map>], addr: u64) -> bool {
        for i in 0..MAX_MEM_SIZE {
            match (self.check(maps, addr + i, 1, Access::Read), self.load(maps, addr + i, Size::B)) {
                (Ok(Region::MapValue), Ok(0)) => return true,
                (Ok(Region::MapValue), Ok(_)) => {}
                (_, _) => return false,
            }
        }
        false
    }

    /// Whether this is a lock: of a map value or object, aligned, and for unlocking the one that is held.
    fn is_lock(&self, maps: &[Arc<Map>], helper: HelperId, addr: u64) -> bool {
        let is_value = || self.check(maps, addr, 4, Access::Write) == Ok(Region::MapValue);
        addr.is_multiple_of(4)
            && (self.field_at(maps, addr) == Some(SpecialKind::SpinLock) || is_value())
            && (helper != HelperId::SpinUnlock || self.held.has_lock(addr))
    }
}

/// Whether a helper can be used with a map of this kind, where its function relies on it
/// (`check_map_func_compatibility`).
fn is_for(helper: HelperId, map: &Map) -> bool {
    match helper {
        HelperId::RingbufOutput | HelperId::RingbufReserve | HelperId::RingbufQuery => {
            map.spec().map_type == MapType::Ringbuf
        }
        HelperId::PerfEventOutput => map.spec().map_type == MapType::PerfEventArray,
        _ => map.prog_array().is_none(),
    }
}

fn is_bloom_peek(helper: HelperId, map: Option<&Map>) -> bool {
    helper == HelperId::MapPeekElem && map.is_some_and(|map| map.spec().map_type == MapType::BloomFilter)
}
