use bpfreplay_uapi::tc;

/// Actions of one filter (linux: `TCA_ACT_MAX_PRIO`).
pub const TCA_ACT_MAX_PRIO: usize = 32;
/// Restarts of an action list by JUMP, and executions of one action by REPEAT (linux: `tcf_action_exec`).
const ACTION_TTL: u32 = 32;

/// One action of a classid-mode filter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// `gact`: nothing but this control action, such as `TC_ACT_RECLASSIFY` or `TC_ACT_JUMP | 2`.
    Gact(i32),
}

impl Action {
    fn run(self) -> i32 {
        match self {
            Action::Gact(control) => control,
        }
    }
}

/// Runs a filter's actions to their common result.
///
/// linux: net/sched/act_api.c tcf_action_exec. PIPE goes on; JUMP n starts again with action n (an absolute index);
/// REPEAT runs the same action again; both end in OK when their budget is used up.
pub(crate) fn exec(actions: &[Action]) -> i32 {
    let mut first = 0;
    let mut jump_ttl = ACTION_TTL;
    let mut result = tc::TC_ACT_OK;
    'list: loop {
        for action in actions.iter().skip(first) {
            result = run_repeating(*action);
            match result {
                tc::TC_ACT_PIPE => {}
                _ if is_extended(result, tc::TC_ACT_JUMP) => {
                    let target = (result & tc::TC_ACT_EXT_VAL_MASK) as usize;
                    if target == 0 || target > actions.len() {
                        return tc::TC_ACT_OK;
                    }
                    jump_ttl -= 1;
                    if jump_ttl == 0 {
                        return tc::TC_ACT_OK;
                    }
                    first = target;
                    continue 'list;
                }
                _ => return result,
            }
        }
        return result;
    }
}

fn run_repeating(action: Action) -> i32 {
    for _ in 0..ACTION_TTL {
        match action.run() {
            tc::TC_ACT_REPEAT => {}
            result => return result,
        }
    }
    tc::TC_ACT_OK
}

/// linux: include/uapi/linux/pkt_cls.h TC_ACT_EXT_CMP.
pub(crate) fn is_extended(action: i32, opcode: i32) -> bool {
    action & !tc::TC_ACT_EXT_VAL_MASK == opcode
}

#[cfg(test)]
mod tests {
    use super::*;
    use bpfreplay_uapi::tc::*;

    #[test]
    fn lists_end_as_linux_ends_them() {
        // spec tc-classify section 7, the observed rows.
        let jump = |n| TC_ACT_JUMP | n;
        for (actions, expected) in [
            (vec![], TC_ACT_OK),
            (vec![TC_ACT_PIPE], TC_ACT_PIPE),
            (vec![TC_ACT_PIPE, TC_ACT_PIPE, TC_ACT_SHOT], TC_ACT_SHOT),
            (vec![jump(2), TC_ACT_SHOT, TC_ACT_STOLEN], TC_ACT_STOLEN),
            (vec![jump(1), TC_ACT_PIPE, TC_ACT_OK], TC_ACT_OK),
            (vec![TC_ACT_PIPE, jump(1), TC_ACT_SHOT], TC_ACT_OK),
            // Nothing is left to run: the jump itself is the result, a number without a meaning (accepted).
            (vec![jump(1)], jump(1)),
            (vec![jump(0), TC_ACT_SHOT], TC_ACT_OK),
            (vec![jump(9), TC_ACT_SHOT], TC_ACT_OK),
            (vec![TC_ACT_REPEAT, TC_ACT_SHOT], TC_ACT_OK),
            (vec![TC_ACT_UNSPEC, TC_ACT_SHOT], TC_ACT_UNSPEC),
            (vec![TC_ACT_RECLASSIFY], TC_ACT_RECLASSIFY),
            (vec![TC_ACT_GOTO_CHAIN | 7], TC_ACT_GOTO_CHAIN | 7),
        ] {
            let list: Vec<Action> = actions.iter().map(|&control| Action::Gact(control)).collect();
            assert_eq!(exec(&list), expected, "{actions:?}");
        }
    }
}
