//! The storm: many concurrent clients on a cluster, while faults strike.
//!
//! The strategy's background agents run beside the clients from the first
//! write to the last read, and faults strike them like clients.
//!
//! Clients stand still for a moment between two steps now and then ([`Pauses`]).
//!
//! Phases: load (every key gets its first value, and some entries are taken out
//! of the cache again), storm (clients and faults),
//! heal (faults end, the cluster works again), final (every key is read
//! through the strategy and directly from primary, replica and cache, again
//! and again until the three agree or the settling time is over).

mod agents;
mod client;
mod cold;
mod liveness;
mod load;
#[cfg(test)]
mod load_tests;
mod operator;
mod pauses;
mod plan;
mod preflight;
mod probes;
mod progress;
mod settle;
mod storm;
mod vitals;

pub use client::Unloaded;
pub use pauses::Pauses;
pub use plan::{Arrivals, Plan};
pub use preflight::NotReady;
pub use progress::{Progress, RunPhase};
pub use quarrel_strategy::strategy::Skew;
pub use storm::{StormError, StormOutcome, storm};
