//! What is missing, where it takes the program to say so: by what was called.

use std::borrow::Cow;

use bpfreplay_isa::{CallTarget, Instruction, decode};
use bpfreplay_program::Program;
use bpfreplay_uapi::{HelperId, Kfunc, ProgType};

use super::acquired_at;

/// Help that names functions, of messages that need it; `pc` is where the program was refused.
pub(super) fn hint(program: &Program, message: &str, pc: Option<u32>) -> Option<Cow<'static, str>> {
    let called = pc.and_then(|pc| called(program, pc));
    match called {
        Some(CallTarget::Helper(id)) if message.starts_with("invalid func unknown") => {
            return program.absent_kfunc(id).map(|name| Cow::Owned(absent(name)));
        }
        Some(CallTarget::Helper(id)) if HelperId::from_id(id).is_some_and(takes_timer) => {
            if let Some(hint) = timer(message) {
                return Some(Cow::Borrowed(hint));
            }
        }
        Some(CallTarget::Kfunc(id)) => {
            let kfunc = Kfunc::from_id(id.cast_unsigned());
            if let Some(hint) = kfunc.and_then(|kfunc| kernel_function(kfunc, message)) {
                return Some(hint);
            }
        }
        Some(CallTarget::Helper(_) | CallTarget::Local(_)) | None => {}
    }
    acquired_at(message).and_then(|pc| release(program, pc)).map(Cow::Borrowed)
}

fn absent(name: &str) -> String {
    format!(
        "{name} is a kernel function that the program declares weak and this engine does not have: ask whether it is \
         there before the call: if ({name}) .."
    )
}

fn kernel_function(kfunc: Kfunc, message: &str) -> Option<Cow<'static, str>> {
    if message.contains("calling kernel function") {
        let may = ProgType::ALL.iter().filter(|&&prog_type| kfunc.allowed(prog_type));
        let may: Vec<_> = may.map(|prog_type| prog_type.name()).collect();
        let name = kfunc.name();
        return Some(match may[..] {
            [] => format!("no program calls {name} itself").into(),
            _ => format!("programs of these types may call {name}: {}", may.join(", ")).into(),
        });
    }
    let ends_with_throw = kfunc == Kfunc::Throw && message.contains("last insn is not an exit");
    ends_with_throw.then_some(Cow::Borrowed(
        "the verifier takes bpf_throw for a call that comes back: let a return follow, which the compiler leaves out \
         where bpf_throw is declared noreturn",
    ))
}

const fn takes_timer(helper: HelperId) -> bool {
    matches!(
        helper,
        HelperId::TimerInit | HelperId::TimerSetCallback | HelperId::TimerStart | HelperId::TimerCancel
    )
}

/// A pointer to something else than a timer.
fn timer(message: &str) -> Option<&'static str> {
    let is_null = message.contains("_or_null");
    (message.starts_with("R1 type=") && message.contains("expected=map_value") && !is_null).then_some(
        "timers are in map values only: declare a struct bpf_timer in the value's type, look the value up, and hand over \
         the address of that field",
    )
}

/// How to release what the call at `pc` acquired.
fn release(program: &Program, pc: u32) -> Option<&'static str> {
    Some(match called(program, pc)? {
        CallTarget::Kfunc(id) if id.cast_unsigned() == Kfunc::IterNumNew.id() => {
            "the iterator must be ended on every path, even where bpf_iter_num_new failed: bpf_iter_num_destroy, which \
             bpf_for calls by itself"
        }
        CallTarget::Helper(id) if id == HelperId::RingbufReserveDynptr.id() => {
            "the record must be released on every path, even where reserving failed: bpf_ringbuf_submit_dynptr or \
             bpf_ringbuf_discard_dynptr"
        }
        CallTarget::Helper(id) if id == HelperId::RingbufReserve.id() => {
            "the record must be released on every path: bpf_ringbuf_submit or bpf_ringbuf_discard"
        }
        CallTarget::Helper(id) if HelperId::from_id(id).is_some_and(looks_up_socket) => {
            "the socket must be released on every path it is not NULL on: bpf_sk_release"
        }
        CallTarget::Helper(_) | CallTarget::Kfunc(_) | CallTarget::Local(_) => return None,
    })
}

const fn looks_up_socket(helper: HelperId) -> bool {
    matches!(helper, HelperId::SkLookupTcp | HelperId::SkLookupUdp | HelperId::SkcLookupTcp)
}

fn called(program: &Program, pc: u32) -> Option<CallTarget> {
    match decode(&program.insns, pc as usize) {
        Ok(Instruction::Call(target)) if (pc as usize) < program.insns.len() => Some(target),
        Ok(_) | Err(_) => None,
    }
}
