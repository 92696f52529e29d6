//! Objects that programs allocate: what they may touch of them, and what becomes of them.

use std::sync::Arc;

use bpfreplay_program::{KptrKind, LocalType, MapSpec, SpecialField, SpecialKind};
use bpfreplay_runtime::objects::Objects;
use bpfreplay_runtime::{Fault, FaultKind};
use bpfreplay_uapi::{Errno, MapType};

use super::{CPUS, Maps, run_in};

/// `struct node { bpf_list_node; bpf_rb_node; bpf_refcount; u64 key; }`, type 1, and a key alone, type 0.
const NODE: u32 = 10;
/// `struct item { bpf_list_node; u64 key; }`, type 2.
const ITEM: u32 = 11;

/// `new(r6)` in the text: a node in r6.
const NEW: &str = "r1 = 72\nr2 = 1\ncall bpf_obj_new_impl\nif r0 == 0 goto out\nr6 = r0\n";
/// The map's value in r9.
const VALUE: &str = "r2 = r10\nr2 += -4\n*(u32 *)(r2 + 0) = 0\nr1 = map(graph) ll\ncall bpf_map_lookup_elem\n\
                     if r0 == 0 goto out\nr9 = r0\n";
const DROP: &str = "r1 = r6\nr2 = 1\ncall bpf_obj_drop_impl\n";
const PUSH_BACK: &str = "r1 = r9\nr1 += 8\nr2 = r6\nr3 = 1\nr4 = 0\ncall bpf_list_push_back_impl\n";
const POP_FRONT: &str = "r1 = r9\nr1 += 8\ncall bpf_list_pop_front\n";
const ADD: &str = "r1 = r9\nr1 += 24\nr2 = r6\nr2 += 24\nr3 = func(less) ll\nr4 = 1\nr5 = 24\n\
                   call bpf_rbtree_add_impl\n";
const FIRST: &str = "r1 = r9\nr1 += 24\ncall bpf_rbtree_first\n";
/// What r6 is goes into the value; what was there comes out.
const XCHG: &str = "r1 = r9\nr1 += 56\nr2 = r6\ncall bpf_kptr_xchg\n";
const LESS: &str =
    "\nless: r0 = 0\nr1 = *(u64 *)(r1 + 40)\nr2 = *(u64 *)(r2 + 40)\nif r1 >= r2 goto +1\nr0 = 1\nexit";

fn maps() -> (Maps, Arc<Objects>) {
    let field = |off, kind| SpecialField { off, kind };
    let node = LocalType {
        btf_id: NODE,
        name: "node".to_owned(),
        size: 72,
        special: vec![
            field(0, SpecialKind::ListNode),
            field(24, SpecialKind::RbNode),
            field(56, SpecialKind::Refcount),
        ],
    };
    let item = LocalType {
        btf_id: ITEM,
        name: "item".to_owned(),
        size: 32,
        special: vec![field(0, SpecialKind::ListNode)],
    };
    let objects = Objects::new(&Arc::from([node, item]), CPUS).unwrap();
    let mut spec = MapSpec::new("graph", MapType::Array, 4, 64, 1);
    spec.special = vec![
        field(0, SpecialKind::SpinLock),
        field(8, SpecialKind::ListHead { value_type_id: NODE, node_off: 0 }),
        field(24, SpecialKind::RbRoot { value_type_id: NODE, node_off: 24 }),
        field(40, SpecialKind::ListHead { value_type_id: ITEM, node_off: 0 }),
        field(56, SpecialKind::Kptr { kind: KptrKind::Ref, type_id: NODE }),
    ];
    let mut maps = Maps { objects: Some(Arc::clone(&objects)), ..Maps::default() };
    maps.add(&spec);
    (maps, objects)
}

fn kind(outcome: Result<u64, Fault>) -> FaultKind {
    outcome.unwrap_err().kind
}

#[test]
fn an_object_is_memory_until_it_is_dropped() {
    let (maps, objects) = maps();
    let source = format!("{NEW}*(u64 *)(r6 + 64) = 7\nr7 = *(u64 *)(r6 + 64)\n{DROP}r0 = r7\nout: exit");
    assert_eq!(run_in(&maps, &source), Ok(7));
    assert_eq!(objects.live(), 0);
    // One whose type has no special fields has no number.
    let plain = "r1 = 16\nr2 = 0\ncall bpf_obj_new_impl\nif r0 == 0 goto out\nr6 = r0\nr7 = *(u64 *)(r6 + 8)\n\
                 lock *(u64 *)(r6 + 8) += r10\nr1 = r6\nr2 = 0\ncall bpf_obj_drop_impl\nr0 = r7\nout: exit";
    assert_eq!(run_in(&maps, plain), Ok(0));
    assert_eq!(objects.live(), 0);
}

