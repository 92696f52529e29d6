//! What is known of a register, in the kernel's words (linux: print_reg_state()): `pkt(off=14,r=34)`, `7`,
//! `scalar(smin=0,smax=umax=255,var_off=(0x0; 0xff))`.

use std::fmt::{self, Display, Formatter};

use bpfreplay_program::{MapSpec, Program};

use crate::explore::type_name;
use crate::scalar::Scalar;
use crate::state::{MemSort, PacketRange, RegState, RegType};

/// A register of the frame with index `frame`.
pub(crate) struct RegText<'a> {
    pub(crate) reg: &'a RegState,
    pub(crate) frame: usize,
    pub(crate) program: &'a Program,
}

impl Display for RegText<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let reg = self.reg;
        if let Some(x) = reg.as_const() {
            return Signed(x as i64).fmt(f);
        }
        f.write_str(reg.type_name())?;
        if let RegType::BtfSock(sock) = reg.kind {
            f.write_str(sock.name())?;
        }
        if let RegType::Object { type_id, .. } = reg.kind {
            f.write_str(type_name(self.program, type_id))?;
        }
        if let RegType::Stack { frame } = reg.kind {
            if usize::from(frame) != self.frame {
                write!(f, "[{frame}]")?;
            }
            if let Some(var) = reg.value.as_const() {
                return Signed((var as i64).wrapping_add(reg.off.into())).fmt(f);
            }
        }
        write!(f, "({})", self.attributes().join(","))
    }
}

impl RegText<'_> {
    fn attributes(&self) -> Vec<String> {
        let reg = self.reg;
        let mut out = Vec::new();
        if reg.id != 0 {
            let distance = reg.add_const.map_or_else(String::new, |_| format!("{:+}", reg.off));
            out.push(format!("id={}{distance}", reg.id));
        }
        // The kernel does not know of the reference that a slice lives by.
        let is_slice = matches!(reg.kind, RegType::Mem { sort: MemSort::Slice { .. }, .. });
        if reg.ref_obj_id != 0 && !is_slice {
            out.push(format!("ref_obj_id={}", reg.ref_obj_id));
        }
        if matches!(reg.kind, RegType::Object { hold, .. } if hold.is_borrowed()) {
            out.push("non_own_ref".to_owned());
        }
        match reg.kind {
            RegType::MapPtr { map } | RegType::MapValue { map } | RegType::MapKey { map } => {
                out.extend(self.map(map));
            }
            RegType::NotInit
            | RegType::Scalar
            | RegType::Ctx
            | RegType::Stack { .. }
            | RegType::Packet
            | RegType::PacketMeta
            | RegType::PacketEnd
            | RegType::Sock(_)
            | RegType::BtfSock(_)
            | RegType::Mem { .. }
            | RegType::Func { .. }
            | RegType::Dynptr(_)
            | RegType::Object { .. } => {}
        }
        if !reg.is_scalar() && reg.off != 0 {
            out.push(format!("off={}", Signed(reg.off.into())));
        }
        if reg.kind.is_packet() {
            out.push(format!("r={}", Range(reg.range)));
        }
        if let RegType::Mem { size, .. } = reg.kind {
            out.push(format!("sz={}", Unsigned(size.into())));
        }
        if let RegType::Dynptr(kind) = reg.kind {
            out.push(format!("type={}", kind.name()));
        }
        match reg.value.as_const() {
            Some(0) => {}
            Some(var) => out.push(format!("imm={}", Signed(var as i64))),
            None => ranges(&reg.value, &mut out),
        }
        out
    }

    /// `map=flows,ks=4,vs=8`
    fn map(&self, map: u32) -> Option<String> {
        // Behind the program's maps come their inner ones (`Env::map`).
        let sizes = |spec: &MapSpec| format!("ks={},vs={}", spec.key_size, spec.value_size);
        match (map as usize).checked_sub(self.program.maps.len()) {
            None => {
                let spec = &self.program.maps[map as usize];
                Some(format!("map={},{}", object_name(&spec.name), sizes(spec)))
            }
            // Of an inner map the shape is known, not the name.
            Some(outer) => self.program.maps.get(outer)?.inner.as_deref().map(sizes),
        }
    }
}

