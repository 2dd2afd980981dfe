//! Simulated stores, links and time: a cluster in one process that answers as
//! Postgres and Redis do and obeys a seed.
//!
//! * [`World`] is the three stores and nothing else: a call goes in, an answer
//!   comes out, no time passes. What it claims about Postgres and Redis is
//!   compared with the real ones by [`conformance`].
//! * [`Simulation`] runs clients of a strategy over a world, one named move at a
//!   time. The explorer and races stand on it.
//! * [`SimCluster`] lets many clients run freely: a discrete-event executor
//!   with latency, loss and lag, ordered by (time, sequence).
//!
//! Nothing here reads a clock, a thread or an unordered map: the same seed
//! gives the same bytes. Maps are `FxHashMap`, whose order depends on nothing
//! but what was put in, and no result depends on even that.

mod actor;
mod cache;
mod client;
mod cluster;
mod conditions;
pub mod conformance;
mod disturb;
mod executor;
mod feeds;
mod fingerprint;
mod impair;
mod life;
mod logical;
mod mail;
mod moves;
mod network;
mod primary;
mod replica;
mod simulation;
mod slot;
mod stream;
pub mod subjects;
mod tracking;
mod verdict;
mod world;

pub use cache::{CacheEntry, SimCache};
pub use client::{Client, ClientProgress, Ended, Task};
pub use cluster::SimCluster;
pub use executor::StandStill;
pub use feeds::Feeds;
pub use fingerprint::Fingerprint;
pub use logical::{LogicalHistory, LogicalOperation, OperationEnding};
pub use mail::{Mail, Watcher, Wire};
pub use moves::{Disturbance, Move};
pub use primary::{SimCommit, SimPrimary};
pub use quarrel_strategy::faults::Mishap;
pub use replica::SimReplica;
pub use simulation::{Called, Fingerprints, Following, Happened, Setting, Simulation, Stuck};
pub use verdict::differs;
pub use verdict::{Claim, linearizable};
pub use world::{Reaction, Wait, World};
