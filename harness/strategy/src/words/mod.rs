//! What is typed: durations, and names with what was meant instead.

mod duration;
mod known_names;

pub use duration::parse_duration;
pub use known_names::KnownNames;
