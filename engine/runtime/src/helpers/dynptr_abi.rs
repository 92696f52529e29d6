//! From registers to Rust: dynptrs, helpers 197 to 203 and the kernel functions.
//!
//! What a dynptr lends may be handed back to a helper on the same packet, so bytes are moved by address here: two
//! slices of one memory must not be.
#![allow(unsafe_code, reason = "registers hold addresses; the verifier has proved what lies there")]

use std::ptr::{with_exposed_provenance, with_exposed_provenance_mut};

use bpfreplay_uapi::{Errno, Kfunc};

use super::abi::entries;
use super::dynptr::{Dynptr, Kind, check_size};
use super::map_abi::end_record;
use super::packet_abi::{copy_out, load_skb, load_xdp, store_skb, store_xdp};
use super::{HelperFn, record, ret, xdp};
use crate::exec::ExecutionContext;
use crate::maps::Commit;
use crate::memory::{fill_bytes, move_bytes};
use crate::skb::SkBuff;
use crate::xdp::XdpBuff;

/// Bytes that `bpf_dynptr_copy` and `bpf_dynptr_memset` have in hand where there is no slice.
const CHUNK: u32 = 256;

/// The kernel functions on dynptrs.
pub(super) fn kfunc(kfunc: Kfunc) -> Option<HelperFn> {
    Some(match kfunc {
        Kfunc::DynptrFromSkb => from_skb,
        Kfunc::DynptrFromSkbRdonly => from_skb_rdonly,
        Kfunc::DynptrFromXdp => from_xdp,
        Kfunc::DynptrSlice => dynptr_slice,
        Kfunc::DynptrSliceRdwr => dynptr_slice_rdwr,
        Kfunc::DynptrAdjust => dynptr_adjust,
        Kfunc::DynptrIsNull => dynptr_is_null,
        Kfunc::DynptrIsRdonly => dynptr_is_rdonly,
        Kfunc::DynptrSize => dynptr_size,
        Kfunc::DynptrClone => dynptr_clone,
        Kfunc::DynptrCopy => dynptr_copy,
        Kfunc::DynptrMemset => dynptr_memset,
        Kfunc::IterNumNew
        | Kfunc::IterNumNext
        | Kfunc::IterNumDestroy
        | Kfunc::RcuReadLock
        | Kfunc::RcuReadUnlock
        | Kfunc::PreemptDisable
        | Kfunc::PreemptEnable
        | Kfunc::Throw
        | Kfunc::ObjNew
        | Kfunc::ObjDrop
        | Kfunc::PercpuObjNew
        | Kfunc::PercpuObjDrop
        | Kfunc::RefcountAcquire
        | Kfunc::ListPushFront
        | Kfunc::ListPushBack
        | Kfunc::ListPopFront
        | Kfunc::ListPopBack
        | Kfunc::ListFront
        | Kfunc::ListBack
        | Kfunc::RbtreeRemove
        | Kfunc::RbtreeAdd
        | Kfunc::RbtreeFirst
        | Kfunc::RbtreeRoot
        | Kfunc::RbtreeLeft
        | Kfunc::RbtreeRight => {
            return None;
        }
    })
}

