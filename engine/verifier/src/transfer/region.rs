//! Regions: between `bpf_rcu_read_lock` and its unlock, and where preemption is disabled.
//!
//! Programs of these types run in one of either kind anyway, so nothing is gained by them but that the pairs match:
//! sources that are shared with other program types have them.

use bpfreplay_uapi::Kfunc;

use super::{call, object};
use crate::error::{Checked, refuse};
use crate::state::State;

/// Enters or leaves one (linux: check_kfunc_call()).
pub(super) fn call(state: &mut State, kfunc: Kfunc) -> Checked {
    if state.held.lock().is_some() {
        refuse!(Invalid, "function calls are not allowed while holding a lock");
    }
    let held = &mut state.held;
    match kfunc {
        Kfunc::RcuReadLock if held.in_rcu => {
            refuse!(Invalid, "nested rcu read lock (kernel function {})", kfunc.name())
        }
        Kfunc::RcuReadLock => held.in_rcu = true,
        Kfunc::RcuReadUnlock if !held.in_rcu => {
            refuse!(Invalid, "unmatched rcu read unlock (kernel function {})", kfunc.name())
        }
        Kfunc::RcuReadUnlock => {
            held.in_rcu = false;
            object::end_rcu(state);
        }
        Kfunc::PreemptDisable => held.preempt_disabled += 1,
        _ => match held.preempt_disabled.checked_sub(1) {
            Some(left) => held.preempt_disabled = left,
            None => {
                refuse!(Invalid, "unmatched attempt to enable preemption (kernel function {})", kfunc.name())
            }
        },
    }
    call::clobber_caller_saved(state);
    Ok(())
}
