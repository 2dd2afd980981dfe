//! Results in, text and pictures out: what a run says to a person, and to the
//! machines that ask on their behalf.
//!
//! Nothing here knows a cluster; a report can be made again from a run's
//! folder alone.

pub mod explain;
mod names;
mod terminal;
mod timeline;

pub use names::Names;
pub use terminal::{
    Ink, Width, extent, faults_seen, headline, print_summary, printable, summary, verdict_line,
};
pub use timeline::{Timeline, TimelineRow, Weight};