entries! {
    registers r1 r2 r3 r4 r5 ctx;
    pub(super) dynptr_from_mem() {
        let made = match check_size(r2 as u32) {
            Ok(()) if r3 != 0 => Err(Errno::EINVAL),
            checked => checked.map(|()| Dynptr::new(Kind::Local, r1, r2 as u32)),
        };
        // SAFETY: r4 is stack for a dynptr, by `HelperFn`'s contract.
        ret(unsafe { put(r4, made) })
    };
    pub(super) ringbuf_reserve_dynptr(map: map, exec: exec) {
        let size = r2 as u32;
        let made = if r3 != 0 { Err(Errno::EINVAL) } else { check_size(size) }.and_then(|()| {
            match record::ringbuf_reserve(map, exec.cpu, size.into(), 0) {
                0 => Err(Errno::EINVAL),
                data => Ok(Dynptr::new(Kind::Ringbuf, data, size)),
            }
        });
        // SAFETY: r4 is stack for a dynptr, by `HelperFn`'s contract.
        ret(unsafe { put(r4, made) })
    };
    pub(super) ringbuf_submit_dynptr() {
        // SAFETY: r1 is a ring buffer's dynptr, by `HelperFn`'s contract.
        unsafe { end(r1, Commit::Submit) }
    };
    pub(super) ringbuf_discard_dynptr() {
        // SAFETY: as above.
        unsafe { end(r1, Commit::Discard) }
    };
    pub(super) dynptr_read() {
        // SAFETY: r1 is memory of r2 bytes to write, r3 a dynptr, by `HelperFn`'s contract.
        ret(unsafe { read_into(get(r3), r4 as u32, (r1, r2 as u32), r5) })
    };
    pub(super) dynptr_write() {
        // SAFETY: r1 is a dynptr, r3 memory of r4 bytes, by `HelperFn`'s contract.
        ret(unsafe { write_from(get(r1), r2 as u32, (r3, r4 as u32), r5) })
    };
    pub(super) dynptr_data() {
        // SAFETY: r1 is a dynptr, by `HelperFn`'s contract.
        let dynptr = unsafe { get(r1) };
        match (dynptr.kind(), dynptr.at(r2 as u32, r3 as u32)) {
            (Some(Kind::Local | Kind::Ringbuf), Ok(at)) if !dynptr.is_read_only() => {
                dynptr.data() + u64::from(at)
            }
            _ => 0,
        }
    };
    from_skb(skb: skb) {
        let made = new_of_context(Kind::Skb, r1, skb.len(), r2);
        // SAFETY: r3 is stack for a dynptr, by `HelperFn`'s contract.
        ret32(unsafe { put(r3, made) })
    };
    from_skb_rdonly(skb: skb) {
        let made = new_of_context(Kind::Skb, r1, skb.len(), r2).map(Dynptr::read_only);
        // SAFETY: as above.
        ret32(unsafe { put(r3, made) })
    };
    from_xdp(xdp: xdp) {
        let made = new_of_context(Kind::Xdp, r1, xdp.len(), r2);
        // SAFETY: as above.
        ret32(unsafe { put(r3, made) })
    };
    dynptr_slice() {
        // SAFETY: r1 is a dynptr, r3 memory of r4 bytes to write or NULL, by `HelperFn`'s contract.
        unsafe { slice(get(r1), r2 as u32, (r3, r4 as u32)) }
    };
    dynptr_slice_rdwr() {
        // SAFETY: as above.
        unsafe { slice_rdwr(get(r1), r2 as u32, (r3, r4 as u32)) }
    };
    dynptr_adjust() {
        // SAFETY: r1 is a dynptr, by `HelperFn`'s contract.
        let mut dynptr = unsafe { get(r1) };
        let adjusted = dynptr.adjust(r2 as u32, r3 as u32);
        // SAFETY: as above, and what it is now spans no more than it did.
        unsafe { set(r1, dynptr) };
        ret32(adjusted)
    };
    dynptr_is_null() {
        // SAFETY: r1 is a dynptr, by `HelperFn`'s contract.
        u64::from(unsafe { get(r1) }.is_null())
    };
    dynptr_is_rdonly() {
        // SAFETY: as above.
        let dynptr = unsafe { get(r1) };
        u64::from(!dynptr.is_null() && dynptr.is_read_only())
    };
    dynptr_size() {
        // SAFETY: as above.
        let dynptr = unsafe { get(r1) };
        if dynptr.is_null() { ret32(Err(Errno::EINVAL)) } else { dynptr.len().into() }
    };
    dynptr_clone() {
        // SAFETY: r1 is a dynptr, by `HelperFn`'s contract.
        let dynptr = unsafe { get(r1) };
        let made = if dynptr.is_null() { Err(Errno::EINVAL) } else { Ok(dynptr) };
        // SAFETY: r2 is stack for a dynptr, by `HelperFn`'s contract.
        ret32(unsafe { put(r2, made) })
    };
    dynptr_copy() {
        // SAFETY: r1 and r3 are dynptrs, by `HelperFn`'s contract.
        ret32(unsafe { copy((get(r1), r2 as u32), (get(r3), r4 as u32), r5 as u32) })
    };
    dynptr_memset() {
        // SAFETY: r1 is a dynptr, by `HelperFn`'s contract.
        ret32(unsafe { memset(get(r1), r2 as u32, r3 as u32, r4 as u8) })
    };
}

