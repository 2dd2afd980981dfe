//! Results in, text out: what a run says to a person.
//!
//! Nothing here knows a cluster; a report can be made again from a run's
//! folder alone.

mod run;
mod style;
mod timeline;

pub use run::{print_summary, summary};
pub use style::Ink;
pub use timeline::{Timeline, TimelineRow};
