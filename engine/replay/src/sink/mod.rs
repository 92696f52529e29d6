//! What is written for every frame, in capture order.
//!
//! Workers format their frames into memory; the parts of a block meet in [`Merge`], which puts them in order. What
//! waits there is bounded by the blocks in flight.

mod events;
mod json;
mod merge;
mod ndjson;
mod pcapng;

use std::io::{self, Write};
use std::sync::Arc;

pub use events::{Events, Printk};
pub(crate) use json::string as json_string;
pub(crate) use merge::{Merge, Part};
pub use ndjson::Ndjson;
pub use pcapng::VerdictPcapng;

use crate::frame::FrameRecord;
use crate::source::Interface;

/// Bytes gathered before they are written.
const WRITE_BUFFER: usize = 1 << 20;

/// How frames look in an output. It keeps no state: many workers use one.
pub trait Format: Send + Sync {
    /// What the output begins with.
    fn header(&self, out: &mut Vec<u8>);

    /// What announces an interface, before the first block of frames that may refer to it.
    fn interface(&self, interface: &Interface, out: &mut Vec<u8>);

    /// A frame.
    fn frame(&self, record: &FrameRecord<'_>, out: &mut Vec<u8>);
}

/// An output: a format and where it goes.
pub struct Sink {
    name: String,
    format: Arc<dyn Format>,
    out: io::BufWriter<Box<dyn Write + Send>>,
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sink").field("name", &self.name).finish_non_exhaustive()
    }
}

/// An output that could not be written to its end.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {name}: {source}")]
pub struct SinkError {
    /// What it is called.
    pub name: String,
    /// Why.
    pub source: io::Error,
}

impl Sink {
    /// Writes this format there; `name` is for messages.
    #[must_use]
    pub fn new(name: &str, format: Arc<dyn Format>, out: Box<dyn Write + Send>) -> Sink {
        Sink { name: name.to_owned(), format, out: io::BufWriter::with_capacity(WRITE_BUFFER, out) }
    }

    fn error(&self, source: io::Error) -> SinkError {
        SinkError { name: self.name.clone(), source }
    }
}