#[test]
fn what_is_no_live_object_is_a_fault() {
    let (maps, _) = maps();
    let cases = [
        ("r0 = *(u64 *)(r6 + 72)", "behind it"),
        ("r0 = *(u64 *)(r6 + 68)", "over its end"),
        ("r0 = *(u64 *)(r6 - 8)", "before it"),
        ("*(u64 *)(r6 + 8) = 0", "a node is not written"),
        ("r0 = *(u32 *)(r6 + 56)", "a count is not read"),
    ];
    for (access, what) in cases {
        let outcome = run_in(&maps, &format!("{NEW}{access}\nout: exit"));
        assert!(matches!(kind(outcome), FaultKind::OutOfBounds { .. }), "{what}: {outcome:?}");
    }
    let outcome = run_in(&maps, &format!("{NEW}{DROP}r0 = *(u64 *)(r6 + 64)\nout: exit"));
    assert!(matches!(kind(outcome), FaultKind::OutOfBounds { .. }), "{outcome:?}");
}

#[test]
fn what_functions_are_handed_is_checked() {
    let (maps, _) = maps();
    let cases = [
        (format!("{NEW}{DROP}{DROP}"), 1, "dropped twice"),
        (format!("{NEW}r1 = r6\nr2 = 2\ncall bpf_obj_drop_impl\n"), 1, "of another type"),
        (format!("{NEW}r6 += 8\n{DROP}"), 1, "not its beginning"),
        ("r1 = 16\nr2 = 1\ncall bpf_obj_new_impl\n".to_owned(), 1, "of another size"),
        ("r1 = 16\nr2 = 3\ncall bpf_obj_new_impl\n".to_owned(), 1, "of no type"),
        (format!("{NEW}{VALUE}r9 += 8\n{PUSH_BACK}"), 1, "a tree is no list"),
        (format!("{NEW}{VALUE}r9 += 32\n{PUSH_BACK}"), 2, "a list of other objects"),
        (format!("{NEW}{VALUE}r6 += 24\n{PUSH_BACK}"), 2, "another node"),
        (format!("{VALUE}r9 += 8\n{FIRST}"), 1, "a list is no tree"),
        (
            "r1 = 32\nr2 = 2\ncall bpf_obj_new_impl\nif r0 == 0 goto out\nr1 = r0\nr2 = 2\n\
          call bpf_refcount_acquire_impl\n"
                .to_owned(),
            1,
            "not counted",
        ),
    ];
    for (source, argument, what) in cases {
        let outcome = run_in(&maps, &format!("{source}r0 = 0\nout: exit"));
        assert_eq!(kind(outcome), FaultKind::BadArgument(argument), "{what}");
    }
}

#[test]
fn a_list_gives_back_what_it_was_given_in_order() {
    let (maps, objects) = maps();
    let push = |key| format!("{NEW}*(u64 *)(r6 + 64) = {key}\n{PUSH_BACK}if r0 != 0 goto out\n");
    let source = format!("{VALUE}{}{}{}r0 = 0\nout: exit", push(1), push(2), push(3));
    assert_eq!(run_in(&maps, &source), Ok(0));
    assert_eq!(objects.live(), 3);
    for key in 1..=3 {
        let pop = format!(
            "{VALUE}{POP_FRONT}if r0 == 0 goto out\nr6 = r0\nr7 = *(u64 *)(r6 + 64)\n{DROP}r0 = r7\nout: exit"
        );
        assert_eq!(run_in(&maps, &pop), Ok(key));
    }
    assert_eq!(run_in(&maps, &format!("{VALUE}{POP_FRONT}out: exit")), Ok(0));
    assert_eq!(objects.live(), 0);
}

#[test]
fn a_tree_is_in_the_programs_order() {
    let (maps, objects) = maps();
    for key in [5, 2, 8, 1, 9, 3] {
        let add = format!("{VALUE}{NEW}*(u64 *)(r6 + 64) = {key}\n{ADD}out: exit{LESS}");
        assert_eq!(run_in(&maps, &add), Ok(0));
    }
    for key in [1, 2, 3, 5, 8, 9] {
        let take = format!(
            "{VALUE}{FIRST}if r0 == 0 goto out\nr1 = r9\nr1 += 24\nr2 = r0\ncall bpf_rbtree_remove\n\
             if r0 == 0 goto out\nr6 = r0\nr6 += -24\nr7 = *(u64 *)(r6 + 64)\n{DROP}r0 = r7\nout: exit"
        );
        assert_eq!(run_in(&maps, &take), Ok(key));
    }
    assert_eq!(run_in(&maps, &format!("{VALUE}{FIRST}out: exit")), Ok(0));
    assert_eq!(objects.live(), 0);
}

