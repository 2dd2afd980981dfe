//! The workload: replace it by what the clients of your application do.

use std::sync::Arc;

use quarrel_checkers::Key;
use quarrel_harness::strategy::{Draw, Generator, Intent, Skew, Workload, WorkloadEntry};

/// Clients save something and look at it at once, as after pressing "save".
/// `Workload::check` may judge what the guarantees do not ask: see `counter`
/// among quarrel's own.
pub struct SaveAndLook;

/// Its place in the catalogue.
pub const ENTRY: WorkloadEntry = WorkloadEntry {
    name: "save-and-look",
    summary: "each client writes a key and reads it back",
    keys: 10,
    skew: Skew(0.8),
    reads: 0.5,
    build: || Arc::new(SaveAndLook),
};

impl Workload for SaveAndLook {
    fn client(&self) -> Box<dyn Generator> {
        Box::new(Client { saved: None })
    }
}

/// What one client remembers.
struct Client {
    saved: Option<Key>,
}

impl Generator for Client {
    fn next(&mut self, draw: &mut Draw<'_>) -> Intent {
        if let Some(key) = self.saved.take() {
            return Intent::Read(key);
        }
        let key = draw.key();
        self.saved = Some(key);
        Intent::Write(key)
    }
}
