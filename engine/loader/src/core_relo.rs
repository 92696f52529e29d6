//! CO-RE, "compile once, run everywhere": instructions that depend on where a field lies, how large it is, or whether
//! it exists, and are completed when the target's types are known.
//!
//! ```text
//!   record { instruction, type, "0:1:2", kind }
//!        │ spec       the access string walked through the object's types: names and array indices
//!        │ candidate  the target types of that name
//!        │ matching   the same names walked through a candidate
//!        │ value      what the instruction should hold, by the object's types and by the target's
//!        ▼ patch      checked against the former, replaced by the latter
//! ```
//!
//! The target is a BTF that is given, or the object itself: the contexts and packet headers programs here see are the
//! UAPI's, which is what they were compiled against. A flavour (`struct foo___old`) stands for `struct foo` where the
//! target has that, so that questions whether a field exists get the kernel's answer.

mod candidate;
mod matching;
mod patch;
mod spec;
mod value;

pub use patch::POISON;

use std::cell::Cell;

use bpfreplay_btf::{Btf, BtfError};

use crate::btf::ext::{CoreRecord, Ext};
use crate::error::{BtfObjectProblem, CoreProblem, LoadError, LoadErrorKind};
use crate::function::{Functions, SLOT};
use candidate::Candidates;
use patch::Patch;
use spec::Spec;
use value::Answer;

/// Members and types compared for one object at most. Ours: types that contain each other many times over would
/// otherwise take for ever.
pub const CORE_STEPS_MAX: u64 = 1 << 26;

/// Completes every instruction of the object that has a CO-RE relocation. One that cannot be completed is marked as
/// broken.
pub(crate) fn apply(
    btf: &Btf,
    ext: &Ext,
    target: Option<&Btf>,
    functions: &mut Functions<'_>,
) -> Result<(), LoadError> {
    let budget = Budget(Cell::new(CORE_STEPS_MAX));
    let mut candidates = Candidates::new(btf, target);
    for (section, records) in ext.core_relos() {
        let code = functions.code.iter().position(|code| code.name == section);
        for (index, record) in records.iter().enumerate() {
            let offset = u64::from(record.offset);
            let slot = offset / SLOT;
            let code = code
                .filter(|&code| slot < functions.code[code].insns.len() as u64 && offset.is_multiple_of(SLOT))
                .ok_or_else(|| no_instruction(section, record.offset))?;
            let insns = &mut functions.code[code].insns;
            let patched = resolve(btf, target.unwrap_or(btf), record, &mut candidates, &budget)
                .and_then(|patch| Ok(patch.apply(insns, slot as usize, index)?));
            if let Err(stop) = patched {
                let error = stop.at(section, offset, || describe(btf, record));
                functions.mark_broken(code, slot, error);
            }
        }
    }
    Ok(())
}

/// What one relocation makes of its instruction.
fn resolve(
    btf: &Btf,
    target: &Btf,
    record: &CoreRecord,
    candidates: &mut Candidates<'_>,
    budget: &Budget,
) -> Result<Patch, Stop> {
    let local = Spec::parse(btf, record)?;
    let expected = value::of(btf, Some(&local), &local)?;

    let mut found: Option<(u32, Spec, Answer)> = None;
    for &candidate in candidates.of(local.root)? {
        let Some(spec) = matching::find(btf, &local, target, candidate, budget)? else { continue };
        let answer = value::of(target, Some(&spec), &local)?;
        match &found {
            Some((first, earlier, _)) if earlier.bit_offset != spec.bit_offset => {
                return Err(CoreProblem::Ambiguous { first: *first, second: candidate }.into());
            }
            Some((first, _, before)) if before.value != answer.value => {
                return Err(CoreProblem::Ambiguous { first: *first, second: candidate }.into());
            }
            Some(_) => {}
            None => found = Some((candidate, spec, answer)),
        }
    }
    let wanted = match found {
        Some((_, _, answer)) => answer,
        None => value::of(target, None, &local)?,
    };
    let sizes_agree = value::sizes_agree((btf, &expected), (target, &wanted))?;
    Ok(Patch { expected, wanted, sizes_agree })
}

/// Why a relocation stops: for its own reasons, or because the types are broken.
enum Stop {
    Core(CoreProblem),
    Load(LoadError),
}

impl Stop {
    fn at(self, section: &str, offset: u64, spec: impl FnOnce() -> String) -> LoadError {
        match self {
            Stop::Core(problem) => {
                LoadError::at(section, offset, LoadErrorKind::Core { spec: spec(), problem })
            }
            Stop::Load(error) => error,
        }
    }
}

impl From<CoreProblem> for Stop {
    fn from(problem: CoreProblem) -> Stop {
        Stop::Core(problem)
    }
}

impl From<BtfError> for Stop {
    fn from(error: BtfError) -> Stop {
        LoadError::from(error).into()
    }
}

impl From<LoadError> for Stop {
    fn from(error: LoadError) -> Stop {
        Stop::Load(error)
    }
}

/// Steps left of [`CORE_STEPS_MAX`].
struct Budget(Cell<u64>);

impl Budget {
    fn take(&self, steps: usize) -> Result<(), Stop> {
        let left = self.0.get().checked_sub(steps as u64 + 1);
        self.0.set(left.unwrap_or(0));
        left.map(|_| ()).ok_or_else(|| {
            let kind = LoadErrorKind::TooLarge {
                what: "comparison of CO-RE types",
                size: CORE_STEPS_MAX + 1,
                limit: CORE_STEPS_MAX,
            };
            Stop::Load(kind.into())
        })
    }
}

fn no_instruction(section: &str, offset: u32) -> LoadError {
    let problem = BtfObjectProblem::InsnOffset { what: "core_relo", section: section.to_owned(), offset };
    LoadError::at(".BTF.ext", 0, LoadErrorKind::BtfObject(problem))
}

/// The type and access string of a relocation, for messages.
fn describe(btf: &Btf, record: &CoreRecord) -> String {
    let name = btf.get(record.type_id).and_then(|ty| btf.name(ty)).unwrap_or("?");
    let access = btf.string(record.access_off).unwrap_or("?");
    format!("{} {access}", if name.is_empty() { "(anonymous)" } else { name })
}
