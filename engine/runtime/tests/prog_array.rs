//! Prog arrays: user space's operations, owners, and replacement while workers run.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use bpfreplay_program::MapSpec;
use bpfreplay_runtime::maps::{Element, Owner};
use bpfreplay_runtime::tail_call::{
    MAX_TAIL_CALL_FAILURES, TailCallError, TailCallFailure, TailCallFailures, decide,
};
use bpfreplay_runtime::{Batch, Context, Executable, ExecutionContext, Map, MapError, ProgramInfo};
use bpfreplay_uapi::map::create_flags::{RDONLY, WRONLY};
use bpfreplay_uapi::{Errno, MapType, ProgType};

/// A program that can be told apart, and whose end is counted.
#[derive(Debug)]
struct Model {
    info: ProgramInfo,
    alive: AtomicBool,
    dropped: Arc<AtomicUsize>,
}

impl Model {
    fn program(
        prog_type: ProgType,
        attach: u32,
        jited: bool,
        dropped: &Arc<AtomicUsize>,
    ) -> Arc<dyn Executable> {
        let id = ProgramInfo::next_id();
        let info = ProgramInfo {
            id,
            name: format!("p{id}"),
            prog_type,
            expected_attach_type: attach,
            xdp_has_frags: false,
            jited,
            writes_packet: false,
        };
        Arc::new(Model { info, alive: AtomicBool::new(true), dropped: Arc::clone(dropped) })
    }

    fn tc() -> Arc<dyn Executable> {
        Model::program(ProgType::SchedCls, 0, true, &Arc::default())
    }
}

impl Executable for Model {
    fn info(&self) -> &ProgramInfo {
        &self.info
    }

    fn run(&self, _context: Context<'_>, _batch: &mut Batch<'_>) -> u64 {
        u64::from(self.info.id)
    }

    fn run_callback(&self, _: u64, _: &Arc<Map>, _: Element, _: &mut Batch<'_>) {
        unreachable!("no timer has a callback of it")
    }

