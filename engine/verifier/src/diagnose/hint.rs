use super::form::FORM;
use super::objects::OBJECTS;

/// What is missing, by what the message says. The first row that fits counts.
const HINTS: &[(&[&str], &str)] = &[
    (
        &["dynptr_ptr'"],
        "a struct bpf_dynptr is not for the program to look at: bpf_dynptr_read copies out what it is of, bpf_dynptr_data \
         and bpf_dynptr_slice point to it",
    ),
    (
        &["mem access 'pkt_end'"],
        "data_end is where the packet ends: there is nothing to access, only to compare with",
    ),
    (
        &["mem access 'func'"],
        "the address of a function can be handed to a helper that calls it, and nothing else",
    ),
    (
        &["fields of struct"],
        "the engine has no kernel structures: use the helpers that give out what is in them",
    ),
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
        &[
            "pointer arithmetic",
            "math between",
            "bitwise operator",
            "tried to subtract pointer",
            "pointer += pointer",
            "subtraction from stack pointer",
        ],
        "only adding and subtracting bounded numbers is allowed on pointers, with 64-bit instructions",
    ),
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
    (
        &["At callback return"],
        "the helper calls the function again and again: return 0 to go on, 1 to stop, on every path",
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
    (
        &["rcu_read_lock-ed region"],
        "call bpf_rcu_read_unlock first, on every path: a tail call, a packet load, an exception and the end of the program \
         would leave the region open",
    ),
    (
        &["preempt_disable-ed region"],
        "call bpf_preempt_enable as often as bpf_preempt_disable first, on every path: a tail call, a packet load, an \
         exception and the end of the program would leave preemption disabled",
    ),
    (&["nested rcu read lock"], "the region is entered already: leave it before it is entered again"),
    (
        &["unmatched rcu read unlock", "unmatched attempt to enable preemption"],
        "on some path here it was never entered, or left before: enter and leave it in pairs on every path",
    ),
    (
        &["bpf_spin_unlock without"],
        "on some path here no lock is taken: lock and unlock in pairs on every path",
    ),
    (
        &["bpf_spin_unlock of different lock"],
        "unlock through the pointer that was locked through: each lookup gives a value that may be another",
    ),
    (
        &["progs cannot use bpf_spin_lock", "progs cannot use bpf_timer"],
        "programs of this type could be interrupted while they hold it: use atomic operations, or another program type",
    ),
    (
        &["has to have BTF in order to use bpf_spin_lock", "has no valid bpf_spin_lock"],
        "the values of that map have no lock: declare a struct bpf_spin_lock in __type(value, ..) of the map, and compile \
         with clang -g",
    ),
    (
        &["BPF_ATOMIC stores into"],
        "atomic operations are for map values, the stack and memory of ring buffers: copy the bytes there",
    ),
    (
        &["cannot write into map_key", "write to change key"],
        "a key stays what it is: delete the element and insert another",
    ),
    (
        &["cannot write into rdonly_mem"],
        "the memory is lent to be read: copy it; for a packet use bpf_dynptr_slice_rdwr or bpf_dynptr_write",
    ),
    (
        &[
            "cannot write into sock",
            "cannot write into tcp_sock",
            "cannot write into xdp_sock",
            "only read is supported",
        ],
        "sockets are the kernel's and only read",
    ),
    (
        &["sock access off=", "sock_common access off="],
        "the field is not there for this sort of socket, or not of that size: bpf_sk_fullsock and bpf_tcp_sock give more \
         than the context's sk",
    ),
    (
        &["invalid negative access", "only read from bpf_"],
        "a pointer to a map is for helpers; look up a value to change it",
    ),
    (
        &["no direct value access support"],
        "only the value of an array with one entry has an address of its own (.data, .bss, .rodata): look the value up",
    ),
    (
        &["expected prog array map for tail call"],
        "bpf_tail_call goes through a map of type BPF_MAP_TYPE_PROG_ARRAY",
    ),
    (
        &["into func bpf_map_lookup_elem", "into func bpf_map_update_elem", "into func bpf_map_delete_elem"],
        "programs do not use maps of this type like that: queues, stacks and bloom filters have push, pop and peek, arrays \
         of programs bpf_tail_call, rings and event arrays their own helpers; the outer of maps of maps is for user space",
    ),
    (&["cannot pass map_type"], "the helper is for maps of other types"),
    (
        &["callback function not allowed for map"],
        "only arrays and hashes, per-CPU and LRU ones too, can be gone through",
    ),
    (
        &["invalid zero-sized read"],
        "the size may be 0 here: go on only where it is not (if (!size) return ..;); a key or value of no size is none to \
         hand over",
    ),
    (
        &["is not a known constant'", "is not a constant address'"],
        "it must be known before the run: a literal, sizeof, or a constant in .rodata",
    ),
    (
        &["invalid size of register spill", "invalid size of register fill"],
        "a pointer is stored and loaded whole, eight bytes",
    ),
    (
        &[
            "stack pointers to",
            "spill pointers to stack into stack frame",
            "return stack pointer to the caller",
        ],
        "the callee's stack is gone when it returns: let the caller hand over the buffer",
    ),
    (
        &["unbounded variable-offset", "invalid variable-offset", "variable offset stack pointer"],
        "bound the index into the array on the stack right before the access, so that the access stays inside whatever it is; \
         atomics and helpers take constant offsets of the stack only",
    ),
    (
        &["variable ctx access", "negative offset ctx ptr"],
        "access the context at constant offsets from the pointer the program was given",
    ),
    (
        &["same insn cannot be used with different pointers"],
        "on one path this is one kind of memory and on another path another: access each in a branch of its own",
    ),
    (
        &["negative offset ", "dereference of modified ", "disallowed", "must have zero offset"],
        "hand over the pointer as it was got, without anything added",
    ),
    (
        &["BPF_LD_[ABS|IND] instructions not allowed"],
        "load_byte and its kin are for socket filters and tc: use direct packet access or bpf_skb_load_bytes",
    ),
    (&["R6 != pointer to skb"], "load_byte and its kin take the context in r6: copy it there first"),
    (
        &["cannot use BPF_LD_[ABS|IND] within callback"],
        "a load that fails would end the program inside the helper: use bpf_skb_load_bytes in callbacks",
    ),
    (
        &["tail_call is only allowed in functions that return 'int'"],
        "where a function makes a tail call its caller gets an int: let the function return int",
    ),
    (
        &["tail_calls are not allowed when call stack"],
        "a function with a tail call may be called above not more than 256 bytes of stack: move buffers to a map, or make the \
         tail call in the program's entry",
    ),
    (
        &["doesn't return scalar"],
        "global functions return an integer: return what there is to know through memory, or make the function static",
    ),
    (
        &["expects pointer to ctx", "expected pointer to ctx"],
        "hand over the context as the program was given it",
    ),
    (
        &["cannot call exception cb directly"],
        "the exception callback is run by bpf_throw alone: call another function",
    ),
    (&["must have global linkage"], "declare the exception callback without static"),
    (
        &["expected an initialized iter_num", "expected uninitialized iter_num"],
        "bpf_iter_num_new makes an iterator of a fresh variable, next and destroy are for that variable, and destroy is the \
         last: use bpf_for(i, start, end)",
    ),
    (
        &["expected pointer to an iterator on stack", "cannot pass in iter"],
        "hand over the address of a struct bpf_iter_num variable",
    ),
    (
        &["expected pointer to stack or const struct bpf_dynptr", "Possibly NULL pointer passed"],
        "hand over what the function takes: the program's context, or the address of a struct bpf_dynptr variable",
    ),
    (
        &["cannot release unowned const bpf_dynptr"],
        "the dynptr belongs to whoever handed it over, who also releases it",
    ),
    (
        &["helper access to the packet is not allowed"],
        "this helper does not read packets: copy the bytes to the stack first, with bpf_skb_load_bytes or by hand",
    ),
    (&["get_local_storage() doesn't support non-zero flags"], "hand over 0 as flags"),
    (&["the arguments of bpf_snprintf"], "the values are an array of __u64, and their size is that array's"),
    (
        &["is not a scalar", "not a scalar value", "is not a known value"],
        "a number is wanted here; this is a pointer, or was never set on some path",
    ),
    (&["type=scalar expected="], "the helper wants a pointer here; a number was passed"),
    (
        &["pointer offset"],
        "a pointer moves by less than 2^29, and so far apart may numbers be that one is made from the other: start from a \
         number that is small",
    ),
    (&["expected=scalar"], "the helper wants a number here; a pointer was passed"),
    (&[" expected="], "the helper wants another kind of pointer here"),
];

/// What check is missing, for messages of a known family.
pub(super) fn hint(message: &str) -> Option<&'static str> {
    let fits = |(parts, _): &&(&[&str], &str)| parts.iter().any(|part| message.contains(part));
    FORM.iter().chain(OBJECTS).chain(HINTS).find(fits).map(|(_, hint)| *hint)
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
