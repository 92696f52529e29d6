//! Opening an output empties its file, and two writers of one file spoil it for each other: an output must be no other
//! output, no capture and not the object. The report, and whatever is said on standard error, are outputs, too.

use std::io;

use anyhow::bail;
use bpfreplay_replay::Capture;

use crate::hiargs::{ObjectSource, Target};
use crate::identity::{self, Identity};
use crate::samples::Samples;

/// Something that is written.
struct Output {
    name: String,
    identity: Option<Identity>,
    /// Opened by whoever started the command, and not by the command.
    inherited: bool,
}

/// Refuses outputs that would overwrite each other or an input.
pub(crate) fn refuse(
    targets: &[&Target],
    object: &ObjectSource,
    samples: &[Samples],
    captures: &[Capture],
) -> anyhow::Result<()> {
    if targets.iter().filter(|target| ***target == Target::Stdout).count() > 1 {
        bail!("two outputs to standard output");
    }
    let outputs = outputs(targets);
    let inputs = inputs(object, samples, captures);
    for (n, output) in outputs.iter().enumerate() {
        let Some(identity) = &output.identity else { continue };
        let same = |other: &&Output| {
            // `2>&1` gives both streams one open file with one position: nothing is overwritten.
            other.identity.as_ref() == Some(identity) && !(output.inherited && other.inherited)
        };
        if let Some(other) = outputs[..n].iter().find(same) {
            bail!("two outputs to one file: {} and {}", other.name, output.name);
        }
        if let Some((what, name, _)) = inputs.iter().find(|(_, _, input)| input.as_ref() == Some(identity)) {
            bail!("writing {} would overwrite {what}, {name}", output.name);
        }
    }
    Ok(())
}

/// What was asked for, and both streams: one of them gets the report, and standard error what is wrong.
fn outputs(targets: &[&Target]) -> Vec<Output> {
    let files = targets.iter().filter_map(|target| match target {
        Target::Stdout => None,
        Target::File(path) => {
            Some(Output { name: target.name(), identity: identity::of_path(path), inherited: false })
        }
    });
    let stream = |name: &str, identity| Output { name: name.to_owned(), identity, inherited: true };
    let streams = [
        stream("standard output", identity::of_stream(&io::stdout())),
        stream("standard error", identity::of_stream(&io::stderr())),
    ];
    files.chain(streams).collect()
}

/// What is read: what it is, its name and which file it is.
fn inputs(
    object: &ObjectSource,
    samples: &[Samples],
    captures: &[Capture],
) -> Vec<(&'static str, String, Option<Identity>)> {
    let captures = captures.iter().map(|capture| {
        let identity = match capture {
            Capture::Stdin => identity::of_stream(&io::stdin()),
            Capture::Path(path) => identity::of_path(path),
            Capture::Memory(_) => None,
        };
        ("the capture that is read", capture.name(), identity)
    });
    let object = match object {
        ObjectSource::Embedded => None,
        ObjectSource::File(path) => Some(("the object", path.display().to_string(), identity::of_path(path))),
    };
    let samples = samples
        .iter()
        .map(|Samples { path, .. }| ("the samples", path.display().to_string(), identity::of_path(path)));
    captures.chain(object).chain(samples).collect()
}
