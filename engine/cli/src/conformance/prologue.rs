use anyhow::Context;
use bpfreplay_isa::{Insn, assemble};
use bpfreplay_uapi::SkbField;

/// What comes before a program that expects `len` bytes of memory at r1 and `len` in r2: it proves to the verifier that
/// the packet has these bytes. r6 is the skb, as legacy packet instructions want it; r3 is left as a pointer.
///
/// # Errors
///
/// For more bytes than a packet pointer can be proved to have before it (`MAX_PACKET_OFF`).
pub(super) fn prologue(len: usize) -> anyhow::Result<Vec<Insn>> {
    if len == 0 {
        return assembled("r6 = r1\nr1 = 0\nr2 = 0");
    }
    let len =
        u16::try_from(len).with_context(|| format!("memory of {len} bytes; the limit is {}", u16::MAX))?;
    let (data, data_end) = (SkbField::Data.offset(), SkbField::DataEnd.offset());
    assembled(&format!(
        "r6 = r1
         r2 = *(u32 *)(r1 + {data_end})
         r1 = *(u32 *)(r1 + {data})
         r3 = r1
         r3 += {len}
         if r3 <= r2 goto +2
         r0 = -1
         exit
         r2 = {len}"
    ))
}

fn assembled(code: &str) -> anyhow::Result<Vec<Insn>> {
    Ok(assemble(code, &())?.insns)
}
