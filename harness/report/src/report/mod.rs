//! Results in, text and pictures out: what a run says to a person, and to the
//! machines that ask on their behalf.
//!
//! Nothing here knows a cluster; a report can be made again from a run's
//! folder alone.

mod again;
pub mod ci;
pub mod explain;
mod files;
mod logs;
mod matrix;
mod names;
pub mod page;
pub mod plots;
mod rows;
mod shell;
mod terminal;
mod timeline;
mod trace;
mod view;
mod zoom;

pub use files::{write_files, write_files_with, write_report};
pub use matrix::{
    CellLinks, matrix_cell, matrix_legend, matrix_markdown, matrix_page, matrix_text, matrix_words,
};
pub use names::Names;
pub use plots::{Figure, TrendPoint, overlaid_pbs, trend};
pub use rows::{OperationEnd, OperationRow, OperationRows};
pub use shell::command_line;
pub use terminal::{
    Ink, Width, extent, faults_seen, fit, headline, printable, summary, verdict_line,
};
pub use timeline::{Timeline, TimelineRow, Weight};
pub use trace::write_trace;
pub use view::{Band, PhaseSpan, View};
pub use zoom::{Pictures, zoom};
