use crate::state::{HistoryEntry, State};

/// Walks a state's steps back from its last instruction to the join point it started at.
///
/// History has a line only where the instruction before is not the slot before (jumps, returns) and where a spilled
/// register was touched; in between, the way is read off the slots.
pub(super) struct Steps<'a> {
    history: &'a [HistoryEntry],
    first_pc: u32,
    next: Option<u32>,
}

impl<'a> Steps<'a> {
    pub(super) fn back_from(state: &'a State, last_pc: usize) -> Steps<'a> {
        Steps { history: &state.history, first_pc: state.first_pc, next: u32::try_from(last_pc).ok() }
    }
}

impl<'a> Iterator for Steps<'a> {
    type Item = (usize, Option<&'a HistoryEntry>);

    fn next(&mut self) -> Option<Self::Item> {
        let pc = self.next?;
        let entry = self.history.last().filter(|entry| entry.pc == pc);
        let is_first = pc == self.first_pc
            && match self.history {
                [] => true,
                [only] => only.pc == pc,
                _ => false,
            };
        self.next = if is_first {
            None
        } else if let Some(entry) = entry {
            self.history = &self.history[..self.history.len() - 1];
            Some(entry.prev_pc)
        } else {
            pc.checked_sub(1)
        };
        Some((pc as usize, entry))
    }
}
