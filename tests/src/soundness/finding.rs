use std::any::Any;
use std::fmt;

use bpfreplay_runtime::{Fault, FaultKind};

/// What must not happen, and the program that makes it happen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// What it does.
    pub what: What,
    /// The program, as text.
    pub program: String,
}

/// What must not happen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum What {
    /// The verifier panicked.
    Panic {
        /// With these words.
        message: String,
    },
    /// An accepted program faulted.
    Fault {
        /// The xlated slot.
        pc: u32,
        /// What it did.
        kind: FaultKind,
    },
    /// An accepted program lost objects: after its runs they are there, and nobody owns them.
    Leak {
        /// How many.
        objects: u64,
    },
    /// We accept what the kernel refuses.
    Unsound {
        /// The kernel's log and error.
        kernel: String,
    },
}

impl What {
    pub(super) fn fault(fault: Fault) -> What {
        What::Fault { pc: fault.pc, kind: fault.kind }
    }

    /// Of what a panic leaves.
    pub(super) fn panic(payload: &(dyn Any + Send)) -> What {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
        What::Panic { message: text.unwrap_or_default() }
    }
}

impl Finding {
    /// What findings of the same cause have in common: the kernel's last word, the sort of fault, or the panic's
    /// message, without numbers.
    #[must_use]
    pub fn key(&self) -> String {
        match &self.what {
            What::Panic { message } => format!("panic: {}", without_numbers(message)),
            What::Fault { kind, .. } => {
                let kind = format!("{kind:?}");
                format!("fault: {}", kind.split([' ', '(']).next().unwrap_or_default())
            }
            What::Leak { .. } => "leak".to_owned(),
            What::Unsound { kernel } => format!("the kernel refuses: {}", last_word(kernel)),
        }
    }
}

/// The line of the kernel's log that says why, without numbers.
fn last_word(log: &str) -> String {
    let why = log.lines().rev().skip(1).find(|line| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with("processed ") && !line.starts_with("verification time")
    });
    without_numbers(why.unwrap_or(log))
}

fn without_numbers(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '0'..='9' if out.ends_with('N') => {}
            '0'..='9' => out.push('N'),
            _ => out.push(c),
        }
    }
    out
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let program = &self.program;
        match &self.what {
            What::Panic { message } => write!(f, "the verifier panics ({message}) on\n{program}"),
            What::Fault { pc, kind } => {
                write!(f, "accepted, and faults at xlated slot {pc}: {kind:?}\n{program}")
            }
            What::Leak { objects } => write!(f, "accepted, and loses {objects} objects\n{program}"),
            What::Unsound { kernel } => write!(f, "accepted, and the kernel refuses:\n{program}{kernel}"),
        }
    }
}
