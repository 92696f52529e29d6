//! What the verifier saw, written down as the kernel does.
//!
//! ```text
//!   func#0 @0                                            the functions
//!   0: R1=ctx() R10=fp0                                  the state a path begins with
//!   ; int n = skb->len; @ prog.c:12                      where the source line changes
//!   0: (61) r2 = *(u32 *)(r1 +0)          ; R1=ctx() R2=scalar(..)      an instruction, what it touched
//!   1: (15) if r2 == 0x0 goto pc+1        ; R2=scalar(..)
//!   2: (b7) r0 = 0                        ; R0=0
//!   3: (95) exit
//!   (0) live stack update done in 2 iterations           at level 2: what is known of the stack (`live_stack`),
//!                                                        of scalars (`precision`), of registers (`live`), of loops
//!
//!   from 1 to 3: R1=ctx() R2=0 R10=fp0                   another path
//!   3: (95) exit
//!   R0 !read_ok                                          the refusal
//!   processed 5 insns (limit 1000000) ...
//! ```
//!
//! The explorer tells the log what it does ([`Log::step`] and its kin) and nothing else: the log looks at states, no
//! rule looks at the log. Off, each hook costs one comparison ([`Log::is_on`]).
//!
//! Differs from the kernel's log on purpose: maps have names, not addresses.

mod buffer;
mod level;
mod live;
mod live_stack;
mod names;
mod precision;
mod register;
mod state;
mod touched;

use bpfreplay_isa::{CallTarget, Instruction, KernelText};
use bpfreplay_program::Program;

use buffer::Buffer;
pub use level::{LOG_BYTES_MAX, LogKeep, LogLevel, LogWindow};
use live_stack::LiveStack;
pub(crate) use names::ProgramNames;
pub(crate) use precision::Marks;
pub(crate) use register::RegText;
use state::StateText;
use touched::Touched;

use crate::cfg::Code;
use crate::state::{SlotSet, State};

/// Columns an instruction has before what it did is written behind it, and what they are rounded up to
/// (linux: BPF_LOG_ALIGNMENT, BPF_LOG_MIN_ALIGNMENT).
const STATE_COLUMN: usize = 40;
const STATE_COLUMN_STEP: usize = 8;

/// The log under way.
#[derive(Debug)]
pub(crate) struct Log {
    level: LogLevel,
    buffer: Buffer,
    /// What stands behind the refusal.
    epilogue: String,
    /// The last line.
    pub(crate) totals: String,
    /// Kept at level 2.
    live_stack: LiveStack,
    /// What is looked into is not the kernel's.
    unsaid: bool,
    /// What was touched since it was last shown.
    touched: Touched,
    /// The next instruction begins a path.
    begins_path: bool,
    /// The instruction written last: how long its line is, and where the line ended.
    line_length: usize,
    line_end: Option<usize>,
    /// The source line shown last, an index into the program's lines.
    source_line: Option<usize>,
}

impl Log {
    pub(crate) fn new(level: LogLevel, window: LogWindow) -> Log {
        Log {
            level,
            buffer: Buffer::new(window),
            epilogue: String::new(),
            totals: crate::explore::last_line(0, 0, 0, 0),
            live_stack: LiveStack::default(),
            unsaid: false,
            touched: Touched::ALL,
            begins_path: false,
            line_length: 0,
            line_end: None,
            source_line: None,
        }
    }

    /// Whether steps are written down. Nothing need be prepared for a log that is off.
    pub(crate) fn is_on(&self) -> bool {
        self.level >= LogLevel::Failing
    }

    /// Whether everything is written down.
    pub(crate) fn has_all(&self) -> bool {
        self.level >= LogLevel::All && !self.unsaid
    }

    /// See [`Log::unsaid`].
    pub(crate) fn is_unsaid(&self) -> bool {
        self.unsaid
    }

    /// Whether what follows is for nobody to read; gives whether it was so before.
    pub(crate) fn unsaid(&mut self, unsaid: bool) -> bool {
        std::mem::replace(&mut self.unsaid, unsaid)
    }

    /// Where the log is, for [`Log::path_begins`].
    pub(crate) fn position(&self) -> usize {
        self.buffer.end()
    }

    /// Writes a line or several, the last without its end.
    pub(crate) fn line(&mut self, text: &str) {
        self.buffer.push(text);
        self.buffer.push("\n");
    }

    /// As [`Log::line`], of what no refusal is made of: a log of statistics alone has it not.
    pub(crate) fn remark(&mut self, text: &str) {
        if self.is_on() {
            self.line(text);
        }
    }