#[test]
fn a_counted_object_is_in_list_and_tree_and_goes_with_the_last() {
    let (maps, objects) = maps();
    let acquire = "r1 = r6\nr2 = 1\ncall bpf_refcount_acquire_impl\nif r0 != r6 goto out\n";
    let both = format!("{VALUE}{NEW}*(u64 *)(r6 + 64) = 4\n{acquire}{PUSH_BACK}{ADD}out: exit{LESS}");
    assert_eq!(run_in(&maps, &both), Ok(0));
    assert_eq!(objects.live(), 1);
    let pop = format!("{VALUE}{POP_FRONT}if r0 == 0 goto out\nr6 = r0\n{DROP}r0 = 1\nout: exit");
    assert_eq!(run_in(&maps, &pop), Ok(1));
    assert_eq!(objects.live(), 1);
    let key = format!("{VALUE}{FIRST}if r0 == 0 goto out\nr0 = *(u64 *)(r0 + 40)\nout: exit");
    assert_eq!(run_in(&maps, &key), Ok(4));
    drop(maps);
    assert_eq!(objects.live(), 0);
}

#[test]
fn what_is_in_a_list_already_is_dropped() {
    let (maps, objects) = maps();
    let acquire = "r1 = r6\nr2 = 1\ncall bpf_refcount_acquire_impl\n";
    let twice = format!("{VALUE}{NEW}{acquire}{PUSH_BACK}{PUSH_BACK}out: exit");
    assert_eq!(run_in(&maps, &twice), Ok(u64::from(Errno::EINVAL.as_ret() as u32)));
    assert_eq!(objects.live(), 1);
    let pop = format!("{VALUE}{POP_FRONT}if r0 == 0 goto out\nr6 = r0\n{DROP}r0 = 1\nout: exit");
    assert_eq!(run_in(&maps, &pop), Ok(1));
    assert_eq!(objects.live(), 0);
}

#[test]
fn what_a_value_owns_goes_with_the_value() {
    let (maps, objects) = maps();
    let fill = format!("{VALUE}{NEW}{PUSH_BACK}{NEW}{PUSH_BACK}{NEW}{ADD}out: exit{LESS}");
    assert_eq!(run_in(&maps, &fill), Ok(0));
    assert_eq!(objects.live(), 3);
    assert_eq!(maps.get("graph").lookup(&[0; 4]).unwrap(), [0; 64]);
    maps.get("graph").update(&[0; 4], &[0xff; 64], 0).unwrap();
    assert_eq!(objects.live(), 0);
    assert_eq!(run_in(&maps, &fill), Ok(0));
    assert_eq!(objects.live(), 3);
    drop(maps);
    assert_eq!(objects.live(), 0);
}

#[test]
fn a_value_keeps_an_object_for_another_run() {
    let (maps, objects) = maps();
    let stash = format!("{VALUE}{NEW}*(u64 *)(r6 + 64) = 9\n{XCHG}out: exit");
    assert_eq!(run_in(&maps, &stash), Ok(0));
    let look =
        format!("{VALUE}r1 = *(u64 *)(r9 + 56)\nif r1 == 0 goto out\nr0 = *(u64 *)(r1 + 64)\nout: exit");
    assert_eq!(run_in(&maps, &look), Ok(9));
    let take = format!(
        "{VALUE}r6 = 0\n{XCHG}if r0 == 0 goto out\nr6 = r0\nr7 = *(u64 *)(r6 + 64)\n{DROP}r0 = r7\nout: exit"
    );
    assert_eq!(run_in(&maps, &take), Ok(9));
    assert_eq!((run_in(&maps, &take), objects.live()), (Ok(0), 0));
    // What is there when the value goes, goes with it.
    assert_eq!(run_in(&maps, &stash), Ok(0));
    maps.get("graph").update(&[0; 4], &[0; 64], 0).unwrap();
    assert_eq!(objects.live(), 0);
    assert_eq!(run_in(&maps, &stash), Ok(0));
    drop(maps);
    assert_eq!(objects.live(), 0);
}

