//! The object, ready to run: an instance for each engine, and the hook its entry is put on.

use std::sync::Arc;

use anyhow::Context;
use bpfreplay_instance::{Engine, Instance, Load, Options};
use bpfreplay_loader::{Object, object_name};
use bpfreplay_parsers::PARSER_DPA;
use bpfreplay_replay::{EngineSetup, Programs, RecordMaps};
use bpfreplay_runtime::skb;

use crate::hiargs::{ObjectSource, ReplayArgs};
use crate::{complain, lowargs, object, places};

/// Everything that runs frames.
#[derive(Debug)]
pub(crate) struct Engines {
    /// One instance an engine; two with `--engine both`.
    pub instances: Vec<Instance>,
    pub setups: Vec<EngineSetup>,
    pub hook: skb::Hook,
}

impl Engines {
    pub(crate) fn new(args: &ReplayArgs) -> anyhow::Result<Engines> {
        let (object, name) = read_object(args)?;
        for note in &object.notes {
            complain(&format_args!("{name}: {note}"));
        }
        let engines: &[Engine] = match args.engine {
            lowargs::Engine::Jit => &[Engine::Jit],
            lowargs::Engine::Interpreter => &[Engine::Interpreter],
            lowargs::Engine::Both => &[Engine::Jit, Engine::Interpreter],
        };
        let (mut instances, mut setups) = (Vec::new(), Vec::new());
        let mut hook = skb::Hook::Egress(skb::Device::default());
        for engine in engines {
            let options = Options {
                engine: *engine,
                cpus: u32::try_from(args.workers)?,
                entry: entry(args),
                // What frames cannot reach may be of any kind, also one that is not supported.
                load: Load::Reachable,
                tails: args.tails.clone(),
                ..Options::default()
            };
            let instance = Instance::load(&object, &options).with_context(|| name.clone())?;
            for samples in &args.samples {
                samples.produce(&instance)?;
            }
            hook = places::hook(args.hook, instance.entry().info().prog_type);
            let pipeline = places::pipeline(instance.entry(), args.hook)?;
            let programs = instance.programs().iter().map(|program| program.executable.info().clone());
            let programs = Arc::new(Programs::new(programs));
            setups.push(EngineSetup { pipeline, programs, records: RecordMaps::new(instance.maps()) });
            instances.push(instance);
        }
        for refused in &object.refused {
            let (program, why) = (&refused.name, &refused.error);
            complain(&format_args!("{name}: program '{program}' cannot be loaded and is left out: {why}"));
        }
        Ok(Engines { instances, setups, hook })
    }
}

fn read_object(args: &ReplayArgs) -> anyhow::Result<(Object, String)> {
    let (bytes, name, object) = match &args.object {
        ObjectSource::Embedded => (
            PARSER_DPA.bytes.into(),
            format!("embedded object {}", PARSER_DPA.name),
            PARSER_DPA.name.to_owned(),
        ),
        ObjectSource::File(path) => {
            let name = path.display().to_string();
            (object::read(path)?, name, object_name(path))
        }
    };
    let options = bpfreplay_loader::Options { prog_type: args.prog_type, name: object, ..Default::default() };
    let object = Object::parse_with(&bytes, &options).with_context(|| name.clone())?;
    Ok((object, name))
}

fn entry(args: &ReplayArgs) -> Option<String> {
    match (&args.entry, &args.object) {
        (None, ObjectSource::Embedded) => Some(PARSER_DPA.entry.to_owned()),
        (entry, _) => entry.clone(),
    }
}
