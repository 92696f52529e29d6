//! The object, ready to run: an instance for each engine, and the hook its entry is put on.

use std::fs;
use std::sync::Arc;

use anyhow::{Context, bail};
use bpfreplay_instance::{Engine, Instance, Load, Options};
use bpfreplay_loader::Object;
use bpfreplay_parsers::PARSER_DPA;
use bpfreplay_replay::{EngineSetup, Pipeline, Programs, RecordMaps};
use bpfreplay_runtime::skb::{self, Device, Stamp, TestRun, TestRunContext};
use bpfreplay_tc::{Direction, Filter, Hook};
use bpfreplay_uapi::ProgType;

use crate::complain;
use crate::hiargs::{ObjectSource, ReplayArgs};
use crate::lowargs;

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
        let mut engines_ready = Engines { instances: Vec::new(), setups: Vec::new(), hook: hook(args.hook) };
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
            engines_ready.setups.push(setup(&instance, args.hook)?);
            engines_ready.instances.push(instance);
        }
        Ok(engines_ready)
    }
}

fn read_object(args: &ReplayArgs) -> anyhow::Result<(Object, String)> {
    let (bytes, name) = match &args.object {
        ObjectSource::Embedded => (PARSER_DPA.bytes.into(), format!("embedded object {}", PARSER_DPA.name)),
        ObjectSource::File(path) => {
            let name = path.display().to_string();
            (fs::read(path).with_context(|| format!("{name}: cannot read"))?, name)
        }
    };
    let options = bpfreplay_loader::Options { prog_type: args.prog_type, ..Default::default() };
    let object = Object::parse_with(&bytes, &options).with_context(|| name.clone())?;
    Ok((object, name))
}

fn entry(args: &ReplayArgs) -> Option<String> {
    match (&args.entry, &args.object) {
        (None, ObjectSource::Embedded) => Some(PARSER_DPA.entry.to_owned()),
        (entry, _) => entry.clone(),
    }
}

fn hook(hook: lowargs::Hook) -> skb::Hook {
    match hook {
        // The capture's clock is the only one a replay has: programs that look at tstamp should find it there.
        lowargs::Hook::Ingress => skb::Hook::Ingress(Device { stamp: Stamp::Capture, ..Device::default() }),
        lowargs::Hook::Egress => skb::Hook::Egress(Device::default()),
        // As with ctx_out, which is how bpftool gets at mark, priority and cb: wire_len is the frame's length.
        lowargs::Hook::TestRun => skb::Hook::TestRun(
            TestRun::with_context(TestRunContext::default()).expect("a context of zeroes is in range"),
        ),
    }
}

fn setup(instance: &Instance, hook: lowargs::Hook) -> anyhow::Result<EngineSetup> {
    let entry = instance.entry();
    let info = entry.info();
    if !matches!(info.prog_type, ProgType::SchedCls | ProgType::SchedAct) {
        bail!(
            "program '{}' is of type {}; frames are replayed through {} and {} programs",
            info.name,
            info.prog_type.name(),
            ProgType::SchedCls.name(),
            ProgType::SchedAct.name()
        );
    }
    let clsact = |direction| -> anyhow::Result<Pipeline> {
        let mut hook = Hook::new(direction);
        hook.add(Filter::direct_action(Arc::clone(entry)))?;
        Ok(Pipeline::Tc(hook))
    };
    let pipeline = match hook {
        lowargs::Hook::Ingress => clsact(Direction::Ingress)?,
        lowargs::Hook::Egress => clsact(Direction::Egress)?,
        lowargs::Hook::TestRun => Pipeline::TestRun(Arc::clone(entry)),
    };
    let programs = instance.programs().iter().map(|program| program.executable.info().clone());
    let records = RecordMaps::new(instance.maps());
    Ok(EngineSetup { pipeline, programs: Arc::new(Programs::new(programs)), records })
}