    /// Where the functions of the program start.
    pub(crate) fn functions(&mut self, starts: impl IntoIterator<Item = usize>) {
        if self.has_all() {
            for (index, start) in starts.into_iter().enumerate() {
                self.line(&format!("func#{index} @{start}"));
            }
        }
    }

    /// A function is explored from its prototype alone.
    pub(crate) fn validating(&mut self, name: &str, index: usize) {
        if self.is_on() {
            self.line(&format!("Validating {name}() func#{index}..."));
        }
    }

    /// Exploration of the entry or a global function begins.
    pub(crate) fn exploration_begins(&mut self) {
        self.touched = Touched::ALL;
        self.begins_path = false;
        self.source_line = None;
    }

    /// All its paths end well: unless everything is wanted, none of them is interesting.
    pub(crate) fn exploration_ends(&mut self) {
        if self.is_on() && !self.has_all() {
            self.buffer.rewind(0);
        }
    }

    /// A global function was explored.
    pub(crate) fn is_safe(&mut self, name: &str, index: usize) {
        if self.is_on() {
            self.line(&format!("Func#{index} ('{name}') is safe for any args that match its prototype"));
        }
    }

    /// A path ended, and one that branched off when the log was at `position` is taken up.
    pub(crate) fn path_begins(&mut self, position: usize) {
        self.touched = Touched::ALL;
        self.begins_path = true;
        if self.is_on() && !self.has_all() {
            self.buffer.rewind(position);
        }
    }

    /// The state at `pc` is included in one that was explored before.
    pub(crate) fn pruned(&mut self, prev_pc: usize, pc: usize) {
        if self.is_on() {
            self.line(&match self.begins_path {
                true => format!("\nfrom {prev_pc} to {pc}: safe"),
                false => format!("{pc}: safe"),
            });
        }
    }

    /// The instruction at `pc` is about to be executed.
    pub(crate) fn step(
        &mut self,
        (program, code): (&Program, &Code),
        state: &State,
        (prev_pc, pc): (usize, usize),
    ) {
        if self.has_all() && self.begins_path {
            self.buffer.push(&format!("\nfrom {prev_pc} to {pc}:"));
            self.state(program, state, state.depth(), Touched::ALL);
            self.begins_path = false;
        }
        if !self.touched.is_empty() {
            self.what_was_touched(program, state, pc);
        }
        self.source_line(program, pc);
        let begin = self.buffer.end();
        self.line(&format!("{pc}: {}", KernelText::new(&program.insns, pc, &ProgramNames { program })));
        self.line_length = self.buffer.end() - begin;
        self.line_end = Some(self.buffer.end());
        if self.has_all() {
            self.live_stack.begin(code, state, pc);
        }
        if let Ok(instruction) = code.decoded[pc] {
            self.touched.add(Touched::by(instruction, state));
            if let Instruction::Call(CallTarget::Local(off)) = instruction {
                let callee = code.function_at((pc as i64 + 1 + i64::from(off)) as usize);
                self.touched.add(Touched::by_global(program.funcs.get(callee), state));
            }
        }
    }

    /// The instruction at `pc` was executed.
    pub(crate) fn stepped(&mut self, (program, code): (&Program, &Code), state: &State, pc: usize) {
        if self.has_all() {
            self.live_stack.commit();
        }
        if let Ok(Instruction::JumpIf { .. }) = code.decoded[pc] {
            self.what_was_touched(program, state, pc);
        }
    }

    /// The instruction under way reads slots of a frame.
    pub(crate) fn reads_stack(&mut self, frame: usize, slots: SlotSet) {
        if self.has_all() {
            self.live_stack.read(frame, slots);
        }
    }

    /// The instruction under way writes slots of a frame, all of each.
    pub(crate) fn writes_stack(&mut self, frame: usize, slots: SlotSet) {
        if self.has_all() {
            self.live_stack.write(frame, slots);
        }
    }

    /// A path, or a function, is about to end.
    pub(crate) fn stack_is_known(&mut self, code: &Code, state: &State) {
        if self.has_all() {
            let text = self.live_stack.update(code, state);
            self.buffer.push(&text);
        }
    }

    /// A static function was entered.
    pub(crate) fn entered(&mut self, program: &Program, state: &State) {
        if !self.is_on() {
            return;
        }
        self.live_stack.leave();
        for (who, frame) in [("caller", state.depth() - 1), ("callee", state.depth())] {
            self.line(&format!("{who}:"));
            self.state(program, state, frame, Touched::ALL);
        }
        self.touched = Touched::ALL;
    }

