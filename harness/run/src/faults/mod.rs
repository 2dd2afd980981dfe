//! Faults: what goes wrong, how one sees that it did, and when.
//!
//! Some faults strike clients and not the cluster ([`Strikes`]): a crash between
//! two steps, a pause, an operator's hand.
//!
//! A [`Fault`] is made of the cluster's primitive controls, so it works on
//! every cluster that supports those. It leaves a [`Receipt`]: a fault that
//! nobody saw take hold proves nothing.

mod amount;
mod builtin;
mod excuses;
mod fault;
mod lookout;
mod nemesis;
mod receipt;
mod schedule;
mod sign;
mod strikes;

pub use amount::{Amount, Unit, parse_bytes};
pub use builtin::{FaultEntry, builtin};
pub use excuses::{Excuses, StrikeTally, Way};
pub use fault::{Fault, FaultError};
pub use lookout::Lookout;
pub use nemesis::Nemesis;
pub use receipt::Receipt;
pub use schedule::{Change, ParseScheduleError, Schedule, ScheduleStep};
pub use sign::{HEARTBEAT, Sign, caught_up, caught_up_within, recovered};
pub use strikes::{Strike, Strikes};
