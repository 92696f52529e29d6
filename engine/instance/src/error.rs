use bpfreplay_interpreter::PrepareError;
use bpfreplay_jit::JitError;
use bpfreplay_loader::{LoadError, RefusedProgram};
use bpfreplay_runtime::MapError;
use bpfreplay_verifier::VerifierError;

use crate::tail::BadTail;

/// Why an object is not ready to run.
#[derive(Debug, thiserror::Error)]
pub enum InstanceError {
    /// An object of maps only.
    #[error("the object holds no programs")]
    NoPrograms,
    /// A name no program has.
    #[error("no program '{name}' {}", there_are(known))]
    NoSuchProgram {
        /// The name.
        name: String,
        /// The programs there are.
        known: Vec<String>,
    },
    /// Several programs that could be meant.
    #[error("which program is the entry? (candidates: {})", candidates.join(", "))]
    AmbiguousEntry {
        /// Programs no prog array leads to.
        candidates: Vec<String>,
    },
    /// A name no map has.
    #[error("no map '{name}' {}", there_are(known))]
    NoSuchMap {
        /// The name.
        name: String,
        /// The maps there are.
        known: Vec<String>,
    },
    /// Programs can be put into prog arrays only.
    #[error("map '{map}' is of type {map_type}, not prog_array")]
    NotAProgArray {
        /// The map.
        map: String,
        /// Its type.
        map_type: &'static str,
    },
    /// A program that is needed and that the loader refuses.
    #[error("program '{program}' cannot be loaded: {source}")]
    NotLoaded {
        /// The program.
        program: String,
        /// The loader's reason.
        source: Box<LoadError>,
    },
    /// A map that cannot be created.
    #[error("{0}")]
    Map(MapError),
    /// A program the verifier refuses.
    #[error("program '{program}' was refused: {source}")]
    Verifier {
        /// The program.
        program: String,
        /// The verifier's reason.
        source: Box<VerifierError>,
    },
    /// No memory for machine code.
    #[error("the JIT cannot start: {0}")]
    NoJit(JitError),
    /// A program the JIT cannot take.
    #[error("program '{program}' cannot be compiled: {source}")]
    Jit {
        /// The program.
        program: String,
        /// Why.
        source: JitError,
    },
    /// A program the interpreter cannot take.
    #[error("program '{program}' cannot be interpreted: {source}")]
    Interpreter {
        /// The program.
        program: String,
        /// Why.
        source: PrepareError,
    },
    /// A program that refers to a prog array bound to programs of another kind: `BPF_PROG_LOAD`'s EINVAL.
    #[error("program '{program}' cannot use prog array '{map}': {source}")]
    Owner {
        /// The program.
        program: String,
        /// The prog array.
        map: String,
        /// The property that differs.
        source: MapError,
    },
    /// A slot that cannot be filled.
    #[error("{map}[{slot}] = {program}: {source}")]
    Slot {
        /// The prog array.
        map: String,
        /// The slot.
        slot: u32,
        /// The program.
        program: String,
        /// Why.
        source: MapError,
    },
    /// A tail-call override that cannot be read.
    #[error("{0}")]
    BadTail(#[from] BadTail),
}

impl InstanceError {
    pub(crate) fn not_loaded(refused: &RefusedProgram) -> InstanceError {
        InstanceError::NotLoaded { program: refused.name.clone(), source: Box::new(refused.error.clone()) }
    }
}

fn there_are(known: &[String]) -> String {
    if known.is_empty() {
        "(there are none)".to_owned()
    } else {
        format!("(there are: {})", known.join(", "))
    }
}