/// A name as far as the kernel keeps it (`BPF_OBJ_NAME_LEN`).
fn object_name(name: &str) -> &str {
    const OBJ_NAME_MAX: usize = 15;
    &name[..name.floor_char_boundary(OBJ_NAME_MAX)]
}

/// Numbers are decimal as long as they fit in 16 bits (linux: verbose_snum()).
struct Signed(i64);

impl Display for Signed {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match i16::try_from(self.0) {
            Ok(x) => write!(f, "{x}"),
            Err(_) => write!(f, "{:#x}", self.0),
        }
    }
}

/// linux: verbose_unum()
struct Unsigned(u64);

impl Display for Unsigned {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match u16::try_from(self.0) {
            Ok(x) => write!(f, "{x}"),
            Err(_) => write!(f, "{:#x}", self.0),
        }
    }
}

/// The kernel keeps both outcomes as negative numbers in an int and prints it as unsigned.
struct Range(PacketRange);

impl Display for Range {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        const AT_PKT_END: i64 = -1;
        const BEYOND_PKT_END: i64 = -2;
        let range = match self.0 {
            PacketRange::Bytes(bytes) => u64::from(bytes),
            PacketRange::AtEnd => AT_PKT_END as u64,
            PacketRange::BeyondEnd => BEYOND_PKT_END as u64,
        };
        Unsigned(range).fmt(f)
    }
}

/// One bound; `value` of 32-bit ones as the kernel widens them: sign-extended only if that shows as decimal.
struct Bound {
    name: &'static str,
    value: u64,
    signed: bool,
    /// It says nothing, or it was printed with another one.
    omit: bool,
}

impl Bound {
    fn is_negative(&self) -> bool {
        self.signed && (self.value as i64) < 0
    }
}

/// Bounds that say something, equal ones of a kind chained: `smin=umin=1` (linux: print_scalar_ranges()).
fn ranges(value: &Scalar, out: &mut Vec<String>) {
    let (b64, b32, all) = (value.b64, value.b32, Scalar::UNKNOWN);
    let signed = |name, value: i64, omit| Bound { name, value: value as u64, signed: true, omit };
    let unsigned = |name, value, omit| Bound { name, value, signed: false, omit };
    let wide = |x: i32| if i16::try_from(x).is_ok() { i64::from(x) } else { i64::from(x as u32) };
    let mut bounds = [
        signed("smin", b64.smin, b64.smin == all.b64.smin),
        signed("smax", b64.smax, b64.smax == all.b64.smax),
        unsigned("umin", b64.umin, b64.umin == 0),
        unsigned("umax", b64.umax, b64.umax == u64::MAX),
        signed("smin32", wide(b32.smin), b32.smin == i32::MIN),
        signed("smax32", wide(b32.smax), b32.smax == i32::MAX),
        unsigned("umin32", b32.umin.into(), b32.umin == 0),
        unsigned("umax32", b32.umax.into(), b32.umax == u32::MAX),
    ];
    for first in 0..bounds.len() {
        if bounds[first].omit {
            continue;
        }
        let (value, negative) = (bounds[first].value, bounds[first].is_negative());
        let mut text = format!("{}=", bounds[first].name);
        // Minima stand at even places, maxima at odd ones: only like is chained with like.
        for other in (first + 2..bounds.len()).step_by(2) {
            let other = &mut bounds[other];
            if !other.omit && other.value == value && other.is_negative() == negative {
                other.omit = true;
                text += other.name;
                text.push('=');
            }
        }
        text += &match bounds[first].signed {
            true => Signed(value as i64).to_string(),
            false => Unsigned(value).to_string(),
        };
        out.push(text);
    }
    let tnum = value.known_bits();
    if tnum.mask != u64::MAX {
        out.push(format!("var_off={tnum}"));
    }
}
