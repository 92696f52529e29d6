use bpfreplay_isa::{Insn, assemble, encode};

/// Any bytes as instructions: what decodes encodes to the same bytes, and its text assembles to the same instruction.
///
/// # Panics
///
/// If it does not.
pub fn decode(bytes: &[u8]) {
    let insns: Vec<Insn> = bytes.as_chunks::<8>().0.iter().copied().map(Insn::from_le_bytes).collect();
    for pc in 0..insns.len() {
        let Ok(instruction) = bpfreplay_isa::decode(&insns, pc) else { continue };
        let (first, second) = encode(instruction);
        assert_eq!(first, insns[pc], "{instruction}");
        if let Some(second) = second {
            assert_eq!(second, insns[pc + 1], "{instruction}");
        }
        let text = instruction.to_string();
        let again = assemble(&text, &()).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(again.insns[0], first, "{text}");
    }
}
