//! What the syscall dispatcher runs over, and what it should count.

use std::collections::BTreeMap;

/// A system call that has returned: `struct syscall_event` of
/// `bpf/syscall_dispatch.bpf.c`, the read-only context of its programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SyscallEvent {
    /// The x86-64 system call number, as the caller gave it.
    pub nr: u64,
    /// The six argument registers.
    pub args: [u64; 6],
    /// The result, or a negative errno.
    pub ret: i64,
}

/// A line of an event list that is no event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} is not `nr a0 a1 a2 a3 a4 a5 = ret`: {text:?}")]
pub struct NotAnEvent {
    /// The line, from 1.
    pub line: usize,
    /// What it says.
    pub text: String,
}

/// Some 700 events of a shell command, as `events/shell.txt` has them.
pub const RECORDED_EVENTS: &str = include_str!("../events/shell.txt");

impl SyscallEvent {
    /// Size of the context in bytes.
    pub const SIZE: usize = 64;

    /// The context as the programs read it: eight little-endian words.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::SIZE] {
        let [a0, a1, a2, a3, a4, a5] = self.args;
        let words = [self.nr, a0, a1, a2, a3, a4, a5, self.ret.cast_unsigned()];
        let mut bytes = [0; Self::SIZE];
        for (to, word) in bytes.chunks_exact_mut(8).zip(words) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// Reads a list of events: one a line, number and result decimal, arguments
    /// hexadecimal; empty lines and lines that begin with `#` are skipped.
    ///
    /// # Errors
    /// The first line that is neither.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, NotAnEvent> {
        text.lines()
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'))
            .map(|(index, line)| {
                Self::parse(line).ok_or_else(|| NotAnEvent { line: index + 1, text: line.to_owned() })
            })
            .collect()
    }

    fn parse(line: &str) -> Option<Self> {
        let (call, ret) = line.split_once(" = ")?;
        let mut words = call.split_ascii_whitespace();
        let nr = words.next()?.parse().ok()?;
        let mut args = [0; 6];
        for arg in &mut args {
            *arg = u64::from_str_radix(words.next()?, 16).ok()?;
        }
        let ret = ret.trim().parse().ok()?;
        words.next().is_none().then_some(Self { nr, args, ret })
    }
}

/// What `fds` holds for one file descriptor: `struct fd_io`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FdIo {
    /// Reads, failed ones included.
    pub reads: u64,
    /// Writes, failed ones included.
    pub writes: u64,
    /// Bytes that reads returned.
    pub read_bytes: u64,
    /// Bytes that writes took.
    pub written_bytes: u64,
    /// Calls that failed.
    pub errors: u64,
}

impl FdIo {
    /// The map value as it is in memory: five little-endian words.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 40] {
        let words = [self.reads, self.writes, self.read_bytes, self.written_bytes, self.errors];
        let mut bytes = [0; 40];
        for (to, word) in bytes.chunks_exact_mut(8).zip(words) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }
}

/// What the dispatcher's maps should hold after a list of events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyscallTally {
    /// Map `fds`, by the low 32 bits of the first argument.
    pub fds: BTreeMap<u32, FdIo>,
    /// Map `other_syscalls`, by number.
    pub other_syscalls: BTreeMap<u64, u64>,
}

impl SyscallTally {
    /// Counts the events natively. Exact while each map has room (1024 entries).
    #[must_use]
    pub fn of(events: &[SyscallEvent]) -> Self {
        let mut tally = Self::default();
        for event in events {
            tally.count(event);
        }
        tally
    }

    /// Counts one more event; says which program takes it.
    pub fn count(&mut self, event: &SyscallEvent) -> &'static str {
        let fd = (event.args[0] & u64::from(u32::MAX)) as u32;
        let bytes = u64::try_from(event.ret);
        match event.nr {
            0 => {
                let io = self.fds.entry(fd).or_default();
                io.reads += 1;
                io.read_bytes += bytes.unwrap_or(0);
                io.errors += u64::from(bytes.is_err());
                "sys_read_event"
            }
            1 => {
                let io = self.fds.entry(fd).or_default();
                io.writes += 1;
                io.written_bytes += bytes.unwrap_or(0);
                io.errors += u64::from(bytes.is_err());
                "sys_write_event"
            }
            nr => {
                *self.other_syscalls.entry(nr).or_default() += 1;
                "syscall_entry"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorded_list_is_whole() {
        let events = SyscallEvent::parse_list(RECORDED_EVENTS).unwrap();
        assert!(events.len() > 500, "{}", events.len());
        let tally = SyscallTally::of(&events);
        // `head -c 100000` writes to a pipe what `wc` reads from it.
        assert!(tally.fds[&1].written_bytes >= 100_000);
        assert!(tally.fds[&0].read_bytes >= 100_000);
        let taken: u64 = tally.fds.values().map(|io| io.reads + io.writes).sum();
        let other: u64 = tally.other_syscalls.values().sum();
        assert_eq!(taken + other, events.len() as u64);
    }

    #[test]
    fn an_event_is_eight_words() {
        let event = SyscallEvent { nr: 1, args: [2, 3, 4, 5, 6, 7], ret: -9 };
        let words: Vec<u64> = event
            .to_bytes()
            .chunks_exact(8)
            .map(|word| u64::from_le_bytes(word.try_into().unwrap()))
            .collect();
        assert_eq!(words, [1, 2, 3, 4, 5, 6, 7, u64::MAX - 8]);
        assert_eq!(SyscallEvent::parse_list("# x\n\n1 2 3 4 5 6 7 = -9\n"), Ok(vec![event]));
    }

    #[test]
    fn a_bad_line_is_named() {
        for bad in ["0 1 2 3 = 4", "0 1 2 3 4 5 6 7 = 8", "x 1 2 3 4 5 6 = 0", "0 1 2 3 4 5 6"] {
            let error = SyscallEvent::parse_list(&format!("\n{bad}")).unwrap_err();
            assert_eq!(error.line, 2);
            assert!(error.to_string().contains(bad), "{error}");
        }
    }

    #[test]
    fn a_number_beyond_32_bits_is_not_read() {
        let event = SyscallEvent { nr: 1 << 32, args: [0; 6], ret: 0 };
        let tally = SyscallTally::of(&[event]);
        assert!(tally.fds.is_empty());
        assert_eq!(tally.other_syscalls[&(1 << 32)], 1);
    }
}
