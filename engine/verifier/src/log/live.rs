use std::fmt::Write as _;

use bpfreplay_isa::{KernelText, Reg};
use bpfreplay_program::Program;

use super::Log;
use super::names::ProgramNames;
use crate::cfg::Code;

impl Log {
    /// Which loop each instruction is in, and the registers that still matter before it
    /// (linux: compute_live_registers()).
    pub(crate) fn live_registers(&mut self, program: &Program, code: &Code) {
        if !self.has_all() {
            return;
        }
        self.line("Live regs before insn:");
        let mut pc = 0;
        while pc < code.insns.len() {
            let mut line = match code.scc[pc] {
                0 => " ".repeat(4),
                number => format!("{number:3} "),
            };
            let _ = write!(line, "{pc:3}: ");
            for reg in Reg::ALL.into_iter().filter(|&reg| reg != Reg::FP) {
                match code.live[pc].contains(reg) {
                    true => line.push_str(&reg.number().to_string()),
                    false => line.push('.'),
                }
            }
            let _ = write!(line, " {}", KernelText::new(&program.insns, pc, &ProgramNames { program }));
            self.line(&line);
            pc += if code.insns[pc].is_wide() { 2 } else { 1 };
        }
    }
}
