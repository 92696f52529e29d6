//! The arguments as they are typed.

use std::path::PathBuf;

use bpfreplay_instance::Tail;
use bpfreplay_replay::MAX_WORKERS;
use bpfreplay_uapi::ProgType;
use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::conformance::Plugin;
use crate::inspect::Inspect;
use crate::object;
use crate::samples::Samples;
use crate::verify::Verify;

/// eBPF packet programs over captures, with the Linux kernel's semantics, in user space.
#[derive(Debug, Parser)]
#[command(name = "bpfreplay", version, max_term_width = 100, arg_required_else_help = true)]
pub(crate) struct LowArgs {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run captures through a program and report what became of the frames
    Replay(Box<Replay>),
    /// Say what the kernel's verifier would say of the programs of an object, and why
    Verify(Verify),
    /// Show the programs and maps of an object, xlated and jited, with their C lines
    Inspect(Inspect),
    /// Run one program once, as a plugin of the bpf_conformance project
    #[command(hide = true)]
    Conformance(Plugin),
}

const AFTER_HELP: &str = "\
Examples:
  bpfreplay replay in.pcap                          the embedded parsers over a capture
  bpfreplay replay -o prog.bpf.o *.pcapng           your program, on all cores
  tcpdump -w - | bpfreplay replay -                 from standard input
  bpfreplay replay -o x.bpf.o --entry main --tail 'jmp_table[6]=on_tcp' in.pcap
  bpfreplay replay --hook test-run --frames - in.pcap
                                                    what bpftool prog run returns, by frame
  bpfreplay replay --engine both in.pcap            JIT against interpreter

Frames:
  Programs see Ethernet frames. Frames of other link types are given an Ethernet header:
  raw IP and null/loopback frames one of zeroes, Linux cooked ones (v1, v2) one with the
  sender's address and the packet type; all with the EtherType of what follows. Any other
  link type is refused by name, and its frames are counted.

Exit codes:
  0  done
  1  the replay ended early (a broken capture, Ctrl-C, a full disk, engines that differ),
     or frames were refused
  2  usage, or an object that cannot run";

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Replay {
    /// The object to run, as clang made it; without it the embedded parsers run
    #[arg(short, long, value_name = "FILE.bpf.o")]
    pub object: Option<PathBuf>,

    /// The program that frames enter, by its C symbol
    ///
    /// Without it, the object's only program, or the only one that no prog array leads to.
    #[arg(long, value_name = "PROG")]
    pub entry: Option<String>,

    /// What all programs of the object are, whatever their sections are called (bpftool's `type`)
    ///
    /// Without it, the name of a program's section says its type.
    #[arg(long = "type", value_name = "TYPE", value_parser = object::prog_type, requires = "object")]
    pub prog_type: Option<ProgType>,

    /// What runs the programs
    #[arg(long, value_enum, default_value_t)]
    pub engine: Engine,

    /// Worker threads [default: one a core; 1 with --engine both]
    ///
    /// Frames of a flow stay on one worker, in order; a flow is told by the outermost headers, so the flows inside a
    /// tunnel may be spread. With several workers, frames of different flows reach shared maps in an order that is not
    /// the same every time; --workers 1 repeats exactly. A worker's number is the CPU that programs see, and per-CPU
    /// maps have a value for each.
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..=MAX_WORKERS as u64))]
    pub workers: Option<usize>,

    /// How frames are shown to programs, and what a return value means
    #[arg(long, value_enum, default_value_t)]
    pub hook: Hook,

    /// Put a program into a slot of a prog array, after the object's own `.values`; without PROG empty the slot
    ///
    /// May be given several times.
    #[arg(long = "tail", value_name = "MAP[INDEX]=PROG")]
    pub tails: Vec<Tail>,

    /// Put samples into a user ring buffer before the first frame, for programs to drain
    ///
    /// One JSON object a line, of which the member "data" counts: the sample's bytes in hex. What --events writes is such
    /// a file. May be given several times.
    #[arg(long, value_name = "MAP=FILE")]
    pub samples: Vec<Samples>,

    /// Write one JSON line a frame, in capture order; - is standard output
    #[arg(long, value_name = "FILE.ndjson")]
    pub frames: Option<PathBuf>,

    /// Write what all maps hold after the replay, as `bpftool -j map dump` has it, by name
    #[arg(long, value_name = "FILE.json")]
    pub maps: Option<PathBuf>,

    /// Write every frame as captured, with its verdict (epb_verdict) and a comment naming its path
    ///
    /// In Wireshark the verdict is frame.verdict.ebpf_tc or frame.verdict.ebpf_xdp, the comment frame.comment. Of a socket
    /// filter it is what the socket is given: no dropped frames, others cut to the bytes kept.
    #[arg(long, value_name = "FILE.pcapng")]
    pub write: Option<PathBuf>,

    /// Write one JSON line for each record programs leave in ring buffers and perf event arrays; - is standard output
    ///
    /// In capture order, with the frame's number, the map, the CPU and the record's bytes in hex. Records are taken out
    /// after each frame, so a buffer is full only if one frame fills it; what is lost then is counted in the report.
    #[arg(long, value_name = "FILE.ndjson")]
    pub events: Option<PathBuf>,

    /// Write what programs print with bpf_trace_printk, a line each with the frame's number [default: standard error]
    #[arg(long, value_name = "FILE")]
    pub printk: Option<PathBuf>,

    /// Report as one JSON object
    #[arg(long)]
    pub json: bool,

    /// Captures to read one after the other, pcap or pcapng; - is standard input
    #[arg(required = true, value_name = "CAPTURE")]
    pub captures: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Engine {
    /// Machine code
    #[default]
    Jit,
    /// One instruction at a time, every access checked
    Interpreter,
    /// Both for every frame, stopping at the first difference; on one worker, because with several each engine's
    /// shared maps would see the frames in an order of their own
    Both,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Hook {
    /// Frames come in. tc (direct action) and packet sockets: the outer VLAN tag is in the metadata, wire_len is without
    /// the Ethernet header. XDP: the frame as it was on the wire
    #[default]
    Ingress,
    /// Frames go out, tc (direct action) and packet sockets: tags stay in the bytes
    Egress,
    /// As BPF_PROG_TEST_RUN, of cgroup_skb and lwt programs too: frames of 14 to 3712 bytes (XDP: 73152), pkt_type as on
    /// the loopback device, any return value
    TestRun,
}
