use bpfreplay_isa::Insn;
use sha2::{Digest, Sha256};

/// Bytes of a tag (`BPF_TAG_SIZE`).
const TAG_SIZE: usize = 8;

/// The tag the kernel (6.18) gives a program: the hash of its instructions as they are loaded, without the numbers of
/// maps (linux: bpf_prog_calc_tag()).
pub(super) fn tag(insns: &[Insn]) -> String {
    let mut hash = Sha256::new();
    let mut map = false;
    for &insn in insns {
        let first = insn.is_wide() && matches!(insn.src(), 1 | 2);
        let imm = if first || map { 0 } else { insn.imm };
        hash.update(Insn { imm, ..insn }.to_le_bytes());
        map = first;
    }
    hash.finalize().iter().take(TAG_SIZE).map(|byte| format!("{byte:02x}")).collect()
}
