//! What machine the figures are from.

use std::fs;
use std::process::Command;

use serde::Serialize;

/// What a figure cannot be read without.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Facts {
    pub(crate) date: String,
    pub(crate) cpu: String,
    pub(crate) cpus: usize,
    pub(crate) kernel: String,
    /// Lines of `/sys/devices/system/cpu/vulnerabilities`: retpolines cost the kernel's side much.
    pub(crate) mitigations: Vec<String>,
    pub(crate) bpf_jit_enable: String,
    pub(crate) bpf_jit_harden: String,
    /// When the run began.
    pub(crate) load_average: String,
    pub(crate) rustc: String,
    pub(crate) commit: String,
    /// Whether the build was optimised; figures of one that was not mean nothing.
    pub(crate) optimised: bool,
}

impl Facts {
    /// Asks the machine.
    pub(crate) fn gather() -> Facts {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        Facts {
            date: output("date", &["-u", "+%Y-%m-%dT%H:%MZ"]),
            cpu: model.map_or_else(|| "unknown".to_owned(), |(_, name)| name.to_owned()),
            cpus: std::thread::available_parallelism().map_or(0, usize::from),
            kernel: first_line("/proc/sys/kernel/osrelease"),
            mitigations: mitigations(),
            bpf_jit_enable: first_line("/proc/sys/net/core/bpf_jit_enable"),
            bpf_jit_harden: first_line("/proc/sys/net/core/bpf_jit_harden"),
            load_average: first_line("/proc/loadavg"),
            rustc: output("rustc", &["--version"]),
            commit: output("git", &["describe", "--always", "--dirty"]),
            optimised: !cfg!(debug_assertions),
        }
    }
}

fn mitigations() -> Vec<String> {
    let Ok(entries) = fs::read_dir("/sys/devices/system/cpu/vulnerabilities") else { return Vec::new() };
    let mut lines: Vec<String> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let text = fs::read_to_string(entry.path()).ok()?;
            let text = text.trim();
            (text != "Not affected").then(|| format!("{}: {text}", entry.file_name().to_string_lossy()))
        })
        .collect();
    lines.sort();
    lines
}

fn first_line(path: &str) -> String {
    fs::read_to_string(path).ok().and_then(|text| text.lines().next().map(str::to_owned)).unwrap_or_default()
}

fn output(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    output.map_or_else(|_| String::new(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
