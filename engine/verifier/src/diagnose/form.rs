//! Help for what is wrong with the instructions themselves, not with what they do: compilers do not make these.

/// As [`super::hint::hint`] takes them: parts of messages, and what is missing.
pub(super) const FORM: &[(&[&str], &str)] = &[
    (
        &["uses reserved fields", "invalid may_goto imm"],
        "a field that this instruction has no use for must be 0 (RFC 9669, section 3): the encoder is wrong, or the bytes are \
         no program",
    ),
    (
        &["unknown opcode 8d"],
        "calls through a register (callx) are not BPF as Linux runs it: make the called function static and inline, or \
         switch over an index",
    ),
    (
        &["unknown opcode", "invalid atomic opcode", "invalid atomic operand size"],
        "there is no such instruction (RFC 9669): the bytes are no program, or one for a later instruction set",
    ),
    (
        &["R11 is invalid", "R12 is invalid", "R13 is invalid", "R14 is invalid", "R15 is invalid"],
        "there are r0 to r10",
    ),
    (
        &["ldimm64", "ld_imm64"],
        "ld_imm64 takes two slots, the second of which is no instruction: keep them together, and jump around them",
    ),
    (
        &["jump out of range"],
        "a jump leads to an instruction of the same function; between functions there are only calls",
    ),
    (&["call to invalid destination"], "a call leads to the first instruction of a function of the program"),
    (&["unreachable insn"], UNREACHABLE),
    (&["last insn is not an exit"], "every function ends with a return"),
    (
        &[
            "is not a function",
            "fd_array",
            "for kernel module function call",
            "not eliminated in verifier pass",
        ],
        "the call names a kernel function by a number that means nothing here: let the loader resolve it by name \
         (extern .. __ksym)",
    ),
    (
        &["kernel variables are not supported"],
        "there is no kernel whose variable (extern .. __ksym) could be read",
    ),
    (&["invalid func unknown"], "there is no helper of this number (linux/bpf.h, __BPF_FUNC_MAPPER)"),
    (&["div by zero"], "the divisor is the constant 0: what is divided by is 0 on every path"),
    (
        &["invalid shift"],
        "the width of the number is the limit: shift by 0 to 63, of 32-bit numbers by 0 to 31",
    ),
    (
        &["frame pointer is read only"],
        "r10 is where the stack ends and never changes: copy it to another register first",
    ),
    (
        &["missing btf func_info", "in subprogs without BTF"],
        "the function has no type information: compile with clang -g, and keep .BTF and .BTF.ext in the object",
    ),
];

const UNREACHABLE: &str = "no path leads there: the compiler left code behind, often after an endless loop or \
                           __builtin_unreachable";
