//! A slot of a prog array under loom: every interleaving of runs, one who replaces the program, and its destruction.
//!
//! This is `ProgArray::put` in the small. A slot has two words, because jitted code loads a tail entry and the
//! interpreter a program; what was in it is retired when neither leads to it any more. Grace periods stand for
//! crossbeam-epoch, which gives the same promise: nothing retired is destroyed under a batch that was open.
//!
//! ```text
//!   put    program = new; word = new; retire(old)          destroy(old) when its grace period has passed
//!   run    open batch; load word, or program; go through what it leads to, any number of times; close
//! ```

#[path = "../src/grace.rs"]
#[allow(dead_code, unreachable_pub, reason = "the model uses what the protocol needs")]
mod grace;

mod sync {
    pub(crate) use loom::sync::atomic::{AtomicU64, Ordering, fence};
}

use grace::Grace;
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

/// Numbers of the program in the slot at first and of the one that replaces it. 0 is none.
const OLD: usize = 1;
const NEW: usize = 2;
/// What is where a program was.
const DESTROYED: usize = 99;

/// Which of a slot's words an engine goes by.
#[derive(Clone, Copy)]
enum Engine {
    Jit,
    Interpreter,
}

struct Slot {
    word: AtomicUsize,
    program: AtomicUsize,
    /// The code of program `n` is at `n - 1`; loom watches it for accesses that nothing orders.
    code: [UnsafeCell<usize>; 2],
    grace: Grace,
}

impl Slot {
    /// With the old program in it. The new one is not compiled yet.
    fn new() -> Arc<Slot> {
        Arc::new(Slot {
            word: AtomicUsize::new(OLD),
            program: AtomicUsize::new(OLD),
            code: [UnsafeCell::new(OLD), UnsafeCell::new(0)],
            grace: Grace::new(2),
        })
    }

    fn compile_new(&self) {
        // SAFETY: this is what is on trial; loom fails on an access that is not ordered with this one.
        self.code[NEW - 1].with_mut(|code| unsafe { *code = NEW });
    }

    fn destroy_old_if_passed(&self, stamp: u64) {
        if stamp < self.grace.passed() {
            // SAFETY: as above.
            self.code[OLD - 1].with_mut(|code| unsafe { *code = DESTROYED });
        }
    }

    /// Runs through the slot `runs` times in one batch: always an old program, a new one or none, whole.
    fn batch(&self, worker: usize, engine: Engine, runs: usize) {
        self.grace.open(Some(worker));
        for _ in 0..runs {
            let found = match engine {
                Engine::Jit => self.word.load(Ordering::Acquire),
                Engine::Interpreter => self.program.load(Ordering::Acquire),
            };
            if found != 0 {
                // SAFETY: as above.
                self.code[found - 1].with(|code| assert_eq!(unsafe { *code }, found));
            }
        }
        self.grace.close(Some(worker));
    }

    /// `ProgArray::put`, and then destruction as soon as it may be.
    fn put(&self, new: usize) {
        self.program.swap(new, Ordering::AcqRel);
        self.word.store(new, Ordering::Release);
        let stamp = self.grace.stamp();
        self.destroy_old_if_passed(stamp);
    }
}

/// One worker runs while the slot changes.
fn trial(engine: Engine, runs: usize, change: fn(&Slot)) {
    loom::model(move || {
        let slot = Slot::new();
        let worker = thread::spawn({
            let slot = Arc::clone(&slot);
            move || slot.batch(0, engine, runs)
        });
        change(&slot);
        worker.join().expect("the worker's asserts held");
    });
}

fn replace(slot: &Slot) {
    slot.compile_new();
    slot.put(NEW);
}

#[test]
fn a_run_of_machine_code_sees_old_or_new() {
    trial(Engine::Jit, 2, replace);
}

#[test]
fn an_interpreted_run_sees_old_or_new() {
    trial(Engine::Interpreter, 2, replace);
}

#[test]
fn a_run_sees_the_program_or_none() {
    trial(Engine::Jit, 1, |slot| slot.put(0));
    trial(Engine::Interpreter, 1, |slot| slot.put(0));
}

/// Three threads have too many interleavings; nearly all mistakes show with two switches away from a running thread.
#[test]
fn both_engines_at_once() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(|| {
        let slot = Slot::new();
        let workers = [Engine::Jit, Engine::Interpreter].into_iter().enumerate().map(|(worker, engine)| {
            let slot = Arc::clone(&slot);
            thread::spawn(move || slot.batch(worker, engine, 1))
        });
        let workers: Vec<_> = workers.collect();
        slot.put(0);
        for worker in workers {
            worker.join().expect("the worker's asserts held");
        }
    });
}

/// The model is able to fail: a program that is retired while one of the words still leads to it.
#[test]
#[should_panic]
fn retired_before_the_word_changed() {
    trial(Engine::Jit, 1, |slot| {
        slot.program.swap(0, Ordering::AcqRel);
        let stamp = slot.grace.stamp();
        slot.destroy_old_if_passed(stamp);
        slot.word.store(0, Ordering::Release);
    });
}

/// The model is able to fail: a word that leads to code which is not written yet for who follows it.
#[test]
#[should_panic]
fn published_without_release() {
    trial(Engine::Jit, 1, |slot| {
        slot.compile_new();
        slot.word.store(NEW, Ordering::Relaxed);
    });
}
