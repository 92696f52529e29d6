use super::{Code, successors};

/// The slots of the function that starts here, each behind those it leads to, as far as loops let them
/// (linux: compute_postorder()).
pub(crate) fn post_order(code: &Code, start: usize) -> Vec<usize> {
    let mut order = Vec::new();
    let mut seen = vec![false; code.insns.len()];
    let mut entered = vec![false; code.insns.len()];
    let mut path = vec![start];
    while let Some(&slot) = path.last() {
        seen[slot] = true;
        if std::mem::replace(&mut entered[slot], true) {
            order.push(slot);
            path.pop();
            continue;
        }
        let Ok(instruction) = code.decoded[slot] else { continue };
        for next in successors(instruction, slot).into_iter().flatten() {
            if next < seen.len() && !std::mem::replace(&mut seen[next], true) {
                path.push(next);
            }
        }
    }
    order
}
