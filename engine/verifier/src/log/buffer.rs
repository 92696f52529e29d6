use super::level::{LogKeep, LogWindow};

/// A text of which one end is kept, and that can be taken back to an earlier position.
///
/// ```text
///   Tail:  [ left out | kept ........ ]          Head:  [ kept ........ | left out ]
///          0          start       end                   0                        end
/// ```
/// Positions count all bytes ever written and not taken back, whether kept or not.
#[derive(Debug)]
pub(super) struct Buffer {
    window: LogWindow,
    kept: String,
    /// Position of the first kept byte.
    start: usize,
    /// Bytes behind the kept ones that are left out.
    beyond: usize,
    /// Whether what was left out was ever more than nothing.
    cut: bool,
}

impl Buffer {
    pub(super) fn new(window: LogWindow) -> Buffer {
        Buffer { window, kept: String::new(), start: 0, beyond: 0, cut: false }
    }

    /// Where the next byte goes.
    pub(super) fn end(&self) -> usize {
        self.start + self.kept.len() + self.beyond
    }

    pub(super) fn push(&mut self, text: &str) {
        match self.window.keep {
            LogKeep::Tail => self.push_tail(text),
            LogKeep::Head => self.push_head(text),
        }
    }

    fn push_tail(&mut self, text: &str) {
        self.kept.push_str(text);
        // In strides, so that each byte is moved once on average.
        if self.kept.len() > self.window.bytes_max.saturating_mul(2) {
            self.drop_front();
        }
    }

    /// Leaves the window's bytes, from the beginning of a line.
    fn drop_front(&mut self) {
        let Some(excess) = self.kept.len().checked_sub(self.window.bytes_max).filter(|&excess| excess > 0)
        else {
            return;
        };
        let behind = self.kept.as_bytes()[excess..].iter().position(|&byte| byte == b'\n');
        let at = behind.map_or(self.kept.len(), |line| excess + line + 1);
        self.kept.drain(..at);
        self.start += at;
        self.cut = true;
    }

    fn push_head(&mut self, text: &str) {
        let room = if self.beyond > 0 { 0 } else { self.window.bytes_max.saturating_sub(self.kept.len()) };
        let fits = text.floor_char_boundary(room);
        self.kept.push_str(&text[..fits]);
        self.beyond += text.len() - fits;
        self.cut |= self.beyond > 0;
    }

    /// Forgets what was written behind `position`.
    pub(super) fn rewind(&mut self, position: usize) {
        self.beyond = self.beyond.min(position.saturating_sub(self.start + self.kept.len()));
        if position < self.start {
            self.start = position;
            self.kept.clear();
            // At the very beginning nothing is left to be missing.
            self.cut = position > 0;
        } else {
            self.kept.truncate(position - self.start);
        }
    }

    /// What was kept, saying if that is not all.
    pub(super) fn finish(&mut self) -> String {
        self.drop_front();
        let text = std::mem::take(&mut self.kept);
        let limit = self.window.bytes_max;
        match (self.cut, self.window.keep) {
            (false, _) => text,
            (true, LogKeep::Tail) => {
                format!("[the log is longer than {limit} bytes; this is its end]\n{text}")
            }
            (true, LogKeep::Head) => {
                format!("{text}\n[the log is longer than {limit} bytes; that was its beginning]\n")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffer(bytes_max: usize, keep: LogKeep) -> Buffer {
        Buffer::new(LogWindow { bytes_max, keep })
    }

    #[test]
    fn what_fits_is_all_there() {
        for keep in [LogKeep::Tail, LogKeep::Head] {
            let mut buffer = buffer(12, keep);
            buffer.push("one\n");
            let position = buffer.end();
            buffer.push("two\n");
            buffer.rewind(position);
            buffer.push("three\n");
            assert_eq!(buffer.finish(), "one\nthree\n");
        }
    }

    #[test]
    fn the_tail_is_kept() {
        let mut buffer = buffer(8, LogKeep::Tail);
        (0..100).for_each(|n| buffer.push(&format!("{n}\n")));
        assert!(buffer.kept.len() <= 16, "it does not grow");
        assert_eq!(buffer.end(), 290);
        assert_eq!(buffer.finish(), "[the log is longer than 8 bytes; this is its end]\n98\n99\n");
    }

    #[test]
    fn the_head_is_kept() {
        let mut buffer = buffer(5, LogKeep::Head);
        (0..100).for_each(|n| buffer.push(&format!("{n}\n")));
        assert_eq!(buffer.end(), 290);
        buffer.rewind(7);
        assert_eq!(buffer.end(), 7);
        assert_eq!(buffer.finish(), "0\n1\n2\n[the log is longer than 5 bytes; that was its beginning]\n");
    }

    #[test]
    fn rewinding_behind_what_was_dropped_leaves_nothing() {
        let mut buffer = buffer(4, LogKeep::Tail);
        (0..100).for_each(|_| buffer.push("x\n"));
        buffer.rewind(2);
        assert_eq!(buffer.end(), 2);
        buffer.push("y\n");
        assert_eq!(buffer.finish(), "[the log is longer than 4 bytes; this is its end]\ny\n");
    }
}
