use std::sync::Arc;

use crate::source::{LinkType, MAX_INTERFACES, SourceError};

/// What a capture says of an interface it was taken on. A pcap file has one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Interface {
    /// The link type of its frames.
    pub link: LinkType,
    /// Bytes kept of each frame; 0: no limit.
    pub snaplen: u32,
    /// Its name, where the capture tells.
    pub name: Option<String>,
}

/// All interfaces of a replay. Sections and captures that describe the same one again share its number, so that a
/// stream of any number of sections needs constant memory.
#[derive(Debug, Default)]
pub(crate) struct Interfaces {
    all: Arc<Vec<Interface>>,
}

impl Interfaces {
    /// The number of an interface, a new one if it was not seen before.
    pub(crate) fn number(&mut self, interface: Interface, offset: u64) -> Result<u32, SourceError> {
        if let Some(known) = self.all.iter().position(|other| *other == interface) {
            return Ok(known as u32);
        }
        if self.all.len() == MAX_INTERFACES {
            return Err(SourceError::TooManyInterfaces { offset });
        }
        Arc::make_mut(&mut self.all).push(interface);
        Ok(self.all.len() as u32 - 1)
    }

    pub(crate) fn snapshot(&self) -> Arc<Vec<Interface>> {
        Arc::clone(&self.all)
    }
}