#[test]
fn who_found_an_object_by_a_value_may_use_it_while_the_batch_lasts() {
    let (maps, objects) = maps();
    // Found, taken out and dropped: the finder's address is good until its run ends.
    let stash = format!("{VALUE}{NEW}*(u64 *)(r6 + 64) = 9\n{XCHG}");
    let take = "r8 = *(u64 *)(r9 + 56)\nr6 = 0\n";
    let source = format!("{stash}{take}{XCHG}r6 = r0\n{DROP}r0 = *(u64 *)(r8 + 64)\nout: exit");
    assert_eq!((run_in(&maps, &source), objects.live()), (Ok(9), 0));
    // One that was never in a value nobody found.
    let source = format!("{NEW}{DROP}r0 = *(u64 *)(r6 + 64)\nout: exit");
    assert!(matches!(kind(run_in(&maps, &source)), FaultKind::OutOfBounds { .. }));
}

#[test]
fn special_fields_of_values_are_for_functions() {
    let (maps, _) = maps();
    let cases = [
        ("r0 = *(u32 *)(r9 + 0)", "a lock"),
        ("*(u64 *)(r9 + 8) = 0", "a list"),
        ("r0 = *(u64 *)(r9 + 32)", "a tree"),
        ("*(u64 *)(r9 + 56) = 0", "an owner is not written"),
        ("r0 = *(u32 *)(r9 + 56)", "nor read in part"),
    ];
    for (access, what) in cases {
        let outcome = run_in(&maps, &format!("{VALUE}{access}\nout: exit"));
        assert!(matches!(kind(outcome), FaultKind::OutOfBounds { .. }), "{what}: {outcome:?}");
    }
    assert_eq!(run_in(&maps, &format!("{VALUE}r0 = *(u64 *)(r9 + 56)\nout: exit")), Ok(0));
}

#[test]
fn what_is_exchanged_is_checked() {
    let (maps, _) = maps();
    let cases = [
        (format!("{VALUE}r6 = 0\nr9 += 8\n{XCHG}"), "no field"),
        (format!("{VALUE}r6 = 0\nr9 += -16\n{XCHG}"), "a list"),
        (format!("{VALUE}r6 = r10\n{XCHG}"), "no object"),
        (format!("{VALUE}{NEW}r6 += 24\n{XCHG}"), "not its beginning"),
        (format!("{VALUE}{NEW}{DROP}{XCHG}"), "dropped"),
    ];
    for (source, what) in cases {
        let outcome = run_in(&maps, &format!("{source}r0 = 0\nout: exit"));
        assert_eq!(kind(outcome), FaultKind::BadArgument(1), "{what}");
    }
}

#[test]
fn an_object_for_each_cpu_is_reached_by_helpers_alone() {
    let (maps, objects) = maps();
    let new = "r1 = 16\nr2 = 0\ncall bpf_percpu_obj_new_impl\nif r0 == 0 goto out\nr6 = r0\n";
    let drop = "r1 = r6\nr2 = 0\ncall bpf_percpu_obj_drop_impl\n";
    let each = "r1 = r6\ncall bpf_this_cpu_ptr\n*(u64 *)(r0 + 8) = 5\nr1 = r6\nr2 = 1\ncall bpf_per_cpu_ptr\n\
                if r0 == 0 goto out\nr7 = *(u64 *)(r0 + 8)\nr1 = r6\nr2 = 0\ncall bpf_per_cpu_ptr\n\
                if r0 == 0 goto out\nr8 = *(u64 *)(r0 + 8)\n";
    // The tests' CPU is 1, of 2.
    let source = format!("{new}{each}{drop}r0 = r7\nr8 <<= 8\nr0 += r8\nout: exit");
    assert_eq!((run_in(&maps, &source), objects.live()), (Ok(5), 0));
    let none = format!("{new}r1 = r6\nr2 = 2\ncall bpf_per_cpu_ptr\nr7 = r0\n{drop}r0 = r7\nout: exit");
    assert_eq!((run_in(&maps, &none), objects.live()), (Ok(0), 0));
    let cases = [
        (format!("{new}r1 = r6\ncall bpf_this_cpu_ptr\nr0 = *(u64 *)(r0 + 16)"), "over its end"),
        (format!("{new}r1 = r6\ncall bpf_this_cpu_ptr\nr7 = r0\n{drop}r0 = *(u64 *)(r7 + 0)"), "dropped"),
    ];
    for (source, what) in cases {
        let outcome = run_in(&maps, &format!("{source}\nout: exit"));
        assert!(matches!(kind(outcome), FaultKind::OutOfBounds { .. }), "{what}: {outcome:?}");
    }
    let source = format!("{new}r6 += 8\nr1 = r6\ncall bpf_this_cpu_ptr\nout: exit");
    assert_eq!(kind(run_in(&maps, &source)), FaultKind::BadArgument(1));
}
