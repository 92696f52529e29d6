use std::fmt::{self, Display, Formatter};

use crate::insn::{Class, Insn};
use crate::ops::{AluOp, AtomicOp, JmpOp, Size};

/// One instruction as the kernel's log and bpftool write it: `(61) r2 = *(u32 *)(r1 +76)`.
///
/// It is a text of slots, not of decoded instructions: what the verifier is about to refuse must be printable, so
/// slots that say nothing valid come out as `BUG_..`, as they do there (linux: kernel/bpf/disasm.c).
#[derive(Clone, Copy)]
pub struct KernelText<'a> {
    insn: Insn,
    /// The high half of a wide instruction.
    high: i32,
    names: &'a dyn Names,
}

/// What things outside the instructions are called; numbers stand for what has no name.
pub trait Names {
    /// A helper function, such as `bpf_map_lookup_elem`.
    fn helper(&self, id: u32) -> Option<String>;

    /// A kernel function, by the BTF id in the call.
    fn kfunc(&self, btf_id: i32) -> Option<String>;

    /// What stands behind `pc` for a call of a function `off` slots behind the next slot: by default `+off`.
    fn local(&self, off: i32) -> String {
        format!("{off:+}")
    }

    /// What a `ld_imm64` with this source field loads; `None`: its 64 bits.
    fn imm64(&self, src: u8, imm: u64) -> Option<String>;
}

impl<'a> KernelText<'a> {
    /// The instruction at `pc`, which is below `insns.len()`.
    #[must_use]
    pub fn new(insns: &[Insn], pc: usize, names: &'a dyn Names) -> KernelText<'a> {
        let high = insns.get(pc + 1).map_or(0, |insn| insn.imm);
        KernelText { insn: insns[pc], high, names }
    }
}

impl fmt::Debug for KernelText<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

impl Display for KernelText<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let insn = self.insn;
        match insn.class() {
            Class::Alu | Class::Alu64 => alu(f, insn),
            Class::Stx => stx(f, insn),
            Class::St if mode(insn) == MEM => {
                write!(
                    f,
                    "({:02x}) *({} *)({}) = {}",
                    insn.opcode,
                    size(insn),
                    address(insn.dst(), insn),
                    insn.imm
                )
            }
            Class::St => write!(f, "BUG_st_{:02x}", insn.opcode),
            Class::Ldx => ldx(f, insn),
            Class::Ld => self.ld(f),
            Class::Jmp | Class::Jmp32 => self.jump(f),
        }
    }
}

const MEM: u8 = 0x60;
const MEMSX: u8 = 0x80;
const ATOMIC: u8 = 0xc0;
const SOURCE_X: u8 = 0x08;

const fn mode(insn: Insn) -> u8 {
    insn.opcode & 0xe0
}

fn width(insn: Insn) -> Size {
    match insn.opcode & 0x18 {
        0x00 => Size::W,
        0x08 => Size::H,
        0x10 => Size::B,
        _ => Size::Dw,
    }
}

/// `u32`
fn size(insn: Insn) -> String {
    format!("u{}", width(insn).bits())
}

/// `r1 +76`
fn address(base: u8, insn: Insn) -> String {
    format!("r{base} {:+}", insn.off)
}

/// `w` or `r`: 32-bit classes name halves.
const fn register(insn: Insn) -> char {
    match insn.class() {
        Class::Alu | Class::Jmp32 => 'w',
        Class::Alu64 | Class::Jmp | Class::Ld | Class::Ldx | Class::St | Class::Stx => 'r',
    }
}

fn alu(f: &mut Formatter<'_>, insn: Insn) -> fmt::Result {
    let (opcode, dst, r) = (insn.opcode, insn.dst(), register(insn));
    match opcode & 0xf0 {
        0xd0 => {
            let name = match (insn.class() == Class::Alu64, opcode & SOURCE_X != 0) {
                (true, _) => "bswap",
                (false, true) => "be",
                (false, false) => "le",
            };
            return write!(f, "({opcode:02x}) r{dst} = {name}{} r{dst}", insn.imm);
        }
        0x80 => return write!(f, "({opcode:02x}) {r}{dst} = -{r}{dst}"),
        _ => {}
    }
    let sign_extended = match (opcode & 0xf8, insn.off) {
        (0xb8, 8 | 16 | 32) => Some(insn.off),
        _ => None,
    };
    // Offset 1 is the signed division; the offset of a mov with sign extension is not the operation's.
    let signed = matches!(opcode & 0xf0, 0x30 | 0x90) && insn.off == 1;
    let op = AluOp::from_code(opcode & 0xf0, i16::from(signed)).map_or("", AluOp::text);
    write!(f, "({opcode:02x}) {r}{dst} {op} ")?;
    if let Some(bits) = sign_extended {
        write!(f, "(s{bits})")?;
    }
    match opcode & SOURCE_X {
        0 => write!(f, "{}", insn.imm),
        _ => write!(f, "{r}{}", insn.src()),
    }
}

