use anyhow::Context as _;
use bpfreplay_loader::Object;
use bpfreplay_tests::Kernel;
use bpfreplay_tests::kernel::KernelInstance;
use hdrhistogram::Histogram;

use super::{Subject, Verdicts, verdict_name};
use crate::frames::{Cursor, Frames};
use crate::machine::{Tsc, ticks};

/// A program in the kernel, run by `BPF_PROG_TEST_RUN`.
pub(crate) struct InKernel<'f> {
    kernel: Kernel,
    instance: KernelInstance,
    entry: String,
    frames: &'f Frames,
    cursor: Cursor,
    /// Runs of one system call at the most; each takes one frame.
    repeat: u32,
}

impl<'f> InKernel<'f> {
    /// Many runs on one frame in a system call.
    pub(crate) fn repeating(
        object: &Object,
        entry: &str,
        frames: &'f Frames,
    ) -> anyhow::Result<InKernel<'f>> {
        InKernel::new(object, entry, frames, 1 << 20)
    }

    /// One run in a system call.
    pub(crate) fn one_by_one(
        object: &Object,
        entry: &str,
        frames: &'f Frames,
    ) -> anyhow::Result<InKernel<'f>> {
        InKernel::new(object, entry, frames, 1)
    }

    fn new(object: &Object, entry: &str, frames: &'f Frames, repeat: u32) -> anyhow::Result<InKernel<'f>> {
        let kernel = Kernel::probe().map_err(|error| anyhow::anyhow!("{error}"))?;
        let instance = KernelInstance::load(kernel, &object.programs)?;
        instance.program(entry).context("no such program")?;
        Ok(InKernel { kernel, instance, entry: entry.to_owned(), frames, cursor: Cursor::default(), repeat })
    }

    fn test_run(&self, frame: &[u8], repeat: u32) -> anyhow::Result<u32> {
        let program = self.instance.program(&self.entry).context("no such program")?;
        Ok(self.kernel.test_run_repeat(program, frame, repeat)?.1)
    }
}

impl Subject for InKernel<'_> {
    fn run(&mut self, count: u64) {
        let mut left = count;
        while left > 0 {
            let repeat = u32::try_from(left).unwrap_or(u32::MAX).min(self.repeat);
            let frame = self.cursor.next(self.frames);
            // The check before measuring ran every frame: what fails here is the machine, not the frame.
            self.test_run(frame, repeat).expect("BPF_PROG_TEST_RUN went through before");
            left -= u64::from(repeat);
        }
    }

    fn verdicts(&mut self) -> anyhow::Result<Verdicts> {
        let mut verdicts = Verdicts::new();
        for index in 0..self.frames.len() {
            let r0 = self.test_run(self.frames.get(index), 1)?;
            *verdicts.entry(verdict_name(r0)).or_default() += 1;
        }
        Ok(verdicts)
    }

    fn sample(&mut self, count: u32, tsc: Tsc, into: &mut Histogram<u64>) -> Result<(), &'static str> {
        if self.repeat > 1 {
            return Err("BPF_PROG_TEST_RUN tells the average of its repeats only");
        }
        for _ in 0..count {
            let frame = self.cursor.next(self.frames);
            let before = ticks();
            let retval = self.test_run(frame, 1);
            let after = ticks();
            retval.expect("BPF_PROG_TEST_RUN went through before");
            into.saturating_record((tsc.ns(before, after) * 1000.0) as u64);
        }
        Ok(())
    }
}
