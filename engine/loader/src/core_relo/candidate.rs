//! The target types a type of the object may stand for.

use std::collections::HashMap;

use bpfreplay_btf::{Btf, Kind, Type};

use super::Stop;

/// Finds target types by name, once for each type asked about.
pub(super) struct Candidates<'a> {
    local: &'a Btf,
    /// `None`: the object is its own target.
    target: Option<&'a Btf>,
    known: HashMap<u32, Vec<u32>>,
    /// The target's types by name without flavour.
    by_name: HashMap<&'a str, Vec<u32>>,
}

impl<'a> Candidates<'a> {
    pub(super) fn new(local: &'a Btf, target: Option<&'a Btf>) -> Candidates<'a> {
        let searched = target.unwrap_or(local);
        let mut by_name: HashMap<&'a str, Vec<u32>> = HashMap::new();
        for (id, ty) in searched.types() {
            let name = searched.name(ty).unwrap_or_default();
            if !name.is_empty() && class_of(ty).is_some() {
                by_name.entry(essential_name(name)).or_default().push(id);
            }
        }
        Candidates { local, target, known: HashMap::new(), by_name }
    }

    /// The candidates for a type of the object.
    pub(super) fn of(&mut self, root: u32) -> Result<&[u32], Stop> {
        if !self.known.contains_key(&root) {
            let found = self.search(root)?;
            self.known.insert(root, found);
        }
        Ok(self.known.get(&root).map_or(&[], Vec::as_slice))
    }

    fn search(&self, root: u32) -> Result<Vec<u32>, Stop> {
        let ty = self.local.get(root)?;
        let name = self.local.name(ty)?;
        let essential = essential_name(name);
        let same_class = |btf: &Btf, id: u32| btf.get(id).is_ok_and(|other| class_of(other) == class_of(ty));
        let named = self.by_name.get(essential).map_or(&[][..], Vec::as_slice);
        match self.target {
            Some(target) => Ok(named.iter().copied().filter(|&id| same_class(target, id)).collect()),
            // In the object itself a type stands for itself, and a flavour for the type without one, if there is.
            None if essential == name => Ok(vec![root]),
            None => {
                let plain = |id: &u32| {
                    self.local.get(*id).and_then(|other| self.local.name(other)).is_ok_and(|n| n == essential)
                };
                let mut found: Vec<u32> =
                    named.iter().copied().filter(plain).filter(|&id| same_class(self.local, id)).collect();
                if found.is_empty() {
                    found.push(root);
                }
                Ok(found)
            }
        }
    }
}

/// What must agree between a type and its candidates: its kind, enums of both widths being one.
fn class_of(ty: &Type) -> Option<u8> {
    match ty.kind {
        Kind::Int { .. } => Some(0),
        Kind::Struct { union: false, .. } => Some(1),
        Kind::Struct { union: true, .. } => Some(2),
        Kind::Enum { .. } => Some(3),
        Kind::Typedef(_) => Some(4),
        Kind::Float { .. } => Some(5),
        Kind::Fwd => Some(6),
        Kind::Func { .. } => Some(7),
        Kind::Void
        | Kind::Ptr(_)
        | Kind::Array { .. }
        | Kind::Modifier(_)
        | Kind::FuncProto { .. }
        | Kind::Var { .. }
        | Kind::Datasec { .. }
        | Kind::DeclTag { .. } => None,
    }
}

/// A name without its flavour, `___` and what follows (`bpf_core_essential_name_len`).
pub(super) fn essential_name(name: &str) -> &str {
    let bytes = name.as_bytes();
    let separator = bytes.windows(5).rposition(|w| w[0] != b'_' && w[1..4] == *b"___" && w[4] != b'_');
    separator.map_or(name, |at| &name[..=at])
}

#[cfg(test)]
mod tests {
    use super::essential_name;

    #[test]
    fn flavours_are_cut_off() {
        assert_eq!(essential_name("task_struct"), "task_struct");
        assert_eq!(essential_name("task_struct___old"), "task_struct");
        assert_eq!(essential_name("a___b___c"), "a___b");
        assert_eq!(essential_name("___x"), "___x");
        assert_eq!(essential_name("x____y"), "x____y");
        assert_eq!(essential_name("x___"), "x___");
        assert_eq!(essential_name(""), "");
    }
}