/// r0 of a kernel function that returns an `int`: the upper half is 0.
fn ret32(result: Result<(), Errno>) -> u64 {
    u64::from(ret(result) as u32)
}

fn new_of_context(kind: Kind, context: u64, len: u32, flags: u64) -> Result<Dynptr, Errno> {
    if flags == 0 { Ok(Dynptr::new(kind, context, len)) } else { Err(Errno::EINVAL) }
}

/// # Safety
///
/// `addr` is a dynptr on the program's stack.
unsafe fn get(addr: u64) -> Dynptr {
    // SAFETY: the caller's promise; stack slots are aligned to 8.
    unsafe { with_exposed_provenance::<Dynptr>(addr as usize).read() }
}

/// # Safety
///
/// `addr` is 16 aligned bytes of the program's stack.
unsafe fn set(addr: u64, dynptr: Dynptr) {
    // SAFETY: the caller's promise.
    unsafe { with_exposed_provenance_mut::<Dynptr>(addr as usize).write(dynptr) };
}

/// Stores what was made; of an error an empty dynptr.
///
/// # Safety
///
/// As [`set`].
unsafe fn put(addr: u64, made: Result<Dynptr, Errno>) -> Result<(), Errno> {
    // SAFETY: the caller's promise.
    unsafe { set(addr, made.unwrap_or_default()) };
    made.map(drop)
}

/// Submits or discards the record, if there is one.
///
/// # Safety
///
/// `addr` is a ring buffer's dynptr whose record nobody has ended.
unsafe fn end(addr: u64, how: Commit) -> u64 {
    // SAFETY: the caller's promise.
    unsafe {
        let dynptr = get(addr);
        if !dynptr.is_null() {
            end_record(dynptr.data(), how);
            set(addr, Dynptr::default());
        }
    }
    0
}

/// The packet behind a dynptr of one.
///
/// # Safety
///
/// `dynptr` is of that kind, and nobody else uses the context during the call.
unsafe fn packet<'a>(dynptr: Dynptr) -> &'a mut SkBuff {
    // SAFETY: the caller's promise: it is the run's context.
    unsafe { &mut *with_exposed_provenance_mut(dynptr.data() as usize) }
}

/// The frame behind a dynptr of one.
///
/// # Safety
///
/// As [`packet`].
unsafe fn frame<'a>(dynptr: Dynptr) -> &'a mut XdpBuff {
    // SAFETY: the caller's promise: it is the run's context.
    unsafe { &mut *with_exposed_provenance_mut(dynptr.data() as usize) }
}

/// `bpf_dynptr_read`.
///
/// # Safety
///
/// The dynptr is one the run made, `to` is memory to write.
unsafe fn read_into(dynptr: Dynptr, offset: u32, (to, len): (u64, u32), flags: u64) -> Result<(), Errno> {
    let Some(kind) = dynptr.kind().filter(|_| flags == 0) else { return Err(Errno::EINVAL) };
    let at = dynptr.at(offset, len)?;
    // SAFETY: the caller's promise: the span was live when the dynptr was made and still is; offsets into a packet are
    // checked with its length of now.
    unsafe {
        match kind {
            Kind::Local | Kind::Ringbuf => move_bytes(dynptr.data() + u64::from(at), to, len as usize),
            Kind::Skb => load_skb(packet(dynptr), at, (to, len))?,
            Kind::Xdp => load_xdp(frame(dynptr), at, (to, len))?,
        }
    }
    Ok(())
}

