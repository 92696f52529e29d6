//! The progress bar, on a terminal only.

use bpfreplay_replay::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Shows how much of the captures is read. Draws nothing where standard error is not a terminal.
pub(crate) struct Bar {
    bar: ProgressBar,
}

impl Bar {
    /// With the bytes of all captures, if known.
    pub(crate) fn new(bytes: Option<u64>) -> Bar {
        let bar = ProgressBar::with_draw_target(bytes, ProgressDrawTarget::stderr());
        let template = match bytes {
            Some(_) => "{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {msg} eta {eta}",
            None => "{spinner} {bytes} {bytes_per_sec} {msg}",
        };
        bar.set_style(ProgressStyle::with_template(template).expect("the template is well-formed"));
        Bar { bar }
    }

    pub(crate) fn show(&self, progress: Progress) {
        if self.bar.is_hidden() {
            return;
        }
        self.bar.set_position(progress.bytes_read);
        self.bar.set_message(format!("{} frames", progress.frames));
    }

    pub(crate) fn clear(self) {
        self.bar.finish_and_clear();
    }
}
