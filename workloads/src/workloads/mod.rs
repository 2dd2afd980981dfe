//! Workloads, one a file: what clients do, and what must hold of it.

mod counter;
mod lifecycle;
mod pairs;
mod profile;
mod sessions;
mod skewed;

pub use counter::CounterWorkload;
pub use lifecycle::Lifecycle;
pub use pairs::Pairs;
pub use profile::Profile;
pub use sessions::Sessions;
pub use skewed::Skewed;

use quarrel_harness::strategy::WorkloadEntry;

/// Every built-in workload besides the register, in the order in which they
/// are listed.
#[must_use]
pub fn all() -> Vec<WorkloadEntry> {
    vec![
        profile::ENTRY,
        counter::ENTRY,
        sessions::ENTRY,
        skewed::ENTRY,
        pairs::ENTRY,
        lifecycle::ENTRY,
    ]
}