/// `bpf_dynptr_write`.
///
/// # Safety
///
/// As [`read_into`]; `from` is memory.
unsafe fn write_from(dynptr: Dynptr, offset: u32, (from, len): (u64, u32), flags: u64) -> Result<(), Errno> {
    let Some(kind) = dynptr.kind().filter(|_| !dynptr.is_read_only()) else { return Err(Errno::EINVAL) };
    let at = dynptr.at(offset, len)?;
    if kind != Kind::Skb && flags != 0 {
        return Err(Errno::EINVAL);
    }
    // SAFETY: as in `read_into`.
    unsafe {
        match kind {
            Kind::Local | Kind::Ringbuf => move_bytes(from, dynptr.data() + u64::from(at), len as usize),
            Kind::Skb => store_skb(packet(dynptr), at, (from, len), flags)?,
            Kind::Xdp => store_xdp(frame(dynptr), at, (from, len))?,
        }
    }
    Ok(())
}

/// `bpf_dynptr_slice`: the bytes where they are; if they are not in one piece, in the buffer; or NULL.
///
/// # Safety
///
/// As [`read_into`]; `buffer` is memory to write, or 0.
unsafe fn slice(dynptr: Dynptr, offset: u32, (buffer, len): (u64, u32)) -> u64 {
    let (Some(kind), Ok(at)) = (dynptr.kind(), dynptr.at(offset, len)) else { return 0 };
    // SAFETY: as in `read_into`.
    unsafe {
        match kind {
            Kind::Local | Kind::Ringbuf => dynptr.data() + u64::from(at),
            // Packets are in one piece; one that has become shorter has nothing there.
            Kind::Skb => packet(dynptr).address_of(at, len).unwrap_or(0),
            Kind::Xdp => match xdp::pointer(frame(dynptr), at, len) {
                Ok(Some(addr)) => addr,
                Ok(None) | Err(_) if buffer == 0 => 0,
                Ok(None) | Err(_) => {
                    copy_out(frame(dynptr), at, (buffer, len));
                    buffer
                }
            },
        }
    }
}

/// `bpf_dynptr_slice_rdwr`.
///
/// # Safety
///
/// As [`slice`].
unsafe fn slice_rdwr(dynptr: Dynptr, offset: u32, buffer: (u64, u32)) -> u64 {
    if dynptr.is_read_only() {
        return 0;
    }
    // SAFETY: the caller's promise.
    unsafe { slice(dynptr, offset, buffer) }
}

/// `bpf_dynptr_copy`: at once where one side is in one piece, else bit by bit.
///
/// # Safety
///
/// As [`read_into`], of both.
unsafe fn copy(to: (Dynptr, u32), from: (Dynptr, u32), len: u32) -> Result<(), Errno> {
    // SAFETY: the caller's promise.
    unsafe {
        let source = slice(from.0, from.1, (0, len));
        let target = slice_rdwr(to.0, to.1, (0, len));
        if source != 0 && target != 0 {
            move_bytes(source, target, len as usize);
            return Ok(());
        }
        if source != 0 {
            return write_from(to.0, to.1, (source, len), 0);
        }
        if target != 0 {
            return read_into(from.0, from.1, (target, len), 0);
        }
        to.0.at(to.1, len)?;
        from.0.at(from.1, len)?;
        let mut chunk = [0_u8; CHUNK as usize];
        let chunk = chunk.as_mut_ptr().expose_provenance() as u64;
        for done in (0..len).step_by(CHUNK as usize) {
            let bytes = CHUNK.min(len - done);
            read_into(from.0, from.1 + done, (chunk, bytes), 0)?;
            write_from(to.0, to.1 + done, (chunk, bytes), 0)?;
        }
        Ok(())
    }
}

/// `bpf_dynptr_memset`.
///
/// # Safety
///
/// As [`read_into`].
unsafe fn memset(dynptr: Dynptr, offset: u32, len: u32, value: u8) -> Result<(), Errno> {
    // SAFETY: the caller's promise.
    unsafe {
        let target = slice_rdwr(dynptr, offset, (0, len));
        if target != 0 {
            fill_bytes(target, len as usize, value);
            return Ok(());
        }
        if dynptr.is_read_only() {
            return Err(Errno::EINVAL);
        }
        dynptr.at(offset, len)?;
        let chunk = [value; CHUNK as usize];
        let chunk = chunk.as_ptr().expose_provenance() as u64;
        for done in (0..len).step_by(CHUNK as usize) {
            write_from(dynptr, offset + done, (chunk, CHUNK.min(len - done)), 0)?;
        }
        Ok(())
    }
}
