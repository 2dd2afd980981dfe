//! Writes down what happens while it happens: the recorder.
//!
//! An invocation is recorded before its call starts, a completion after it
//! ended, both under one lock together with the reading of the clock: the
//! order of the history is an order that really held, and its times never go
//! back.

mod clock;
mod commit;
mod failure;
mod recorder;
mod stop;

pub use clock::{Clock, VirtualClock};
pub use commit::{Commit, CommitOrder};
pub use failure::{EnvironmentFailure, Spoils};
pub use recorder::{GAP, Record, Recorder, Records};
pub use stop::Stop;
