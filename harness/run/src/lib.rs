//! A run: a strategy on a cluster under faults, judged.
//!
//! * [`run`] – a run as one call.
//! * [`faults`] – the catalogue of faults, their receipts, the nemesis.
//! * [`runner`] – the storm's clients.
//! * [`results`] – what is kept of a run, in files.
//! * [`judge`] – the verdict.
//! * [`detection`] – how soon storms convict.

pub mod detection;
pub mod faults;
pub mod judge;
pub mod results;
pub mod run;
pub mod runner;
