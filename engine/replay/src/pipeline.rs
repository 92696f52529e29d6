use std::sync::Arc;

use bpfreplay_runtime::{Batch, Context, Executable, SkBuff};
use bpfreplay_tc::{DropReason, Hook};

use crate::tally::Tally;

/// What a frame goes through.
#[derive(Clone, Debug)]
pub enum Pipeline {
    /// A live tc hook.
    Tc(Hook),
    /// One program as `BPF_PROG_TEST_RUN` runs it: no filters, and the verdict is the return value as it is.
    TestRun(Arc<dyn Executable>),
}

/// What a pipeline says of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PipelineResult {
    pub retval: u32,
    pub action: i32,
    pub drop_reason: Option<DropReason>,
    pub restarts: u32,
}

impl Pipeline {
    #[inline]
    pub(crate) fn run(&self, skb: &mut SkBuff, batch: &mut Batch<'_>, tally: &mut Tally) -> PipelineResult {
        match self {
            Pipeline::Tc(hook) => {
                let done = hook.classify(skb, batch, tally);
                PipelineResult {
                    retval: done.retval,
                    action: done.verdict.action(),
                    drop_reason: done.verdict.drop_reason(),
                    restarts: done.restarts,
                }
            }
            Pipeline::TestRun(program) => {
                let retval = program.run(Context::Skb(skb), batch) as u32;
                tally.ran(batch);
                PipelineResult { retval, action: retval as i32, drop_reason: None, restarts: 0 }
            }
        }
    }
}