    /// A global function was called.
    pub(crate) fn assumed_valid(&mut self, name: &str, index: usize) {
        if self.is_on() {
            self.line(&format!("Func#{index} ('{name}') is global and assumed valid."));
        }
    }

    /// What the function that runs knows, for [`Log::returned`].
    pub(crate) fn known_in_callee(&self, program: &Program, state: &State) -> Option<String> {
        let text = StateText { state, frame: state.depth(), shown: Touched::ALL, marks: None, program };
        self.is_on().then(|| text.to_string())
    }

    /// A function was left; the caller goes on at `to`.
    pub(crate) fn returned(&mut self, program: &Program, callee: Option<String>, state: &State, to: usize) {
        let Some(callee) = callee else { return };
        self.line("returning from callee:");
        self.line(&callee);
        self.line(&format!("to caller at {to}:"));
        self.state(program, state, state.depth(), Touched::ALL);
    }

    /// By its last instruction: what comes is shown as a path of its own.
    pub(crate) fn exited(&mut self) {
        self.begins_path = true;
    }

    /// Bytes `fp + first .. fp + end` of a stack are written, or looked at as what is kept there.
    pub(crate) fn touch_stack(&mut self, first: i64, end: i64) {
        if self.is_on() && first < end {
            self.touched.add(Touched::stack(first, end - 1));
        }
    }

    pub(crate) fn touch_slot(&mut self, slot: usize) {
        self.touched.add(Touched::slot(slot));
    }

    /// A frame was made.
    pub(crate) fn touch_all(&mut self) {
        self.touched = Touched::ALL;
    }

    /// `bpf_loop`, called in this frame, has no rounds left.
    pub(crate) fn rounds_are_over(&mut self, frame: usize) {
        if self.has_all() {
            self.line(&format!("frame{frame} bpf_loop iteration limit reached"));
        }
    }

    /// A path came back to a state it was in before, and is about to be refused.
    pub(crate) fn circle(&mut self, program: &Program, cur: &State, old: &State, marks: Marks<'_>) {
        if self.is_on() {
            let (frame, shown) = (cur.depth(), Touched::ALL);
            let cur = StateText { state: cur, frame, shown, marks: None, program };
            let old = StateText { state: old, frame, shown, marks: Some(marks), program };
            self.epilogue = format!("cur state:{cur}\nold state:{old}\n");
        }
    }

    /// What was kept, with the line of totals.
    pub(crate) fn finish(&mut self) -> String {
        if self.level == LogLevel::Off {
            return String::new();
        }
        self.buffer.push(&self.epilogue);
        self.buffer.push(&self.totals);
        self.buffer.finish()
    }

    /// Behind the last instruction if nothing came between, else on a line of its own (linux: print_insn_state()).
    fn what_was_touched(&mut self, program: &Program, state: &State, pc: usize) {
        if self.line_end == Some(self.buffer.end()) {
            self.buffer.rewind(self.buffer.end() - 1);
            let column = (self.line_length + STATE_COLUMN_STEP / 2).max(STATE_COLUMN);
            let spaces = column.next_multiple_of(STATE_COLUMN_STEP) - self.line_length - 1;
            self.buffer.push(&format!("{:spaces$};", ""));
        } else {
            self.buffer.push(&format!("{pc}:"));
        }
        self.state(program, state, state.depth(), self.touched);
        self.touched = Touched::default();
    }

    fn state(&mut self, program: &Program, state: &State, frame: usize, shown: Touched) {
        let text = StateText { state, frame, shown, marks: None, program };
        self.line(&text.to_string());
    }

    /// The source line, if it is another one than that of the instruction before.
    fn source_line(&mut self, program: &Program, pc: usize) {
        let after = program.lines.partition_point(|line| line.insn_off as usize <= pc);
        let Some(index) = after.checked_sub(1).filter(|&index| self.source_line != Some(index)) else {
            return;
        };
        let line = &program.lines[index];
        let shown = self.source_line.and_then(|shown| program.lines.get(shown));
        if shown.is_some_and(|shown| (&shown.file, shown.line) == (&line.file, line.line)) {
            return;
        }
        let file = line.file.rsplit('/').next().unwrap_or_default();
        self.line(&format!("; {} @ {file}:{}", line.text.trim_start(), line.line));
        self.source_line = Some(index);
    }
}
