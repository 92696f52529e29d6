/// What the verifier's log has in it (linux: BPF_LOG_LEVEL1, BPF_LOG_LEVEL2, BPF_LOG_STATS).
///
/// A refusal and the line of totals are in the log of every level but [`LogLevel::Off`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum LogLevel {
    /// Nothing.
    #[default]
    Off,
    /// The last line of the kernel's log: how much was processed. The kernel's level 4.
    Stats,
    /// Every instruction of the path that was refused, with what it changed. Of accepted programs nothing but the
    /// last line. The kernel's level 1.
    Failing,
    /// Every instruction of every path. The kernel's level 2.
    All,
}

/// How long the log may become, and which end of a longer one is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogWindow {
    /// Bytes, at least.
    pub bytes_max: usize,
    /// What is kept of a log that is longer.
    pub keep: LogKeep,
}

/// An end of the log.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum LogKeep {
    /// The end, where the refusal is: what the kernel does.
    #[default]
    Tail,
    /// The beginning: what the kernel does with `BPF_LOG_FIXED`.
    Head,
}

/// Bytes of log kept if nobody says otherwise: libbpf's buffer (`BPF_LOG_BUF_SIZE`, 16 MiB).
pub const LOG_BYTES_MAX: usize = 1 << 24;

impl Default for LogWindow {
    fn default() -> LogWindow {
        LogWindow { bytes_max: LOG_BYTES_MAX, keep: LogKeep::default() }
    }
}
