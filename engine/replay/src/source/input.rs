use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How long to wait for a pipe before looking whether to stop.
const POLL_INTERVAL: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

/// A capture to read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Capture {
    /// Standard input, `-` on the command line.
    Stdin,
    /// A file or a FIFO.
    Path(PathBuf),
}

impl Capture {
    /// What to call it in messages.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Capture::Stdin => "standard input".to_owned(),
            Capture::Path(path) => path.display().to_string(),
        }
    }
}

/// An open capture.
#[derive(Debug)]
pub(crate) struct Input {
    file: File,
    /// A pipe or terminal: reading may wait for ever.
    may_wait: bool,
}

/// How a read went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ReadOutcome {
    Bytes(usize),
    End,
    /// Asked to stop while waiting.
    Stopped,
}

impl Input {
    pub(crate) fn open(capture: &Capture) -> io::Result<Input> {
        let file = match capture {
            Capture::Stdin => File::from(io::stdin().as_fd().try_clone_to_owned()?),
            Capture::Path(path) => File::open(path)?,
        };
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        Ok(Input { may_wait: !metadata.is_file(), file })
    }

    pub(crate) fn read(&mut self, into: &mut [u8], stop: &AtomicBool) -> io::Result<ReadOutcome> {
        loop {
            if self.may_wait && !wait_for_input(self.file.as_fd(), stop)? {
                return Ok(ReadOutcome::Stopped);
            }
            match self.file.read(into) {
                Ok(0) => return Ok(ReadOutcome::End),
                Ok(n) => return Ok(ReadOutcome::Bytes(n)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Waits until a read would not; false if asked to stop before. A signal handler that restarts system calls would
/// leave a plain read waiting.
fn wait_for_input(fd: BorrowedFd<'_>, stop: &AtomicBool) -> io::Result<bool> {
    while !stop.load(Ordering::Relaxed) {
        match poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::IN)], Some(&POLL_INTERVAL)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) => return Ok(true),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(false)
}
