//! Faults: what goes wrong, how one sees that it did, and when.
//!
//! A [`Fault`] is made of the cluster's primitive controls, so it works on
//! every cluster that supports those. It leaves a [`Receipt`]: a fault that
//! nobody saw take hold proves nothing.

mod builtin;
mod fault;
mod nemesis;
mod receipt;
mod schedule;
mod sign;

pub use builtin::{BUILTIN, FaultEntry};
pub use fault::{Fault, FaultError};
pub use nemesis::Nemesis;
pub use receipt::Receipt;
pub use schedule::{Change, ParseScheduleError, Schedule, ScheduleStep};
pub use sign::{HEARTBEAT, Lookout, Sign, caught_up, recovered};
