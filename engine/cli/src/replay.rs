//! `bpfreplay replay`.

use std::io::{self, Write};

use bpfreplay_replay::{Replay, compare_maps};
use bpfreplay_uapi::HelperId;

use crate::complain;
use crate::engines::Engines;
use crate::exit::{Exit, Failure};
use crate::hiargs::{ReplayArgs, ReportFormat};
use crate::outputs::{Outputs, Printing};
use crate::progress::Bar;
use crate::report::{self, Facts, ParseResults};
use crate::{stop, usage};

pub(crate) fn run(args: &ReplayArgs) -> Result<Exit, Failure> {
    let Engines { instances, setups, hook } = Engines::new(args).map_err(usage)?;
    let Some(programs) = setups.first().map(|setup| setup.programs.clone()) else { return Ok(Exit::Done) };
    let prints = instances.iter().any(|instance| {
        [HelperId::TracePrintk, HelperId::TraceVprintk].into_iter().any(|helper| instance.calls(helper))
    });
    let printing = if prints { Printing::Some } else { Printing::None };
    let outputs = Outputs::open(args, &programs, printing).map_err(usage)?;
    let stop = stop::flag().map_err(usage)?;
    let bar = Bar::new(args.bytes);

    let replay = Replay { engines: setups, hook, workers: args.workers, sinks: outputs.sinks };
    let mut report = replay.run(args.captures.clone(), &stop, &mut |progress| bar.show(progress));
    bar.clear();

    let maps = instances.first().map(|instance| instance.maps()).unwrap_or_default();
    let maps_differ = match &instances[..] {
        [first, second] if report.difference.is_none() && report.fault.is_none() => {
            compare_maps(first.maps(), second.maps()).map_err(usage)?
        }
        _ => None,
    };
    // A reader that has seen enough closes its end of the pipe: that is no failure of ours.
    report.sink_errors.retain(|error| error.source.kind() != io::ErrorKind::BrokenPipe);
    let mut maps_error = None;
    if let Some(output) = outputs.maps
        && let Err((name, error)) = output.write(maps)
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        maps_error = Some(format!("cannot write {name}: {error}"));
    }

    let parse_results = ParseResults::read(maps);
    let facts = Facts { args, report: &report, programs: &programs, parse_results, maps_differ };
    let text = match args.format {
        ReportFormat::Text => report::text(&facts),
        ReportFormat::Json => report::json(&facts),
    };
    let printed = print(&text, args.stdout_is_taken());
    for problem in report::problems(&facts) {
        complain(&problem);
    }
    if let Some(problem) = &maps_error {
        complain(problem);
    }
    let partly = report.ended_early()
        || report.frames_refused() > 0
        || facts.maps_differ.is_some()
        || maps_error.is_some()
        || printed.is_err();
    Ok(if partly { Exit::Partly } else { Exit::Done })
}

/// Standard output may be a pipe whose other end is closed, which is no error, or on a full disk.
fn print(text: &str, stdout_is_taken: bool) -> io::Result<()> {
    let result = if stdout_is_taken {
        anstream::stderr().write_all(text.as_bytes())
    } else {
        let mut out = anstream::stdout();
        out.write_all(text.as_bytes()).and_then(|()| out.flush())
    };
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            complain(&format_args!("cannot write the report: {error}"));
            Err(error)
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
