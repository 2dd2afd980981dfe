//! How long storms take to convict what is known to be broken, and whether
//! they acquit what is not: the power of the whole harness, measured.
//!
//! A *pair* is a strategy under faults, written as after `quarrel run`. Each is
//! run with several seeds; a [`Trial`] says what came of one storm, a [`DetectionRow`]
//! of all storms of a pair, a [`Table`] of everything.

mod conviction;
mod pair;
mod table;
mod trial;

pub use conviction::{Conviction, conviction, is_convicted};
pub use pair::{Charge, ExpectedVerdict, Pair};
pub use table::{DetectionRow, Table, Times, Word};
pub use trial::Trial;
