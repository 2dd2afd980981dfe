//! One folder per run: what it was, what happened, what came of it.
//!
//! Everything but the history, the faults and the probes can be made again
//! from them. Files are written under another name and renamed; the history is
//! journaled while the run goes on, so that a killed run can still be judged.

mod case;
mod environment;
mod files;
mod folder;
mod form;
mod index;
mod inside;
mod journal;
mod line;
mod load;
mod lock;
mod matrix;
mod memory;
mod owner;
mod packed;
mod phases;
mod reader;
mod redact;
mod settings;
mod share;
mod state;
mod verdict;

pub use case::Case;
pub use environment::{Environment, checked_out};
pub use files::{FileError, json_text, read_json_lines, write_json, write_json_lines, write_text};
pub use folder::{FindError, RunFolder, find_run, list_all_runs, list_runs};
pub use form::FormError;
pub use index::{IndexLine, append_to_index, read_index};
pub use inside::{AtMost, MOST_BYTES, is_inside, open_inside, text_inside, write_inside};
pub use journal::{Journal, JournalError};
pub use load::{LoadError, LoadedRun, load_run, read_history};
pub(crate) use lock::Locked;
pub use matrix::{
    CellBreak, CellEvidence, CellOutcome, CellRung, CellSearch, MATRIX_FILE, MATRIX_SCHEMA,
    MatrixCell, MatrixFile, list_matrices, read_matrix,
};
pub use memory::{allow_memory, most_memory, too_much_memory};
pub use owner::is_ours;
pub use packed::{Cut, STDIN, most_unpacked, open_history};
pub use phases::Phases;
pub use quarrel_checkers::RunOutcome;
pub(crate) use redact::Veil;
pub use redact::{RedactError, Redactor, redacted_copy};
pub use settings::RunSettings;
pub use share::NotByKey;
pub use state::{RunState, by_run, states};
pub use verdict::{FaultCount, SCHEMA, VerdictFile};
