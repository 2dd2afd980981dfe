//! What everything inside one fault proxy shares.

use crate::event::EventLog;
use crate::link::queue::Budget;
use crate::scripts::Scripts;
use crate::seed::Seed;
use crate::timer::TimerHandle;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::runtime::Handle;

#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) seed: Seed,
    pub(crate) timer: TimerHandle,
    pub(crate) budget: Arc<Budget>,
    pub(crate) events: EventLog,
    pub(crate) scripts: Scripts,
    /// The runtime that carries all connections.
    pub(crate) runtime: Handle,
    ids: AtomicU64,
}

impl Core {
    pub(crate) fn new(seed: Seed, timer: TimerHandle, runtime: Handle) -> Self {
        Self {
            seed,
            timer,
            budget: Arc::default(),
            events: EventLog::new(),
            scripts: Scripts::default(),
            runtime,
            ids: AtomicU64::new(0),
        }
    }

    /// A number never given before in this fault proxy.
    pub(crate) fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed) + 1
    }
}
