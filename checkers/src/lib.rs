//! Judges histories of caches and registers.
//!
//! Everything here is pure: histories in, verdicts out, with no I/O, clock,
//! randomness or async code. A [`History`] is what the clients of a system
//! saw: who invoked which operation when, and what came back. A [`Checker`]
//! turns it into a [`Verdict`].
//!
//! ```
//! use quarrel_checkers::{History, Op, Process, Time};
//!
//! let mut history = History::default();
//! let a = Process::Client(0);
//! let invoke = history.invoke(Time::from_millis(0), a, Op::write(7, 1));
//! history.ok(Time::from_millis(2), a, Op::write(7, 1));
//! assert_eq!(history.operations().unwrap()[0].invoke, invoke);
//! ```

mod checker;
mod event;
pub mod formats;
pub mod generate;
mod history;
mod judge;
mod model;
pub mod models;
pub mod notation;
pub mod register;
pub mod search;
mod step;
mod time;
pub mod transactions;
mod value;
mod verdict;

pub use checker::{Budget, Checker};
pub use event::{Event, F, Index, Kind, Op, Process};
pub use history::{History, HistoryError, Operation};
pub use judge::{
    Convergence, DivergenceWindow, JudgeOptions, Judgement, Metrics, Order, PbsBin, Probe,
    ProbePhase, Quantiles, Rung, SessionViolations, StalenessBin, judge, wilson,
};
pub use model::Model;
pub use step::{Certainty, Content, Lsn, Object, ParseLsnError, Reply, Site, Step};
pub use time::Time;
pub use value::{Key, Value};
pub use verdict::{Anomaly, Cause, Class, Guarantee, Validity, Verdict};
