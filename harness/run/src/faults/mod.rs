//! Faults in storms: what goes wrong, how one sees that it did, and when.
//!
//! What there is stands in the catalogue, [`quarrel_strategy::faults`]. Some
//! faults strike clients and not the cluster ([`Strikes`]): a crash between
//! two steps, a pause, an operator's hand.
//!
//! A [`Fault`] is made of the cluster's primitive controls, so it works on
//! every cluster that supports those. It leaves a [`Receipt`]: a fault that
//! nobody saw take hold proves nothing.

mod excuses;
mod lookout;
mod nemesis;
mod receipt;
mod schedule;
mod sign;
mod strikes;

pub use excuses::{Excuses, StrikeTally, Way};
pub use lookout::Lookout;
pub use nemesis::Nemesis;
pub use quarrel_strategy::faults::*;
pub use receipt::Receipt;
pub use schedule::{Change, ParseScheduleError, Schedule, ScheduleStep};
pub use sign::{HEARTBEAT, caught_up, caught_up_within, recovered};
pub use strikes::Strikes;
