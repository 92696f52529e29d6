//! A refusal drawn under the C lines it is about.

use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet};
use bpfreplay_program::{LineInfo, Program};

use super::Refused;

/// Columns of a terminal that lines are cut to.
const WIDTH: usize = 120;

pub(super) fn render(name: &str, refused: &Refused) -> String {
    let error = &refused.error;
    let title = match error.pc {
        Some(pc) => format!("program '{name}' is refused at instruction {pc} ({:?})", error.kind.errno()),
        None => format!("program '{name}' is refused ({:?})", error.kind.errno()),
    };
    let mut groups = vec![at_fault(refused, &title)];
    groups.extend(origin(refused));
    if let Some(hint) = &error.evidence.hint {
        groups.push(Group::with_title(Level::HELP.secondary_title(&**hint)));
    }
    Renderer::styled().decor_style(DecorStyle::Ascii).term_width(WIDTH).render(&groups)
}

/// The instruction that was refused, its C line, and what was known of its registers.
fn at_fault<'a>(refused: &'a Refused, title: &'a str) -> Group<'a> {
    let error = &refused.error;
    let text = error.pc.and_then(|pc| instruction(refused, pc, error.instruction.as_deref()));
    let group = Group::with_title(Level::ERROR.primary_title(title));
    let group = match (&error.line, text) {
        (Some(line), text) => {
            let label = text.unwrap_or_default();
            group.element(source(line).annotation(AnnotationKind::Primary.span(span(line)).label(label)))
        }
        (None, Some(text)) => group.element(Level::NOTE.with_name("instruction").message(text)),
        (None, None) => group,
    };
    if error.registers.is_empty() {
        return group;
    }
    group.element(Level::NOTE.with_name("known here").message(&error.registers))
}

/// How the register at fault came to be what it is: the instructions that made it, under their lines.
fn origin(refused: &Refused) -> Option<Group<'_>> {
    let steps = steps(refused);
    if steps.is_empty() {
        return None;
    }
    let title =
        match refused.error.evidence.register.filter(|_| !refused.error.message.contains("alloc_insn=")) {
            Some(register) => format!("how R{} came to be that", register.number()),
            None => "it was acquired here".to_owned(),
        };
    let mut group = Group::with_title(Level::NOTE.secondary_title(title));
    let mut steps = steps.into_iter().peekable();
    while let Some(Step { line, text, .. }) = steps.next() {
        let Some(line) = line else {
            group = group.element(Level::NOTE.no_name().message(text));
            continue;
        };
        let mut snippet = source(line).annotation(context(line, text));
        // Instructions of one line stand under it together.
        while let Some(Step { line: Some(line), text, .. }) = steps
            .next_if(|next| next.line.is_some_and(|next| (&next.file, next.line) == (&line.file, line.line)))
        {
            snippet = snippet.annotation(context(line, text));
        }
        group = group.element(snippet);
    }
    Some(group)
}

fn context(line: &LineInfo, text: String) -> Annotation<'_> {
    AnnotationKind::Context.span(span(line)).label(text)
}

fn source(line: &LineInfo) -> Snippet<'_, Annotation<'_>> {
    Snippet::source(&*line.text).path(&*line.file).line_start(line.line.max(1) as usize)
}

/// The word (or the sign) at the column; bytes of the line's text.
fn span(line: &LineInfo) -> Range<usize> {
    let text = &*line.text;
    let indent = text.len() - text.trim_start().len();
    let start = (line.column as usize).checked_sub(1).unwrap_or(indent);
    let Some(rest) = text.get(start..).filter(|rest| !rest.is_empty()) else {
        return indent..text.trim_end().len().max(indent);
    };
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let word = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
    start..start + word.max(rest.chars().next().map_or(1, char::len_utf8))
}

/// An instruction on the way to the refusal.
pub(super) struct Step<'a> {
    pub(super) pc: u32,
    pub(super) line: Option<&'a LineInfo>,
    /// `2: (07) r2 += 4 ; R2=pkt(off=4,r=0)`
    pub(super) text: String,
}

/// What made the register at fault, in the order of execution.
pub(super) fn steps(refused: &Refused) -> Vec<Step<'_>> {
    let log: Vec<&str> = refused.error.evidence.log.lines().collect();
    let mut behind = log.len();
    let mut steps: Vec<Step<'_>> = Vec::new();
    // A loop writes an instruction often: the last time before the step behind it counts.
    for &pc in refused.error.evidence.origin.iter().rev() {
        let found = log[..behind].iter().rposition(|line| is_instruction(line, pc));
        behind = found.unwrap_or(behind);
        let Some(found) = found else { continue };
        steps.push(Step { pc, line: line_at(&refused.program, pc), text: joined(log[found]) });
    }
    steps.reverse();
    steps
}

/// The instruction as the log has it; else as it was given.
fn instruction(refused: &Refused, pc: u32, given: Option<&str>) -> Option<String> {
    let log = &refused.error.evidence.log;
    let logged = log.lines().rfind(|line| is_instruction(line, pc)).map(joined);
    logged.or_else(|| given.map(|text| format!("{pc}: {text}")))
}

fn is_instruction(line: &str, pc: u32) -> bool {
    line.split_once(": (").is_some_and(|(at, _)| at.parse() == Ok(pc))
}

/// Without the spaces before what an instruction did.
fn joined(line: &str) -> String {
    match line.split_once(';') {
        Some((instruction, state)) => format!("{} ;{state}", instruction.trim_end()),
        None => line.to_owned(),
    }
}

fn line_at(program: &Program, pc: u32) -> Option<&LineInfo> {
    program.line_at(pc as usize)
}
