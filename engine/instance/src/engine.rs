use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use bpfreplay_interpreter::Interpreter;
use bpfreplay_jit::Jit;
use bpfreplay_runtime::objects::Objects;
use bpfreplay_runtime::{Executable, Map};
use bpfreplay_verifier::VerifiedProgram;

use crate::error::InstanceError;

/// What runs programs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Engine {
    /// Machine code.
    #[default]
    Jit,
    /// One instruction at a time, every access checked.
    Interpreter,
}

/// A text that names no engine.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("unknown engine '{0}' (jit or interpreter)")]
pub struct UnknownEngine(pub String);

impl Engine {
    /// Both.
    pub const ALL: [Engine; 2] = [Engine::Jit, Engine::Interpreter];

    /// Its name, as on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Engine::Jit => "jit",
            Engine::Interpreter => "interpreter",
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Engine {
    type Err = UnknownEngine;

    fn from_str(text: &str) -> Result<Engine, UnknownEngine> {
        Engine::ALL
            .into_iter()
            .find(|engine| engine.name() == text)
            .ok_or_else(|| UnknownEngine(text.to_owned()))
    }
}

/// An engine set up: for the JIT the arena that the programs of one instance share.
#[derive(Debug)]
pub(crate) enum Ready {
    Jit(Jit),
    Interpreter(Interpreter),
}

impl Ready {
    pub(crate) fn new(engine: Engine) -> Result<Ready, InstanceError> {
        match engine {
            Engine::Jit => Jit::new().map(Ready::Jit).map_err(InstanceError::NoJit),
            Engine::Interpreter => Ok(Ready::Interpreter(Interpreter::new())),
        }
    }

    pub(crate) fn prepare(
        &self,
        program: &VerifiedProgram,
        maps: &[Arc<Map>],
        objects: &Arc<Objects>,
    ) -> Result<Arc<dyn Executable>, InstanceError> {
        let name = || program.program().name.clone();
        match self {
            Ready::Jit(jit) => jit
                .prepare_for(program, maps, objects)
                .map_err(|source| InstanceError::Jit { program: name(), source }),
            Ready::Interpreter(interpreter) => interpreter
                .prepare_for(program, maps, objects)
                .map_err(|source| InstanceError::Interpreter { program: name(), source }),
        }
    }
}
