//! Loops: sets of slots from each of which all the others are reached (linux: compute_scc()).

use bpfreplay_isa::{DecodeErrorKind, Instruction};

use super::liveness::successors;

/// The loop each slot is in, by a number from 1; 0 for slots that are in none.
///
/// Tarjan's algorithm, without recursion: programs are as long as they like.
pub(super) fn components(decoded: &[Result<Instruction, DecodeErrorKind>]) -> Vec<u32> {
    let mut search = Search {
        low: vec![0; decoded.len()],
        order: vec![0; decoded.len()],
        open: Vec::new(),
        component: vec![0; decoded.len()],
        entered: 0,
        found: 0,
    };
    for start in 0..decoded.len() {
        let mut path = Vec::new();
        if search.order[start] == 0 {
            path.push(start);
        }
        while let Some(&slot) = path.last() {
            search.enter(slot);
            let next = || after(decoded, slot);
            if let Some(unseen) = next().find(|&next| search.order[next] == 0) {
                path.push(unseen);
                continue;
            }
            let lowest = next().map(|next| search.low[next]).min();
            search.low[slot] = search.low[slot].min(lowest.unwrap_or(CLOSED));
            path.pop();
            if search.low[slot] == search.order[slot] {
                search.close(slot, next().any(|next| next == slot));
            }
        }
    }
    search.component
}

/// The lowest number of a slot whose component is complete: no one's minimum.
const CLOSED: u32 = u32::MAX;

struct Search {
    /// When a slot was entered, from 1.
    order: Vec<u32>,
    /// When the first slot was entered that is reached from it and not complete.
    low: Vec<u32>,
    /// Slots whose component is not complete.
    open: Vec<usize>,
    component: Vec<u32>,
    entered: u32,
    found: u32,
}

impl Search {
    fn enter(&mut self, slot: usize) {
        if self.order[slot] == 0 {
            self.entered += 1;
            self.order[slot] = self.entered;
            self.low[slot] = self.entered;
            self.open.push(slot);
        }
    }

    /// All that was entered behind `first` and is open is one component; of one slot alone it is a loop if that is.
    fn close(&mut self, first: usize, is_loop: bool) {
        let is_loop = is_loop || self.open.last() != Some(&first);
        self.found += u32::from(is_loop);
        while let Some(slot) = self.open.pop() {
            self.low[slot] = CLOSED;
            if is_loop {
                self.component[slot] = self.found;
            }
            if slot == first {
                return;
            }
        }
    }
}

/// Where execution goes on; behind a slot that is no instruction, the next.
fn after(
    decoded: &[Result<Instruction, DecodeErrorKind>],
    slot: usize,
) -> impl Iterator<Item = usize> + use<> {
    let next = match decoded[slot] {
        Ok(instruction) => successors(instruction, slot),
        Err(_) => [Some(slot + 1), None],
    };
    let slots = decoded.len();
    next.into_iter().flatten().filter(move |&next| next < slots)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn components_of(code: &str) -> Vec<u32> {
        let insns = bpfreplay_isa::assemble(code, &()).expect("it assembles").insns;
        let decoded: Vec<_> = (0..insns.len())
            .map(|pc| bpfreplay_isa::decode(&insns, pc).map_err(|error| error.kind))
            .collect();
        components(&decoded)
    }

    #[test]
    fn loops_are_numbered_as_they_are_left() {
        assert_eq!(components_of("r0 = 0\nexit"), [0, 0]);
        assert_eq!(components_of("r0 = 0\nl:\nr0 += 1\nif r0 < 9 goto l\nexit"), [0, 1, 1, 0]);
        assert_eq!(components_of("l:\ngoto l\nexit"), [1, 0]);
        // A loop in a loop is one; what comes behind is numbered first.
        let nested = "r0 = 0\na:\nr0 += 1\nb:\nr0 += 2\nif r0 < 9 goto b\nif r0 < 8 goto a\n\
                      c:\nr0 += 3\nif r0 < 90 goto c\nexit";
        assert_eq!(components_of(nested), [0, 2, 2, 2, 2, 1, 1, 0]);
    }
}
