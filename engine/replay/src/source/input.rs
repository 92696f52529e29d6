use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;

/// How long to wait for a pipe before looking whether to stop.
const POLL_INTERVAL: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

/// A capture to read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Capture {
    /// Standard input, `-` on the command line.
    Stdin,
    /// A file or a FIFO.
    Path(PathBuf),
    /// The bytes of a capture.
    Memory(Arc<[u8]>),
}

impl Capture {
    /// What to call it in messages.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Capture::Stdin => "standard input".to_owned(),
            Capture::Path(path) => path.display().to_string(),
            Capture::Memory(_) => "memory".to_owned(),
        }
    }
}

/// An open capture.
#[derive(Debug)]
pub(crate) enum Input {
    /// Reading never waits.
    File(File),
    /// A pipe or terminal: reading may wait for ever.
    Pipe(File),
    Memory(io::Cursor<Arc<[u8]>>),
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
            // Opening a FIFO would wait for its other end where nothing can stop it; reading waits in `poll`.
            Capture::Path(path) => OpenOptions::new()
                .read(true)
                .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
                .open(path)?,
            Capture::Memory(bytes) => return Ok(Input::Memory(io::Cursor::new(Arc::clone(bytes)))),
        };
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        Ok(if metadata.is_file() { Input::File(file) } else { Input::Pipe(file) })
    }

    pub(crate) fn read(&mut self, into: &mut [u8], stop: &AtomicBool) -> io::Result<ReadOutcome> {
        loop {
            let read = match self {
                Input::File(file) => file.read(into),
                Input::Pipe(file) if wait_for_input(file.as_fd(), stop)? => file.read(into),
                Input::Pipe(_) => return Ok(ReadOutcome::Stopped),
                Input::Memory(bytes) => bytes.read(into),
            };
            match read {
                Ok(0) => return Ok(ReadOutcome::End),
                Ok(n) => return Ok(ReadOutcome::Bytes(n)),
                // Nothing to read after all: another reader was faster.
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {}
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