    fn tail_entry(&self) -> usize {
        self.info.id as usize
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        self.alive.store(false, Ordering::Relaxed);
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

fn array(max_entries: u32, map_flags: u32) -> Arc<Map> {
    let spec = MapSpec { map_flags, ..MapSpec::new("jmp", MapType::ProgArray, 4, 4, max_entries) };
    Map::create(&spec, 1).unwrap()
}

fn errno<T: std::fmt::Debug>(result: Result<T, MapError>) -> Errno {
    result.unwrap_err().errno
}

/// Lets epochs pass, as batches do, until what was retired is freed. Other tests of this process hold them up.
fn eventually(freed: impl Fn() -> bool) -> bool {
    (0..10_000_000).any(|_| {
        crossbeam_epoch::pin().flush();
        std::thread::yield_now();
        freed()
    })
}

#[test]
fn operations_by_the_table() {
    let map = array(3, 0);
    let jmp = map.prog_array().unwrap();
    assert_eq!(errno(jmp.lookup(0)), Errno::ENOENT);
    assert_eq!(errno(jmp.lookup(3)), Errno::ENOENT);
    assert_eq!(errno(jmp.delete(0)), Errno::ENOENT);
    assert_eq!(errno(jmp.delete(3)), Errno::E2BIG);
    assert_eq!(errno(jmp.update(3, Model::tc(), 0)), Errno::E2BIG);
    for flags in [1, 2, 4, 8] {
        assert_eq!(errno(jmp.update(0, Model::tc(), flags)), Errno::EINVAL);
    }
    let program = Model::tc();
    jmp.update(2, Arc::clone(&program), 0).unwrap();
    assert_eq!(jmp.lookup(2).unwrap(), program.info().id);
    assert_eq!(jmp.word(2), program.tail_entry());
    assert_eq!((jmp.word(0), jmp.word(3), jmp.populated()), (0, 0, 1));
    // The same through the map, as bpf(2) has it.
    let key = |i: u32| i.to_le_bytes();
    assert_eq!(map.lookup(&key(2)).unwrap(), program.info().id.to_le_bytes());
    assert_eq!(errno(map.lookup(&key(1))), Errno::ENOENT);
    assert_eq!(errno(map.update(&key(1), &key(7), 0)), Errno::EBADF);
    assert_eq!(errno(map.lookup_and_delete(&key(2))), Errno::ENOTSUPP);
    assert_eq!(map.next_key(None).unwrap(), key(0));
    assert_eq!(map.next_key(Some(&key(0))).unwrap(), key(1));
    assert_eq!(errno(map.next_key(Some(&key(2)))), Errno::ENOENT);
    assert_eq!(map.next_key(Some(&key(3))).unwrap(), key(0));
    let mut shown = 0;
    map.for_each(|_, _| shown += 1).unwrap();
    assert_eq!(shown, 1);
    map.freeze().unwrap();
    assert_eq!(errno(jmp.update(2, Model::tc(), 0)), Errno::EPERM);
    assert_eq!(errno(jmp.delete(2)), Errno::EPERM);
    assert_eq!(errno(map.delete(&key(2))), Errno::EPERM);
    assert!(jmp.lookup(2).is_ok());
}

#[test]
fn one_sided_arrays() {
    let rdonly = array(1, RDONLY);
    let wronly = array(1, WRONLY);
    assert_eq!(errno(rdonly.prog_array().unwrap().update(0, Model::tc(), 0)), Errno::EPERM);
    wronly.prog_array().unwrap().update(0, Model::tc(), 0).unwrap();
    assert_eq!(errno(wronly.prog_array().unwrap().lookup(0)), Errno::EPERM);
    assert_eq!(errno(wronly.lookup(&[0; 4])), Errno::EPERM);
}

#[test]
fn the_first_program_binds_for_good() {
    let none = Arc::default();
    let act = || Model::program(ProgType::SchedAct, 0, true, &none);
    let interpreted = || Model::program(ProgType::SchedCls, 0, false, &none);
    let tcx = || Model::program(ProgType::SchedCls, 46, true, &none);
    let map = array(2, 0);
    let jmp = map.prog_array().unwrap();
    assert_eq!(jmp.owner(), None);
    jmp.update(0, Model::tc(), 0).unwrap();
    let owner =
        Owner { prog_type: ProgType::SchedCls, jited: true, expected_attach_type: 0, xdp_has_frags: false };
    assert_eq!(jmp.owner(), Some(owner));
    for (other, word) in [(act(), "sched_act"), (interpreted(), "interpreted"), (tcx(), "46")] {
        let error = jmp.update(0, other, 0).unwrap_err();
        assert_eq!(error.errno, Errno::EINVAL);
        assert!(error.reason.contains(word), "{error}");
    }
    // Empty again, and bound all the same.
    jmp.delete(0).unwrap();
    assert_eq!(errno(jmp.update(0, act(), 0)), Errno::EINVAL);

    // Loading a program that refers to the array binds it too.
    let map = array(2, 0);
    let jmp = map.prog_array().unwrap();
    jmp.bind(act().info()).unwrap();
    assert_eq!(errno(jmp.update(0, Model::tc(), 0)), Errno::EINVAL);
    assert_eq!(errno(jmp.bind(Model::tc().info())), Errno::EINVAL);
    jmp.update(0, act(), 0).unwrap();
}

#[test]
fn a_swap_changes_all_slots_or_none() {
    let map = array(4, 0);
    let jmp = map.prog_array().unwrap();
    let (a, b) = (Model::tc(), Model::tc());
    jmp.swap(vec![(0, Some(Arc::clone(&a))), (3, Some(Arc::clone(&b)))]).unwrap();
    assert_eq!((jmp.lookup(0).unwrap(), jmp.lookup(3).unwrap()), (a.info().id, b.info().id));
    let act = Model::program(ProgType::SchedAct, 0, true, &Arc::default());
    assert_eq!(errno(jmp.swap(vec![(0, None), (1, Some(act))])), Errno::EINVAL);
    assert_eq!(errno(jmp.swap(vec![(0, None), (4, None)])), Errno::E2BIG);
    assert_eq!(jmp.populated(), 2);
    let mut exec = ExecutionContext::new(0);
    let batch = exec.batch();
    assert_eq!(errno(jmp.swap(vec![(0, None)])), Errno::EBUSY);
    drop(batch);
    jmp.swap(vec![(0, None), (3, Some(a))]).unwrap();
    assert_eq!(jmp.populated(), 1);
}

#[test]
fn an_update_inside_a_batch_does_not_wait_for_a_swap_that_waits_for_the_batch() {
    let map = array(2, 0);
    let jmp = map.prog_array().unwrap();
    let mut exec = ExecutionContext::new(0);
    std::thread::scope(|scope| {
        let batch = exec.batch();
        let swap = scope.spawn(|| jmp.swap(vec![(0, Some(Model::tc())), (1, None)]));
        for _ in 0..1000 {
            std::thread::yield_now();
            jmp.update(1, Model::tc(), 0).unwrap();
        }
        assert!(!swap.is_finished());
        drop(batch);
        swap.join().unwrap().unwrap();
    });
    assert_eq!(jmp.populated(), 1);
}

#[test]
fn a_program_outlives_its_slot_until_the_batch_ends() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let map = array(1, 0);
    let jmp = map.prog_array().unwrap();
    jmp.update(0, Model::program(ProgType::SchedCls, 0, true, &dropped), 0).unwrap();
    let mut exec = ExecutionContext::new(0);
    let batch = exec.batch();
    let program = jmp.program(0, &batch).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            jmp.delete(0).unwrap();
            (0..1000).for_each(|_| crossbeam_epoch::pin().flush());
        });
    });
    assert_eq!(dropped.load(Ordering::Relaxed), 0);
    assert_eq!(program.tail_entry(), program.info().id as usize);
    drop(batch);
    assert!(eventually(|| dropped.load(Ordering::Relaxed) == 1));
}

