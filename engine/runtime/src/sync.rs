//! Where [`grace`](crate::grace) has its atomics from; its model under loom has another.

pub(crate) use std::sync::atomic::{AtomicU64, Ordering, fence};
