use crate::cfg::Code;
use crate::explore::Env;
use crate::rewrite::{Xlated, may_goto};
use crate::verified::{Facts, MapAccess, Subprog, TailCallSite};
use bpfreplay_isa::{CallTarget, Instruction};
use bpfreplay_uapi::HelperId;

/// What exploration proved, in terms of xlated slots.
pub(crate) fn collect(code: &Code, env: &Env<'_>, xlated: &Xlated) -> (Vec<Subprog>, Facts) {
    let mut facts = Facts { insns_processed: env.insns_processed(), ..Facts::default() };
    for (pc, note) in env.notes.iter().enumerate().filter(|(_, note)| note.seen) {
        facts.writes_packet |= note.writes_packet;
        let Ok(Instruction::Call(CallTarget::Helper(id))) = code.decoded[pc] else { continue };
        let Some(helper) = HelperId::from_id(id) else { continue };
        facts.changes_packet_data |= helper.proto().changes_pkt_data;
        let at = xlated.new_pc[pc];
        if helper == HelperId::TailCall {
            let map = note.map.always();
            // An index below one map's size may not be below another's.
            let index = map.and_then(|_| note.key.always());
            facts.tail_calls.push(TailCallSite { pc: at, map, index });
        } else if let Some(map) = note.map.always() {
            facts.map_accesses.push(MapAccess { pc: at, map, key: note.key.always() });
        }
    }
    facts.throws = env.throws;
    facts.exception_callback =
        code.exception_callback.map(|index| xlated.new_pc[code.functions[index].start]);
    (subprogs(code, env, xlated), facts)
}

/// The functions that are left, in order.
fn subprogs(code: &Code, env: &Env<'_>, xlated: &Xlated) -> Vec<Subprog> {
    let reachable = tail_call_reachable(code);
    let functions = code.functions.iter().enumerate();
    functions
        .map(|(index, function)| Subprog {
            start: xlated.new_pc[function.start],
            end: xlated.new_pc[function.end],
            stack_depth: may_goto::depth(code, &env.notes, function, env.stack_depth[index]),
            has_budget: may_goto::has_budget(code, &env.notes, function),
            tail_call_reachable: reachable[index],
            has_ld_abs: function.has_ld_abs,
        })
        .filter(|subprog| subprog.start < subprog.end)
        .collect()
}

/// Functions with a tail call in them or below them.
fn tail_call_reachable(code: &Code) -> Vec<bool> {
    let mut reachable: Vec<bool> = code.functions.iter().map(|f| f.has_tail_call).collect();
    // Each round spreads at least one call upwards, so there are at most as many as functions.
    loop {
        let mut spread = false;
        for (index, function) in code.functions.iter().enumerate() {
            if !reachable[index] && function.calls.iter().any(|&(_, callee)| reachable[callee]) {
                reachable[index] = true;
                spread = true;
            }
        }
        if !spread {
            return reachable;
        }
    }
}