#[test]
fn the_last_handle_of_user_space_clears_the_slots() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let map = array(1, 0);
    let handle = map.user_handle();
    let second = handle.clone();
    map.prog_array().unwrap().update(0, Model::program(ProgType::SchedCls, 0, true, &dropped), 0).unwrap();
    drop(handle);
    assert_eq!(map.entries(), 1);
    drop(second);
    assert_eq!(map.entries(), 0);
    assert!(eventually(|| dropped.load(Ordering::Relaxed) == 1));
    // Opened again, it works again.
    let _again = map.user_handle();
    map.prog_array().unwrap().update(0, Model::tc(), 0).unwrap();
    assert_eq!(map.entries(), 1);
}

/// One thread replaces and deletes while others run what they find: each sees an old program, a new one or none, none
/// of them freed; and in the end every program is freed.
#[test]
fn replacement_while_workers_run_loses_and_leaks_nothing() {
    const WORKERS: u32 = 3;
    const CHANGES: usize = 200_000;
    const SLOTS: u32 = 4;
    let dropped = Arc::new(AtomicUsize::new(0));
    let (made, runs, empty) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let done = AtomicBool::new(false);
    {
        let map = array(SLOTS, 0);
        let jmp = map.prog_array().unwrap();
        std::thread::scope(|scope| {
            for cpu in 0..WORKERS {
                let (done, runs, empty) = (&done, &runs, &empty);
                scope.spawn(move || {
                    let mut exec = ExecutionContext::new(cpu);
                    while !done.load(Ordering::Relaxed) {
                        let batch = exec.batch();
                        for i in 0..64 {
                            let index = i % SLOTS;
                            match jmp.program(index, &batch) {
                                Some(program) => {
                                    let model = program.as_any().downcast_ref::<Model>().unwrap();
                                    std::hint::spin_loop();
                                    assert!(
                                        model.alive.load(Ordering::Relaxed),
                                        "{} was freed",
                                        model.info.id
                                    );
                                    runs.fetch_add(1, Ordering::Relaxed);
                                }
                                None => {
                                    empty.fetch_add(1, Ordering::Relaxed);
                                }
                            }
                        }
                    }
                });
            }
            for i in 0..CHANGES {
                let index = i as u32 % SLOTS;
                if i % 7 == 3 {
                    let _ = jmp.delete(index);
                } else {
                    made.fetch_add(1, Ordering::Relaxed);
                    jmp.update(index, Model::program(ProgType::SchedCls, 0, true, &dropped), 0).unwrap();
                }
            }
            done.store(true, Ordering::Relaxed);
        });
    }
    assert!(eventually(|| dropped.load(Ordering::Relaxed) == made.load(Ordering::Relaxed)));
    assert!(runs.load(Ordering::Relaxed) > 0);
}

