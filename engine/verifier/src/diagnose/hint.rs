/// What is missing, by what the message says. The first row that fits counts.
const HINTS: &[(&[&str], &str)] = &[
    (
        &["offset is outside of the packet", "invalid access to packet"],
        "compare the pointer plus the bytes accessed with data_end before the access, in the same function, and go \
         on only where it is not above: if (ptr + bytes > data_end) return ..;",
    ),
    (
        &["_or_null'", "_or_null expected=", "null-check it first"],
        "the pointer may be NULL here: compare it with 0 (if (!ptr) return ..;) before it is used",
    ),
    (
        &["invalid mem access 'scalar'"],
        "this is a number to the verifier, not a pointer: it was never one, or was one that a helper or arithmetic \
         made invalid; load the pointer again",
    ),
    (
        &[
            "unbounded memory access",
            "unbounded min value",
            "value is outside of the allowed memory range",
            "max value is outside",
        ],
        "bound the offset from above right before the access (if (i >= size) return ..; or i &= size - 1), and see to \
         it that the bounded value itself is used, not a copy of another width",
    ),
    (&["min value is negative"], "the offset may be negative: make it unsigned, or compare it with 0 first"),
    (
        &["invalid access to map value"],
        "the access reaches beyond the map's value: compare the offset with value_size",
    ),
    (&["invalid access to memory"], "the access reaches beyond the memory: compare the offset with its size"),
    (
        &["!read_ok"],
        "the register was never written on this path: initialise the variable; r1 to r5 are gone behind every call",
    ),
    (
        &[
            "invalid indirect read from stack",
            "invalid read from stack",
            "invalid indirect access to stack",
            "invalid write to stack",
        ],
        "the access is not within the 512 bytes of the function's stack, or reads bytes that were never written",
    ),
    (
        &["cannot overwrite referenced dynptr"],
        "the dynptr holds a record: call bpf_ringbuf_submit_dynptr or bpf_ringbuf_discard_dynptr before the variable is \
         used again",
    ),
    (
        &["Expected an initialized dynptr", "is an unacquired reference"],
        "the variable is no dynptr here: it was never made one, was overwritten, or was submitted or discarded before, \
         it or a clone of it",
    ),
    (
        &[
            "cannot pass in dynptr at an offset",
            "dynptr has to be at a constant offset",
            "uninitialized dynptr",
        ],
        "hand over the address of a struct bpf_dynptr variable, as it is",
    ),
    (&["potential write to dynptr"], "the memory the helper fills overlaps a dynptr: use another buffer"),
    (
        &["does not allow writes to packet data"],
        "programs of this type may only read packets: use bpf_dynptr_slice",
    ),
    (
        &["Unsupported reg type", "for bpf_dynptr_from_mem"],
        "bpf_dynptr_from_mem takes memory in a map value only",
    ),
    (&["must be a known constant"], "the size must be known before the run: a literal or sizeof"),
    (
        &["Unreleased reference", "reference leak", "would lead to reference leak"],
        "what was acquired must be released on every path: bpf_sk_release, bpf_ringbuf_submit or bpf_ringbuf_discard, \
         of dynptrs even where reserving failed",
    ),
    (&["misaligned"], "the access is not aligned to its size: use a smaller size, or memcpy"),
    (
        &["infinite loop detected", "back-edge"],
        "the loop changes nothing that ends it: count with a bounded counter, or use bpf_loop or bpf_for",
    ),
    (
        &["BPF program is too large", "jumps is too complex", "states of the program"],
        "too many paths: loop less often, split the program with tail calls or global functions, or use bpf_loop",
    ),
    (
        &["unreachable insn"],
        "no path leads there: the compiler left code behind, often after an endless loop or __builtin_unreachable",
    ),
    (&["cannot write into packet"], "programs of this type may only read packets"),
    (
        &["invalid bpf_context access"],
        "the field is not there for this program type, or not of that size or for writing",
    ),
    (
        &["cannot be accessed directly by load/store"],
        "the field is the kernel's own: hand its address to the helpers that are for it, and copy the fields beside it one \
         by one, not the whole value",
    ),
    (
        &["doesn't match map pointer in R2"],
        "hand bpf_timer_init the map that the timer's value was looked up in",
    ),
    (
        &["doesn't point to 'struct", "has to be at the constant offset"],
        "hand over the address of the field itself: &value->field",
    ),
    (
        &["has no valid bpf_timer", "has to have BTF in order to use bpf_timer"],
        "the values of that map have no timer: declare a struct bpf_timer in __type(value, ..) of a map of type array, hash \
         or lru_hash",
    ),
    (
        &["dereference of modified ctx ptr"],
        "access the context at constant offsets from the pointer the program was given",
    ),
    (
        &["combined stack size"],
        "the functions of a call chain have 512 bytes of stack together: move buffers to a map",
    ),
    (&["cannot use helper"], "the helper is not for programs of this type"),
    (
        &["non-GPL compatible program"],
        "declare a GPL compatible licence: char _license[] SEC(\"license\") = \"GPL\";",
    ),
    (
        &["pointer arithmetic", "math between", "bitwise operator", "tried to subtract pointer"],
        "only adding and subtracting bounded numbers is allowed on pointers, with 64-bit instructions",
    ),
    (&["last insn is not an exit"], "every function ends with a return"),
    (
        &["spin_lock-ed region", "while holding a lock", "Locking two"],
        "between bpf_spin_lock and bpf_spin_unlock there may be no call, no second lock and no return: unlock on every \
         path first",
    ),
    (
        &["has not been acquired", "must be referenced"],
        "release what was acquired, once, through a pointer that was not changed",
    ),
    (
        &["At async callback return the register R1"],
        "what a timer's callback throws nobody takes: return 0 instead of calling bpf_throw",
    ),
    (&["At async callback return"], "a timer's callback returns 0, on every path"),
    (
        &["At program exit the register R1"],
        "what is thrown is what the program returns: throw one of the values this program type allows, or name a \
         function that makes one of it: __exception_cb(function)",
    ),
    (
        &["cannot be called from callback subprog"],
        "nobody takes what a callback throws: let the callback return (1 ends bpf_loop and bpf_for_each_map_elem), and \
         throw behind the helper it was handed to",
    ),
    (&["should have been in ["], "return one of the values this program type allows, on every path"),
    (
        &["zero-terminated", "not point to a readonly map"],
        "the string must be constant (static const char) and end in 0",
    ),
    (
        &["map forbidden"],
        "the map is read-only (or write-only) for programs: data that changes belongs in .data or .bss",
    ),
    (&["too deep"], "eight functions may call each other; with tail calls more can follow one another"),
    (&["type=scalar expected="], "the helper wants a pointer here; a number was passed"),
    (&[" expected="], "the helper wants another kind of pointer here"),
];

/// What check is missing, for messages of a known family.
pub(super) fn hint(message: &str) -> Option<&'static str> {
    let fits = |(parts, _): &&(&[&str], &str)| parts.iter().any(|part| message.contains(part));
    HINTS.iter().find(fits).map(|(_, hint)| *hint)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_family_has_a_hint() {
        let hint = |message| super::hint(message).unwrap_or("none");
        assert!(hint("R0 invalid mem access 'map_value_or_null'").contains("may be NULL"));
        assert!(hint("R2 invalid mem access 'scalar'").contains("number"));
        let thrown = "At async callback return the register R1 has smin=1 smax=1 should have been in [0, 0]";
        assert!(hint(thrown).contains("bpf_throw") && !hint(thrown).contains("program type"));
        assert_eq!(hint("something new"), "none");
    }
}
