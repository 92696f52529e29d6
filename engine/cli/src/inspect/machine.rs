//! The machine code of programs whose maps this engine can make.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use bpfreplay_instance::{create_map, is_unsupported, maps_named};
use bpfreplay_jit::Jit;
use bpfreplay_program::MapSpec;
use bpfreplay_runtime::{Map, MapError};
use bpfreplay_uapi::MapType;
use bpfreplay_verifier::VerifiedProgram;

use super::jited::{self, Function};
use crate::cpus;

/// A program's machine code.
pub(crate) struct Jited {
    pub bytes: usize,
    pub functions: Vec<Function>,
}

/// The JIT, and the maps made, so that machine code can name them.
pub(super) struct Machine {
    jit: Jit,
    maps: Vec<Made>,
}

/// A map of the object.
struct Made {
    /// The map; an empty one that nobody uses where this engine has not its kind.
    map: Arc<Map>,
    /// As declared, and the reason, where this engine has not its kind.
    missing: Option<(MapSpec, MapError)>,
}

impl Machine {
    /// A map that Linux would not make either is an error of the object.
    pub(super) fn new(object: &Path, specs: &[MapSpec]) -> anyhow::Result<Machine> {
        let maps: Result<_, MapError> = specs.iter().map(Made::new).collect();
        Ok(Machine { jit: Jit::new()?, maps: maps.with_context(|| object.display().to_string())? })
    }

    /// The maps as they are made.
    pub(super) fn specs(&self) -> Vec<MapSpec> {
        self.maps.iter().map(|made| made.spec().clone()).collect()
    }

    pub(super) fn compile(&self, verified: &VerifiedProgram) -> anyhow::Result<Jited> {
        let named = maps_named(verified.program()).into_iter().filter_map(|map| self.maps.get(map));
        if let Some((_, why)) = named.filter_map(|made| made.missing.as_ref()).next() {
            bail!("{why}");
        }
        let maps: Vec<Arc<Map>> = self.maps.iter().map(|made| Arc::clone(&made.map)).collect();
        let executable = self.jit.prepare(verified, &maps)?;
        let jited = executable.as_any().downcast_ref().context("the JIT made something else")?;
        Ok(Jited { bytes: jited::bytes(jited), functions: jited::functions(verified, jited, &maps) })
    }
}

impl Made {
    fn new(spec: &MapSpec) -> Result<Made, MapError> {
        match create_map(spec, cpus()) {
            Ok(map) => Ok(Made { map, missing: None }),
            Err(why) if is_unsupported(&why) => {
                let map = Map::create(&MapSpec::new(&spec.name, MapType::Array, 4, 4, 1), 1)?;
                Ok(Made { map, missing: Some((spec.clone(), why)) })
            }
            Err(why) => Err(why),
        }
    }

    fn spec(&self) -> &MapSpec {
        self.missing.as_ref().map_or_else(|| self.map.spec(), |(spec, _)| spec)
    }
}