/// Workers that read two slots in one batch see both of a swap or neither.
#[test]
fn a_swap_is_seen_whole_by_every_batch() {
    let map = array(2, 0);
    let jmp = map.prog_array().unwrap();
    let pairs: Vec<_> = (0..8).map(|_| (Model::tc(), Model::tc())).collect();
    let partner: Vec<_> = pairs.iter().map(|(a, b)| (a.info().id as usize, b.info().id as usize)).collect();
    jmp.swap(vec![(0, Some(Arc::clone(&pairs[0].0))), (1, Some(Arc::clone(&pairs[0].1)))]).unwrap();
    let done = AtomicBool::new(false);
    let seen = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for cpu in 0..2 {
            let (done, seen, partner) = (&done, &seen, &partner);
            scope.spawn(move || {
                let mut exec = ExecutionContext::new(cpu);
                while !done.load(Ordering::Relaxed) {
                    let _batch = exec.batch();
                    for _ in 0..16 {
                        assert!(partner.contains(&(jmp.word(0), jmp.word(1))));
                    }
                    seen.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for round in 0..2000 {
            let (a, b) = &pairs[round % pairs.len()];
            jmp.swap(vec![(0, Some(Arc::clone(a))), (1, Some(Arc::clone(b)))]).unwrap();
        }
        while seen.load(Ordering::Relaxed) == 0 {
            std::thread::yield_now();
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn the_rule_in_its_order() {
    let slot = |populated: &'static [u32]| move |i: u32| if populated.contains(&i) { 0x1000 } else { 0 };
    for (r3, count, expected) in [
        (2, 0, Ok((0x1000, 1))),
        (0x1_0000_0002, 5, Ok((0x1000, 6))),
        (0xffff_ffff_0000_0002, 32, Ok((0x1000, 33))),
        (2, 33, Err(TailCallError::Limit)),
        (2, 34, Err(TailCallError::Limit)),
        (3, 33, Err(TailCallError::OutOfRange)),
        (0x8000_0002, 0, Err(TailCallError::OutOfRange)),
        (u64::MAX, 0, Err(TailCallError::OutOfRange)),
        (1, 33, Err(TailCallError::Limit)),
        (1, 32, Err(TailCallError::EmptySlot)),
    ] {
        assert_eq!(decide(r3, 3, count, slot(&[2])), expected, "{r3:#x} {count}");
    }
}

#[test]
fn failures_are_counted_even_where_the_table_is_full() {
    let failure = |prog, index| TailCallFailure { prog, insn: 7, index, reason: TailCallError::EmptySlot };
    let mut failures = TailCallFailures::default();
    for round in 0..3 {
        for index in 0..MAX_TAIL_CALL_FAILURES as u32 + 10 {
            failures.record(failure(1, index));
        }
        assert_eq!(failures.overflow(), 10 * (round + 1));
    }
    let sorted = failures.sorted();
    assert_eq!(sorted.len(), MAX_TAIL_CALL_FAILURES);
    assert!(sorted.iter().all(|(_, count)| *count == 3));
    assert!(sorted.is_sorted());
    assert_eq!(failures.total(), 3 * (MAX_TAIL_CALL_FAILURES as u64 + 10));
    let mut all = TailCallFailures::default();
    all.record(failure(2, 0));
    all.merge(&failures);
    assert_eq!(all.total(), failures.total() + 1);
    all.clear();
    assert_eq!((all.total(), all.sorted().len()), (0, 0));
}
