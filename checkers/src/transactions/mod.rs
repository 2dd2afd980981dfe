//! Isolation of transactions, by cycles of dependencies (Adya 1999), inferred
//! from values as Elle does (Kingsbury & Alvaro, VLDB 2020).
//!
//! A transaction is an operation [`F::Txn`](crate::F::Txn) whose value is a
//! list of `[f key value]`, `f` being `r` and `append` or `w`; keys may be any
//! values. Values written to a key are unique. Transaction `a` comes before
//! `b` if
//!
//! * `b` overwrote what `a` wrote (*ww*),
//! * `b` read what `a` wrote (*wr*), or
//! * `b` overwrote what `a` read (*rw*).
//!
//! | class | is | excluded from |
//! |---|---|---|
//! | [`G0`](crate::Class::G0) | a cycle of ww | read uncommitted |
//! | [`G1a`](crate::Class::G1a) | a read of what an aborted transaction wrote | read committed |
//! | [`G1b`](crate::Class::G1b) | a read of what its transaction overwrote itself | read committed |
//! | [`G1c`](crate::Class::G1c) | a cycle of ww and wr | read committed |
//! | [`ObservedTransactionVanishes`](crate::Class::ObservedTransactionVanishes) | a read of something that a transaction wrote, then none of the rest | monotonic atomic view |
//! | [`FracturedRead`](crate::Class::FracturedRead) | reads of a part of what a transaction wrote | read atomic |
//! | [`WriteCoInitRead`](crate::Class::WriteCoInitRead), [`WriteCoRead`](crate::Class::WriteCoRead) | a read of what was overwritten in one's own past | causal |
//! | [`CyclicCf`](crate::Class::CyclicCf) | pasts that contradict each other | causal convergence |
//! | [`LostUpdate`](crate::Class::LostUpdate) | two transactions read one version of a key and both replaced it | parallel snapshot isolation |
//! | [`GSingle`](crate::Class::GSingle) | a cycle with exactly one rw | parallel snapshot isolation |
//! | [`GNonadjacent`](crate::Class::GNonadjacent) | a cycle with several rw, none next to another | snapshot isolation |
//! | [`GUpdate`](crate::Class::GUpdate) | a cycle with rw of which at most one only reads | update serializable |
//! | [`G2Item`](crate::Class::G2Item) | a cycle with rw next to each other | repeatable read |
//!
//! With `Process` behind it a class counts, too, that a transaction follows
//! those which its process had run before, and with `Realtime` that it follows
//! all that had ended when it began, in the order of the history's events.
//! Levels that begin with `StrongSession` or `Strong` exclude those
//! ([`Expected::excluded_by`], [`Expected::implies`]).
//!
//! Of registers it is not always known who overwrote what. Where no cycle says
//! so and still no order explains what was read, that is
//! [`NotParallelSnapshotIsolated`](crate::Class::NotParallelSnapshotIsolated),
//! [`NotSnapshotIsolated`](crate::Class::NotSnapshotIsolated),
//! [`NotUpdateSerializable`](crate::Class::NotUpdateSerializable) or
//! [`NotSerializable`](crate::Class::NotSerializable). These four are decided by
//! search, within a budget; the levels up to causal convergence take none.
//!
//! A transaction of unknown outcome counts if something that it wrote was read.
//!
//! ```
//! use quarrel_checkers::{Budget, Checker, Class, formats, transactions::ListAppend};
//!
//! // Both read x as empty, and both appended.
//! let history = formats::parse(
//!     b"{:type :invoke, :process 0, :f :txn, :value [[:r x nil] [:append x 1]]}
//!       {:type :invoke, :process 1, :f :txn, :value [[:r x nil] [:append x 2]]}
//!       {:type :ok, :process 0, :f :txn, :value [[:r x []] [:append x 1]]}
//!       {:type :ok, :process 1, :f :txn, :value [[:r x []] [:append x 2]]}",
//!     &formats::ImportOptions::default(),
//! )?.history;
//! let verdict = ListAppend::default().check(&history, Budget::default());
//! assert_eq!(verdict.anomalies[0].class, Class::LostUpdate);
//! # Ok::<(), formats::ImportError>(())
//! ```

mod causal;
mod cycle;
mod execution;
mod forced;
mod found;
mod graph;
mod ladder;
mod level;
mod list_append;
mod nonadjacent;
mod parse;
mod real_time;
mod rw_register;
mod serial;
mod snapshot;
mod topological;
mod versions;
mod wording;

pub use level::{Expected, ParseLevelError};
pub use list_append::ListAppend;
pub use parse::{is_list, is_transaction};
pub use rw_register::RwRegister;

use crate::{Validity, Verdict};

/// A verdict, and what it rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct Examined {
    /// The verdict.
    pub verdict: Verdict,
    /// Every level that the expected one implies, and that one last.
    pub levels: Vec<(Expected, Validity)>,
    /// Dependencies of one transaction on another by what they read and wrote.
    /// Without any, nothing could have gone wrong between them.
    pub dependencies: usize,
}

impl Examined {
    pub(crate) fn unknown(problem: String) -> Self {
        Self { verdict: Verdict::unknown(problem), levels: Vec::new(), dependencies: 0 }
    }
}
