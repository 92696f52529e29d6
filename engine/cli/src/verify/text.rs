//! The verdicts for people. A refusal begins with the kernel's message, so that it can be searched for.

use std::fmt::Write;

use super::{Judged, Verdict, snippet};

pub(super) fn report(verdicts: &[Verdict]) -> String {
    let mut out = String::new();
    for Verdict { name, judged } in verdicts {
        match judged {
            Judged::Accepted(verified) => {
                out += verified.log();
                let program = verified.program();
                let _ = writeln!(
                    out,
                    "{name}: accepted ({}, {} instructions, {} processed)",
                    program.prog_type.name(),
                    program.insns.len(),
                    verified.facts().insns_processed
                );
            }
            Judged::Refused(refused) => {
                out += &refused.log;
                let _ = writeln!(out, "{}", refused.error.message);
                let _ = writeln!(out, "{}\n", snippet::render(name, refused));
            }
            Judged::NotLoaded(error) => {
                let _ = writeln!(out, "{name}: refused before the verifier: {error}");
            }
        }
    }
    let accepted = verdicts.iter().filter(|verdict| matches!(verdict.judged, Judged::Accepted(_))).count();
    if verdicts.len() > 1 {
        let _ = writeln!(out, "{accepted} of {} programs accepted", verdicts.len());
    }
    out
}