fn stx(f: &mut Formatter<'_>, insn: Insn) -> fmt::Result {
    let (opcode, src) = (insn.opcode, insn.src());
    let (size, at) = (size(insn), address(insn.dst(), insn));
    match mode(insn) {
        MEM => return write!(f, "({opcode:02x}) *({size} *)({at}) = r{src}"),
        ATOMIC => {}
        _ => return write!(f, "BUG_{opcode:02x}"),
    }
    let bits = if width(insn) == Size::Dw { "64" } else { "" };
    match insn.imm {
        0x100 => {
            return write!(
                f,
                "({opcode:02x}) r{} = load_acquire(({size} *)({}))",
                insn.dst(),
                address(src, insn)
            );
        }
        0x110 => return write!(f, "({opcode:02x}) store_release(({size} *)({at}), r{src})"),
        _ => {}
    }
    let Some(op) = AtomicOp::from_code(insn.imm) else { return write!(f, "BUG_{opcode:02x}") };
    let fetch = |f: &mut Formatter<'_>, name: &str| {
        write!(f, "({opcode:02x}) r{src} = atomic{bits}_{name}(({size} *)({at}), r{src})")
    };
    match op {
        AtomicOp::Add => write!(f, "({opcode:02x}) lock *({size} *)({at}) += r{src}"),
        AtomicOp::Or => write!(f, "({opcode:02x}) lock *({size} *)({at}) |= r{src}"),
        AtomicOp::And => write!(f, "({opcode:02x}) lock *({size} *)({at}) &= r{src}"),
        AtomicOp::Xor => write!(f, "({opcode:02x}) lock *({size} *)({at}) ^= r{src}"),
        AtomicOp::FetchAdd => fetch(f, "fetch_add"),
        AtomicOp::FetchOr => fetch(f, "fetch_or"),
        AtomicOp::FetchAnd => fetch(f, "fetch_and"),
        AtomicOp::FetchXor => fetch(f, "fetch_xor"),
        AtomicOp::Xchg => fetch(f, "xchg"),
        AtomicOp::Cmpxchg => {
            write!(f, "({opcode:02x}) r0 = atomic{bits}_cmpxchg(({size} *)({at}), r0, r{src})")
        }
    }
}

fn ldx(f: &mut Formatter<'_>, insn: Insn) -> fmt::Result {
    let sign = match mode(insn) {
        MEM => 'u',
        MEMSX => 's',
        _ => return write!(f, "BUG_ldx_{:02x}", insn.opcode),
    };
    let (bits, at) = (width(insn).bits(), address(insn.src(), insn));
    write!(f, "({:02x}) r{} = *({sign}{bits} *)({at})", insn.opcode, insn.dst())
}

