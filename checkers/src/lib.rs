//! Judges histories of caches, registers and other objects, without the rest
//! of quarrel and without I/O: histories in, verdicts out, no clock, no
//! randomness, no async code.
//!
//! A [`History`] is what the clients of a system saw: who invoked which
//! operation when, and what came back. [`judge()`] says which [`Guarantee`]s it
//! kept, with evidence and numbers:
//!
//! ```
//! use quarrel_checkers::{Guarantee, JudgeOptions, Validity, judge, notation};
//!
//! // A column is a millisecond; B reads 1 long after 2 was acknowledged.
//! let history = notation::parse(
//!     "A: [w1@1] [w2@2]
//!      B:                        [r1@1]",
//! )?;
//! let judgement = judge(&history, &[], &JudgeOptions::default());
//! assert_eq!(judgement.validity(Guarantee::Linearizable), Validity::Invalid);
//! assert_eq!(judgement.metrics.stale_reads, 1);
//! assert_eq!(
//!     judgement.anomalies[0].explanation,
//!     "key 0: process 1 read 1 (version 1), which was overwritten by 2 (version 2), \
//!      acknowledged 11 ms before this read began"
//! );
//! # Ok::<(), notation::NotationError>(())
//! ```
//!
//! To judge a store of your own, record every call: [`History::invoke`] before
//! it, [`History::ok`] with what came back after it, in one log for all clients.
//! `examples/record.rs` does so, and finds out that its cache is stale.
//!
//! | question | answered by |
//! |---|---|
//! | what did this run of a cache keep, and how stale was it? | [`judge()`] |
//! | is a register whose values are unique linearizable? Exactly, without search | [`register`] |
//! | is any object linearizable? By search, within a budget | [`search`], [`models`], your own [`Model`] |
//! | how isolated were these transactions? | [`transactions`] |
//! | what does this file say? | [`formats`] |
//! | how do I write a history into a test? | [`notation`] |
//! | where do I get histories to try it on? | [`generate`] |
//!
//! # Models
//!
//! | model | operations |
//! |---|---|
//! | [`models::Register`] | `read`, `write` |
//! | [`models::CasRegister`] | and `cas` |
//! | [`models::Counter`] | `add`, `inc`, `read` |
//! | [`models::Set`] | `add`, `remove`, `contains`, `read` |
//! | [`models::Queue`] | `enqueue`, `dequeue`, `drain` |
//! | [`models::Map`] | `get`, `put`, `append` |
//! | [`models::Mutex`] | `acquire`, `release` |
//! | [`models::MultiRegister`] | transactions of reads and writes |
//! | [`transactions::ListAppend`] | transactions that append to lists and read them |
//! | [`transactions::RwRegister`] | transactions that write registers and read them |
//!
//! The first eight are searched for an order ([`search::Linearizable`]); registers are
//! judged exactly by [`judge()`]. Levels of isolation are those of
//! [`transactions::Expected`], guarantees of registers those of [`Guarantee`].
//!
//! Three things hold everywhere. An operation precedes another only if it
//! ended strictly before the other began. An operation of unknown outcome may
//! take effect at any later moment or never. Work is bounded in steps, never in
//! time, so that the same history gets the same verdict on every machine; what
//! cannot be decided is [`Validity::Unknown`], with the reason.
//!
#![doc = include_str!("../README.md")]

mod checker;
mod compact;
mod event;
pub mod formats;
pub mod generate;
mod history;
mod judge;
mod model;
pub mod models;
pub mod notation;
mod outcome;
mod parallel;
pub mod register;
pub mod search;
mod step;
mod time;
pub mod transactions;
mod value;
mod verdict;
mod version;
mod words;

pub use checker::{Budget, Checker};
pub use compact::{CompactHistory, HistoryRef, StepAt};
pub use event::{Event, F, Index, Kind, Op, Process};
pub use history::{History, HistoryError, Operation, StepsOf};
pub use judge::{
    ByValues, Convergence, DivergenceWindow, JudgeOptions, Judgement, Metrics, Order, PbsBin,
    Phase, PhaseMetrics, Probe, ProbePhase, Quantiles, QuickJudgement, ReadFinding, Rung,
    SessionViolations, StalenessBin, judge, judge_json_lines, judge_phases, judge_reads,
    judge_stale, wilson,
};
pub use model::Model;
pub use outcome::{Evidence, RunOutcome, Stake, gravest_exit, gravity};
pub use step::{Certainty, Content, Lsn, Object, ParseLsnError, Reply, Site, Step};
pub use time::{Time, millis};
pub use value::{Key, Value};
pub use verdict::{Anomaly, Cause, Class, Guarantee, Invalidation, Validity, Verdict};
pub use version::Version;
pub use words::thousands;
