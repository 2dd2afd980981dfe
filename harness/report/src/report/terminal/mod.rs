//! What a run says on a terminal.

mod headline;
mod ink;
mod outcome;
mod phases;
mod sheet;
mod verdict;
mod width;

pub use headline::headline;
pub(in crate::report) use headline::{Fracture, cause_told, numeral, value_of, why};
pub use ink::Ink;
pub use outcome::{extent, faults_seen, verdict_line};
pub use verdict::summary;
pub use width::{Width, fit, printable};

pub(in crate::report) use outcome::is_unasked;
pub(in crate::report) use sheet::Sheet;
pub(in crate::report) use width::{columns as text_columns, cut as shorten};
