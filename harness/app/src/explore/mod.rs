//! Every order in which an application's own messages to its stores can go on,
//! for a few requests to one row.
//!
//! The search is stateless: each execution takes a row of its own, begins from
//! the start and lets messages go on as the [`tree`] says. All requests are
//! under way from the beginning; a request counts as begun with its first
//! message and as ended with its last, which is as strict as time can be.

mod beside;
mod executor;
mod hear;
mod mishap;
mod nature;
mod ongoing;
mod race;
mod report;
mod search;
mod sweep;
mod tree;

pub use executor::{Choices, Warmth};
pub use mishap::AppFault;
pub use race::{AppRace, MessageLine};
pub use report::{AppFinding, AppReport, Replayed, Space};
pub use search::{Clients, Limits, explore_app, replay_app};
pub use sweep::{Sweep, sweep_app};