impl KernelText<'_> {
    fn ld(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let insn = self.insn;
        let opcode = insn.opcode;
        match mode(insn) {
            0x20 => write!(f, "({opcode:02x}) r0 = *({} *)skb[{}]", size(insn), insn.imm),
            0x40 => write!(f, "({opcode:02x}) r0 = *({} *)skb[r{} + {}]", size(insn), insn.src(), insn.imm),
            _ if insn.is_wide() => {
                let imm = u64::from(self.high as u32) << 32 | u64::from(insn.imm as u32);
                write!(f, "({opcode:02x}) r{} = ", insn.dst())?;
                match self.names.imm64(insn.src(), imm) {
                    Some(name) => f.write_str(&name),
                    None => write!(f, "{imm:#x}"),
                }
            }
            _ => write!(f, "BUG_ld_{opcode:02x}"),
        }
    }

    fn jump(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let insn = self.insn;
        let (opcode, r) = (insn.opcode, register(insn));
        match (opcode & 0xf0, opcode) {
            (0x80, _) => return self.call(f),
            (_, 0x05) => return write!(f, "({opcode:02x}) goto pc{:+}", insn.off),
            (_, 0xe5) if insn.src() == 0 => return write!(f, "({opcode:02x}) may_goto pc{:+}", insn.off),
            (_, 0x06) => return write!(f, "({opcode:02x}) gotol pc{:+}", insn.imm),
            (_, 0x95) => return write!(f, "({opcode:02x}) exit"),
            _ => {}
        }
        let op = JmpOp::from_code(opcode & 0xf0).map_or("", JmpOp::text);
        write!(f, "({opcode:02x}) if {r}{} {op} ", insn.dst())?;
        match opcode & SOURCE_X {
            0 => write!(f, "{:#x}", insn.imm)?,
            _ => write!(f, "{r}{}", insn.src())?,
        }
        write!(f, " goto pc{:+}", insn.off)
    }

    fn call(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Insn { opcode, imm, .. } = self.insn;
        let name = match self.insn.src() {
            0 => self.names.helper(imm as u32),
            1 => return write!(f, "({opcode:02x}) call pc{}", self.names.local(imm)),
            2 => Some(self.names.kfunc(imm).unwrap_or_else(|| "kernel-function".to_owned())),
            _ => None,
        };
        write!(f, "({opcode:02x}) call {}#{imm}", name.as_deref().unwrap_or("unknown"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assemble;

    struct Numbers;

    impl Names for Numbers {
        fn helper(&self, id: u32) -> Option<String> {
            (id == 1).then(|| "bpf_map_lookup_elem".to_owned())
        }

        fn kfunc(&self, _: i32) -> Option<String> {
            None
        }

        fn imm64(&self, _: u8, _: u64) -> Option<String> {
            None
        }
    }

    /// Texts as kernel 6.18 printed them for these instructions.
    #[test]
    fn the_kernels_texts() {
        for (code, text) in [
            ("r2 = *(u32 *)(r1 + 76)", "(61) r2 = *(u32 *)(r1 +76)"),
            ("r2 = *(s16 *)(r1 - 2)", "(89) r2 = *(s16 *)(r1 -2)"),
            ("*(u8 *)(r10 - 1) = 5", "(72) *(u8 *)(r10 -1) = 5"),
            ("*(u64 *)(r10 - 8) = r1", "(7b) *(u64 *)(r10 -8) = r1"),
            ("w1 += w2", "(0c) w1 += w2"),
            ("r1 s/= r2", "(3f) r1 s/= r2"),
            ("r1 = -1", "(b7) r1 = -1"),
            ("r1 = (s8)r2", "(bf) r1 = (s8)r2"),
            ("r1 = be16 r1", "(dc) r1 = be16 r1"),
            ("r1 = bswap64 r1", "(d7) r1 = bswap64 r1"),
            ("r1 = -r1", "(87) r1 = -r1"),
            ("r1 s>>= 3", "(c7) r1 s>>= 3"),
            ("lock *(u64 *)(r1 + 8) += r2", "(db) lock *(u64 *)(r1 +8) += r2"),
            ("if r1 s> -1 goto +0", "(65) if r1 s> 0xffffffff goto pc+0"),
            ("if w1 & 4 goto +0", "(46) if w1 & 0x4 goto pc+0"),
            ("call 1", "(85) call bpf_map_lookup_elem#1"),
            ("call 2", "(85) call unknown#2"),
            ("goto +0", "(05) goto pc+0"),
            ("exit", "(95) exit"),
            ("r1 = 0x100000001 ll", "(18) r1 = 0x100000001"),
        ] {
            let insns = assemble(&format!("{code}\nexit"), &()).expect(code).insns;
            assert_eq!(KernelText::new(&insns, 0, &Numbers).to_string(), text);
        }
    }

    /// Every opcode with every offset of interest prints something, on one line.
    #[test]
    fn anything_prints() {
        for opcode in 0..=u8::MAX {
            for imm in [0, 1, -1, 0x100, 0x110, 0xf1] {
                let text = KernelText::new(&[Insn::new(opcode, 15, 15, 8, imm)], 0, &Numbers).to_string();
                assert!(!text.is_empty() && !text.contains('\n'));
            }
        }
    }
}
