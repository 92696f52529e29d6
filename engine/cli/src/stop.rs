//! Ctrl-C.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGINT, SIGTERM};

/// What a shell shows for a process that SIGINT ended.
const EXIT_SIGINT: i32 = 130;

/// A flag that the first SIGINT or SIGTERM sets, so that the report so far still comes; the second one ends the process.
pub(crate) fn flag() -> std::io::Result<Arc<AtomicBool>> {
    let (stop, again) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    for signal in [SIGINT, SIGTERM] {
        // Handlers run in the order they are registered: the flag of the first signal is seen by the second.
        signal_hook::flag::register_conditional_shutdown(signal, EXIT_SIGINT, Arc::clone(&again))?;
        signal_hook::flag::register(signal, Arc::clone(&again))?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}
