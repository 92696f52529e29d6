//! Objects that programs allocate, in machine code: what the interpreter's tests do with every access checked.

mod support;

use std::sync::Arc;

use bpfreplay_program::{LocalType, MapSpec, SpecialField, SpecialKind};
use bpfreplay_runtime::objects::Objects;
use bpfreplay_runtime::{ExecutionContext, Map};
use bpfreplay_uapi::MapType;
use support::{Known, World, run};

/// `struct node { bpf_rb_node; u64 key; }`.
const NODE: u32 = 10;

#[test]
fn a_tree_is_in_the_programs_order() {
    let field = |off, kind| SpecialField { off, kind };
    let special = vec![field(0, SpecialKind::RbNode)];
    let node = LocalType { btf_id: NODE, name: "node".to_owned(), size: 40, special };
    let objects = Objects::new(&Arc::from([node]), 2).expect("memory");
    let mut spec = MapSpec::new("tree", MapType::Array, 4, 24, 1);
    spec.special = vec![
        field(0, SpecialKind::SpinLock),
        field(8, SpecialKind::RbRoot { value_type_id: NODE, node_off: 0 }),
    ];
    let mut world = World::new(vec![spec.clone()]);
    world.maps = vec![Map::create_for(&spec, 2, &objects).expect("a good spec")];
    let add = world.assemble("add", Known::Nothing, ADD);
    let add = world.jit.prepare_for(&add, &world.maps, &objects).expect("the JIT takes it");
    let take = world.assemble("take", Known::Nothing, TAKE);
    let take = world.jit.prepare_for(&take, &world.maps, &objects).expect("the JIT takes it");
    let mut exec = ExecutionContext::new(0);
    // The key is how many came before, times 7, modulo 10.
    for _ in 0..10 {
        assert_eq!(run(&*add, &mut exec), 0);
    }
    assert_eq!(objects.live(), 10);
    for key in 0..10 {
        assert_eq!(run(&*take, &mut exec), key);
    }
    assert_eq!((run(&*take, &mut exec), objects.live()), (u64::MAX, 0));
    for _ in 0..3 {
        assert_eq!(run(&*add, &mut exec), 0);
    }
    assert_eq!(objects.live(), 3);
    drop((add, take, world));
    assert_eq!(objects.live(), 0);
}

const ADD: &str = "
    r2 = r10
    r2 += -4
    *(u32 *)(r2 + 0) = 0
    r1 = map(tree) ll
    call bpf_map_lookup_elem
    if r0 == 0 goto out
    r9 = r0
    r1 = 40
    r2 = 1
    call bpf_obj_new_impl
    if r0 == 0 goto fail
    r6 = r0
    r7 = *(u32 *)(r9 + 4)
    r1 = r7
    r1 += 7
    *(u32 *)(r9 + 4) = r1
    r7 %= 10
    *(u64 *)(r6 + 32) = r7
    r1 = r9
    r1 += 8
    r2 = r6
    r3 = func(less) ll
    r4 = 1
    r5 = 0
    call bpf_rbtree_add_impl
out:
    exit
fail:
    r0 = -1
    exit
less:
    r0 = 0
    r1 = *(u64 *)(r1 + 32)
    r2 = *(u64 *)(r2 + 32)
    if r1 >= r2 goto +1
    r0 = 1
    exit
";

const TAKE: &str = "
    r2 = r10
    r2 += -4
    *(u32 *)(r2 + 0) = 0
    r1 = map(tree) ll
    call bpf_map_lookup_elem
    if r0 == 0 goto out
    r9 = r0
    r1 = r9
    r1 += 8
    call bpf_rbtree_first
    if r0 == 0 goto none
    r1 = r9
    r1 += 8
    r2 = r0
    call bpf_rbtree_remove
    if r0 == 0 goto none
    r7 = *(u64 *)(r0 + 32)
    r1 = r0
    r2 = 1
    call bpf_obj_drop_impl
    r0 = r7
out:
    exit
none:
    r0 = -1
    exit
";
