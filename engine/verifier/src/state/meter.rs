use std::cell::Cell;
use std::rc::Rc;

/// Bytes that are alive, of all that was given a copy of this meter. The default counts nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter(Option<Rc<Cell<usize>>>);

impl Meter {
    pub(crate) fn new() -> Meter {
        Meter(Some(Rc::default()))
    }

    pub(crate) fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |bytes| bytes.get())
    }

    pub(super) fn add(&self, more: usize) {
        if let Some(bytes) = &self.0 {
            bytes.set(bytes.get() + more);
        }
    }

    pub(super) fn take_off(&self, less: usize) {
        if let Some(bytes) = &self.0 {
            bytes.set(bytes.get() - less);
        }
    }
}
