use std::path::PathBuf;

use bpfreplay_uapi::ProgType;
use clap::Args;

use crate::object;

const AFTER_HELP: &str = "\
Forms:
  Programs as `bpftool prog show`, `prog dump xlated linum`, `prog dump jited linum`, maps as
  `bpftool map show`. Programs and maps are numbered from 1, in the order of the object.
  Machine code is in Intel's syntax.

Examples:
  bpfreplay inspect prog.bpf.o                      everything
  bpfreplay inspect prog.bpf.o --program ingress    one program
  bpfreplay inspect prog.bpf.o --json | jq '.programs[].xlated[].disasm'

Exit codes:
  0  all programs are shown
  1  a program is refused and not shown, or shown without machine code: this engine lacks what it needs
  2  usage, or an object that cannot be read";

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Inspect {
    /// The object, as clang made it
    #[arg(value_name = "OBJECT.bpf.o")]
    pub object: PathBuf,

    /// Show this program only, by its C symbol; may be given several times
    #[arg(short, long = "program", value_name = "PROG")]
    pub programs: Vec<String>,

    /// What all programs of the object are, whatever their sections are called (bpftool's `type`)
    #[arg(long = "type", value_name = "TYPE", value_parser = object::prog_type)]
    pub prog_type: Option<ProgType>,

    /// One JSON object, with bpftool's keys
    #[arg(long)]
    pub json: bool,
}
