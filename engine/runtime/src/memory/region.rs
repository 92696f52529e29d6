//! What memory is live now, for the run of one program.
//!
//! ```text
//!   context   read: what programs see of the SkBuff or XdpBuff; write: of the SkBuff without addresses and length
//!   packet    data_meta to data_end, as the SkBuff or XdpBuff says at that moment, and the XdpBuff's fragments
//!   stack     within one frame of the program that runs
//!   maps      within one value of a map of the program, element-exact, as the map's flags allow, without the special
//!             fields in it; likewise of inner maps this run looked up
//!   objects   what programs allocated and did not drop, without the special fields in it
//!   records   of ring buffers, while this run has them reserved
//!   lent      what a running callback was handed
//! ```

use std::sync::Arc;

use bpfreplay_uapi::limits::MAX_BPF_STACK;

use super::checked::{ContextMemory, Memory, STRIDE};
use super::object::check_special;
use crate::exec::FaultKind;
use crate::maps::{Map, ProgramAccess};
use crate::skb::SkBuff;
use crate::xdp::XdpBuff;

/// What memory an address lies in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Region {
    Stack,
    Context,
    Packet,
    MapValue,
    Record,
    /// What a callback was handed: a key, a sample.
    Lent,
    /// What the program allocated.
    Object,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Access {
    Read,
    Write,
}

impl Memory<'_> {
    /// The live region that these bytes lie in, if it allows the access.
    #[inline]
    pub(super) fn check(
        &self,
        maps: &[Arc<Map>],
        addr: u64,
        size: u64,
        access: Access,
    ) -> Result<Region, FaultKind> {
        if self.in_frame(addr, size) {
            Ok(Region::Stack)
        } else {
            self.check_others(maps, addr, size, access)
        }
    }

    fn check_others(
        &self,
        maps: &[Arc<Map>],
        addr: u64,
        size: u64,
        access: Access,
    ) -> Result<Region, FaultKind> {
        let inside = |start: u64, end: u64| addr >= start && addr < end && end - addr >= size;
        match self.context {
            ContextMemory::Skb(skb) => {
                if inside(skb, skb + SkBuff::VISIBLE as u64) {
                    return match access {
                        Access::Write if addr < skb + SkBuff::READ_ONLY as u64 => {
                            Err(FaultKind::ReadOnly { addr })
                        }
                        Access::Read | Access::Write => Ok(Region::Context),
                    };
                }
                if let Some(skb) = self.skb()
                    && inside(skb.data_meta, skb.data_end)
                {
                    return match access {
                        Access::Write if !skb.is_exclusive() => Err(FaultKind::ReadOnly { addr }),
                        Access::Read | Access::Write => Ok(Region::Packet),
                    };
                }
            }
            ContextMemory::Xdp(xdp) => {
                if inside(xdp, xdp + XdpBuff::VISIBLE as u64) {
                    return match access {
                        Access::Read => Ok(Region::Context),
                        Access::Write => Err(FaultKind::ReadOnly { addr }),
                    };
                }
                if let Some(xdp) = self.xdp()
                    && inside(xdp.data_meta, xdp.data_end)
                {
                    return match access {
                        Access::Write if !xdp.is_exclusive() => Err(FaultKind::ReadOnly { addr }),
                        Access::Read | Access::Write => Ok(Region::Packet),
                    };
                }
                // Only a slice of a dynptr leads there.
                if self.held.has_slices()
                    && let Some(fragments) = self.xdp().map(XdpBuff::fragments)
                    && let start = fragments.as_ptr().expose_provenance() as u64
                    && inside(start, start + fragments.len() as u64)
                {
                    return Ok(Region::Packet);
                }
            }
            ContextMemory::Plain { addr: start, len } => {
                if inside(start, start + len) {
                    return match access {
                        Access::Read => Ok(Region::Context),
                        Access::Write => Err(FaultKind::ReadOnly { addr }),
                    };
                }
            }
            ContextMemory::None(_) => {}
        }
        if self.held.has_record_bytes(addr, size) {
            return Ok(Region::Record);
        }
        if let Some(lent) = self.held.lent(addr, size) {
            return match access {
                Access::Write if !lent.writable => Err(FaultKind::ReadOnly { addr }),
                Access::Read | Access::Write => Ok(Region::Lent),
            };
        }
        if let Some(checked) = self.check_object(addr, size, access) {
            return checked;
        }
        let inner = || self.held.inner().iter();
        check_maps(maps.iter().chain(inner()), addr, size, access)
    }

    /// The map whose address a register holds: one of the program's, or an inner map this run looked up.
    pub(super) fn map<'m>(&'m self, maps: &'m [Arc<Map>], address: u64) -> Option<&'m Map> {
        find_map(maps, address).or_else(|| find_map(self.held.inner(), address))
    }

    /// The map at an address, to keep while the memory is used.
    #[must_use]
    pub fn shared_map(&self, maps: &[Arc<Map>], address: u64) -> Option<Arc<Map>> {
        maps.iter().chain(self.held.inner()).find(|map| map.address() == address).cloned()
    }

    /// Whether these bytes lie in one frame of the program that runs.
    #[inline]
    fn in_frame(&self, addr: u64, size: u64) -> bool {
        let below = self.stack_end.wrapping_sub(addr).wrapping_sub(1);
        let frame = below / STRIDE;
        if frame < self.floor as u64 || frame >= self.depth as u64 {
            return false;
        }
        let offset = STRIDE - 1 - below % STRIDE;
        offset + size.min(STRIDE) <= MAX_BPF_STACK as u64
    }
}

/// The program's map whose address a register holds.
#[must_use]
pub fn find_map(maps: &[Arc<Map>], address: u64) -> Option<&Map> {
    maps.iter().map(|map| &**map).find(|map| map.address() == address)
}

fn check_maps<'m>(
    mut maps: impl Iterator<Item = &'m Arc<Map>>,
    addr: u64,
    size: u64,
    access: Access,
) -> Result<Region, FaultKind> {
    let out_of_bounds = FaultKind::OutOfBounds { addr, size: u32::try_from(size).unwrap_or(u32::MAX) };
    let (map, room) = maps.find_map(|map| Some((map, map.value_room(addr)?))).ok_or(out_of_bounds)?;
    if room < size {
        return Err(out_of_bounds);
    }
    match (access, map.program_access()) {
        (Access::Write, ProgramAccess::ReadOnly) => Err(FaultKind::ReadOnly { addr }),
        (Access::Read, ProgramAccess::WriteOnly) => Err(out_of_bounds),
        (Access::Read | Access::Write, _) => {
            let spec = map.spec();
            let off = u64::from(spec.value_size).saturating_sub(room);
            check_special(spec.fields(), addr, (off, size), access).map(|()| Region::MapValue)
        }
    }
}
