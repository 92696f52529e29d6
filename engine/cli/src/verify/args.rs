use std::path::PathBuf;

use bpfreplay_uapi::ProgType;
use bpfreplay_verifier::LogLevel;
use clap::Args;

use crate::object;

const AFTER_HELP: &str = "\
Examples:
  bpfreplay verify prog.bpf.o                       all programs of the object
  bpfreplay verify prog.bpf.o --program ingress     one of them
  bpfreplay verify prog.bpf.o --log-level 2         with the verifier's log, all paths

Exit codes:
  0  all programs are accepted
  1  a program is refused
  2  usage, or an object that cannot be read";

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Verify {
    /// The object, as clang made it
    #[arg(value_name = "OBJECT.bpf.o")]
    pub object: PathBuf,

    /// Verify this program only, by its C symbol; may be given several times
    #[arg(short, long = "program", value_name = "PROG")]
    pub programs: Vec<String>,

    /// What all programs of the object are, whatever their sections are called (bpftool's `type`)
    #[arg(long = "type", value_name = "TYPE", value_parser = object::prog_type)]
    pub prog_type: Option<ProgType>,

    /// Print the verifier's log: 1 the path that was refused, 2 all paths with their states
    ///
    /// It has the kernel's form (6.18), with the names of maps where the kernel has addresses.
    #[arg(long, value_name = "LEVEL", value_parser = clap::value_parser!(u8).range(0..=2), default_value_t = 0, hide_default_value = true)]
    pub log_level: u8,

    /// Report as one JSON object
    #[arg(long)]
    pub json: bool,
}

impl Verify {
    pub(crate) fn level(&self) -> LogLevel {
        match self.log_level {
            0 => LogLevel::Off,
            1 => LogLevel::Failing,
            _ => LogLevel::All,
        }
    }
}
