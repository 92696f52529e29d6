//! Where frames, maps and verdicts are written.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;

use anyhow::Context;
use bpfreplay_replay::{Events, Format, Ndjson, Printk, Programs, Sink, VerdictPcapng, write_maps};
use bpfreplay_runtime::Map;

use crate::hiargs::{ReplayArgs, Target};

/// The outputs of a replay, opened before it begins: a path that cannot be written is known at once.
pub(crate) struct Outputs {
    pub sinks: Vec<Sink>,
    pub maps: Option<MapsOutput>,
}

/// Whether programs call `bpf_trace_printk`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Printing {
    Some,
    None,
}

/// The `--maps` file.
pub(crate) struct MapsOutput {
    name: String,
    out: Box<dyn Write + Send>,
}

impl Outputs {
    /// `printk`: whether any program prints, so that somebody has to take the lines.
    pub(crate) fn open(
        args: &ReplayArgs,
        programs: &Arc<Programs>,
        printk: Printing,
    ) -> anyhow::Result<Outputs> {
        let mut sinks = Vec::new();
        let formats: [(&Option<Target>, Arc<dyn Format>); 4] = [
            (&args.frames, Arc::new(Ndjson::new(Arc::clone(programs)))),
            (&args.write, Arc::new(VerdictPcapng::new(Arc::clone(programs)))),
            (&args.events, Arc::new(Events)),
            (&args.printk, Arc::new(Printk)),
        ];
        for (target, format) in formats {
            if let Some(target) = target {
                sinks.push(Sink::new(&target.name(), format, open(target)?));
            }
        }
        if args.printk.is_none() && printk == Printing::Some {
            sinks.push(Sink::new("standard error", Arc::new(Printk), Box::new(io::stderr())));
        }
        let maps = match &args.maps {
            Some(target) => Some(MapsOutput { name: target.name(), out: open(target)? }),
            None => None,
        };
        Ok(Outputs { sinks, maps })
    }
}

impl MapsOutput {
    pub(crate) fn write(self, maps: &[Arc<Map>]) -> Result<(), (String, io::Error)> {
        let mut out = io::BufWriter::new(self.out);
        write_maps(maps, &mut out).and_then(|()| out.flush()).map_err(|error| (self.name, error))
    }
}

fn open(target: &Target) -> anyhow::Result<Box<dyn Write + Send>> {
    Ok(match target {
        Target::Stdout => Box::new(io::stdout()),
        Target::File(path) => {
            Box::new(File::create(path).with_context(|| format!("{}: cannot create", path.display()))?)
        }
    })
}
