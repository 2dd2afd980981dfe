//! The storm: many concurrent clients on a cluster, while faults strike.
//!
//! Phases: load (every key gets its first value), storm (clients and faults),
//! heal (faults end, the cluster works again), final (every key is read
//! through the strategy and directly from primary, replica and cache, again
//! and again until the three agree or the settling time is over).

mod client;
mod plan;
mod probes;
mod progress;
mod storm;

pub use plan::{Arrivals, Plan, Skew};
pub use progress::{Phase, Progress};
pub use storm::{StormError, StormOutcome, storm};
