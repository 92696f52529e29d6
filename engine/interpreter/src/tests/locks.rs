//! A run that ends early lets go of the lock it holds: nobody waits for it longer than its steps last.

use bpfreplay_program::MapSpec;
use bpfreplay_runtime::{Executable, ExecutionContext, FaultKind};
use bpfreplay_uapi::MapType;

use super::{Maps, frame, run_on, run_program};
use crate::DEFAULT_STEP_LIMIT;

/// r7 is the value, r6 its lock; the lock is taken.
const LOCK: &str = "r2 = r10
r2 += -4
*(u32 *)(r2 + 0) = 0
r1 = map(locked) ll
call bpf_map_lookup_elem
if r0 == 0 goto out
r7 = r0
r6 = r0
r6 += 4
r1 = r6
call bpf_spin_lock
";

const UNLOCK: &str = "r1 = r6\ncall bpf_spin_unlock\n";

/// Steps of a run that holds the lock for long enough that another one comes to wait for it.
const HELD_STEPS: u64 = 2_000_000;

fn locked() -> Maps {
    let mut maps = Maps::default();
    // User space sees locks only where nobody says that there is one.
    let spec = MapSpec::new("locked", MapType::Array, 4, 8, 1);
    maps.add(&spec);
    maps
}

/// The word of the lock.
fn lock_word(maps: &Maps) -> u64 {
    let value = maps.get("locked").lookup(&[0; 4]).unwrap();
    u32::from_le_bytes(value[4..].try_into().unwrap()).into()
}

#[test]
fn a_fault_lets_go_of_the_lock() {
    let maps = locked();
    let endings = [
        ("r0 = *(u8 *)(r10 + 0)\nout: exit", "out of bounds"),
        ("again: goto again\nout: exit", "out of steps"),
        ("call f\nout: exit\nf: r1 = 0\nr0 = *(u8 *)(r1 + 0)\nexit", "in a function"),
        ("r1 = r6\ncall bpf_spin_lock\nout: exit", "a second time"),
    ];
    for (ending, what) in endings {
        let program = maps.prepare("holder", &format!("{LOCK}{ending}"), 1000);
        let fault = run_program(&program, frame(64).context()).0.unwrap_err();
        assert!(fault.pc >= 12, "{what}: {fault:?}");
        assert_eq!(lock_word(&maps), 0, "{what}");
    }
    // And the lock is one still.
    let held = format!("{LOCK}r8 = *(u32 *)(r7 + 4)\n{UNLOCK}r0 = r8\nout: exit");
    assert_eq!(run_on(&maps, &held, frame(64).context()), Ok(1));
    assert_eq!(lock_word(&maps), 0);
}

#[test]
fn who_waits_for_a_run_that_faults_goes_on() {
    let maps = locked();
    let holder = maps.prepare("holder", &format!("{LOCK}again: goto again\nout: exit"), HELD_STEPS);
    let waiter = maps.prepare("waiter", &format!("{LOCK}{UNLOCK}r0 = 7\nout: exit"), DEFAULT_STEP_LIMIT);
    std::thread::scope(|scope| {
        let holding = scope.spawn(|| {
            let mut exec = ExecutionContext::new(0);
            holder.run(frame(64).context(), &mut exec.batch());
            exec.fault
        });
        // Whichever comes first: the other one waits, and goes on.
        let (outcome, _) = run_program(&waiter, frame(64).context());
        assert_eq!(outcome, Ok(7));
        assert_eq!(holding.join().unwrap().unwrap().kind, FaultKind::StepLimit);
    });
}
