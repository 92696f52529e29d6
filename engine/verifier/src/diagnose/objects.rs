//! Help for what is wrong with objects that programs allocate, their lists and trees.

/// As [`super::hint::hint`] takes them: parts of messages, and what is missing.
pub(super) const OBJECTS: &[(&[&str], &str)] = &[
    (
        &[
            "mem access 'ptr_or_null_'",
            "mem access 'rcu_ptr_or_null_'",
            "mem access 'untrusted_ptr_or_null_'",
            "PTR_TO_BTF_ID register for type match",
        ],
        "there may be no object: compare the pointer with 0 (if (!ptr) return ..;) before it is used",
    ),
    (
        &["access beyond struct", "access beyond the end of member", "cannot access ptr member"],
        "objects are accessed by their members, each within itself; a pointer whole",
    ),
    (
        &["is ptr_"],
        "objects are accessed at offsets that are known: an element of an array in one by constant index, or unrolled",
    ),
    (
        &["direct access to"],
        "these fields are for functions only: bpf_spin_lock, bpf_kptr_xchg, bpf_list_push_front, bpf_rbtree_add and their \
         kin",
    ),
    (
        &["type ID argument must"],
        "bpf_obj_new takes a structure of the program's own BTF: bpf_core_type_id_local(struct ..)",
    ),
    (
        &["must be held for bpf_"],
        "a list or tree is used with the bpf_spin_lock beside it taken, of the same map value, object or data section",
    ),
    (
        &["operation on bpf_", "but expected bpf_"],
        "what a list or tree holds is said where it is declared, __contains(type, member): this is another type, or \
         another member",
    ),
    (&["not found at offset="], "the argument is to point to the member itself: &object->node, &value->head"),
    (
        &["expected pointer to map value or allocated object"],
        "heads of lists and roots of trees are in map values, data sections or objects that the program owns",
    ),
    (
        &["expected pointer to allocated object", "allocated object must be referenced"],
        "it is owned by what bpf_obj_new, a pop or a remove returned, checked for NULL; after it is put into a list or \
         tree, the program owns it no longer",
    ),
    (
        &["must be referenced or trusted", "release kernel function"],
        "only what the program owns can be given back: what bpf_obj_new, bpf_kptr_xchg, a pop or a remove returned, once",
    ),
    (
        &["non-owning or refcounted bpf_rb_node"],
        "a node in the tree is found under the lock (bpf_rbtree_first, ..), and valid until it is released",
    ),
    (&["in rbtree cb"], "the function that compares leaves lock and tree alone: it looks at the two nodes"),
    (
        &["bpf_refcount field", "owning or non-owning ref", "that is to be acquired"],
        "bpf_refcount_acquire is for pointers to the start of objects whose type has a struct bpf_refcount",
    ),
    (
        &["point to kptr", "no valid kptr", "isn't referenced kptr", "invalid kptr access"],
        "bpf_kptr_xchg is for members declared struct type __kptr *, and takes an object of that type",
    ),
    (
        &[
            "kptr cannot be accessed indirectly",
            "kptr access",
            "stored to kptr",
            "storing to kptr",
            "referenced kptr",
        ],
        "pointers to objects in map values are loaded whole, at their offset, and changed by bpf_kptr_xchg only",
    ),
    (
        &["only be accessed using BPF_MEM"],
        "pointers to objects in map values are loaded whole, at their offset, and changed by bpf_kptr_xchg only",
    ),
    (
        &["types of the kernel are not there"],
        "objects of the kernel's types come from kernel functions that the engine does not have",
    ),
    (
        &["objects of different types"],
        "keep the calls apart: the compiler merged two that are for different types",
    ),
    (
        &["ref_obj_id for allocated object must be non-zero"],
        "behind bpf_rcu_read_unlock nobody knows whether the object is still there: use it before",
    ),
    (
        &["untrusted pointers are not supported"],
        "nobody knows whether the object is still there: keep it by an owning __kptr",
    ),
    (
        &["expected pointer to func"],
        "the function that compares two nodes is a static function of the program",
    ),
    (&["local 'kptr' has no valid"], "there is no struct bpf_spin_lock in the object"),
];
