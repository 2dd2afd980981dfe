//! What everything inside one fault proxy shares.

use crate::event::EventLog;
use crate::link::queue::Budget;
use crate::scripts::Scripts;
use crate::seed::Seed;
use crate::threads::Carriers;
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
    /// The runtime that accepts connections, and serves the API.
    pub(crate) runtime: Handle,
    pub(crate) carriers: Carriers,
    ids: AtomicU64,
}

impl Core {
    pub(crate) fn new(
        seed: Seed,
        timer: TimerHandle,
        (runtime, carriers): (Handle, Carriers),
    ) -> Self {
        Self {
            seed,
            timer,
            budget: Arc::default(),
            events: EventLog::new(),
            scripts: Scripts::default(),
            runtime,
            carriers,
            ids: AtomicU64::new(0),
        }
    }

    /// A number never given before in this fault proxy.
    pub(crate) fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed) + 1
    }
}
