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
//! | class | is |
//! |---|---|
//! | [`G0`](crate::Class::G0) | a cycle of ww |
//! | [`G1a`](crate::Class::G1a) | a read of what an aborted transaction wrote |
//! | [`G1b`](crate::Class::G1b) | a read of what its transaction overwrote itself |
//! | [`G1c`](crate::Class::G1c) | a cycle of ww and wr |
//! | [`LostUpdate`](crate::Class::LostUpdate) | two transactions read one version of a key and both replaced it |
//! | [`GSingle`](crate::Class::GSingle) | a cycle with exactly one rw |
//! | [`G2`](crate::Class::G2) | a cycle with several rw |
//!
//! Of registers it is not always known who overwrote what. Where no cycle says
//! so and still no order of the transactions explains their reads, that is
//! [`NotSerializable`](crate::Class::NotSerializable), or
//! [`NotSerializableRealtime`](crate::Class::NotSerializableRealtime).
//!
//! Each level of isolation excludes some of them
//! ([`Expected::excluded_by`]); what no cycle shows is looked for:
//! [`NotSnapshotIsolated`](crate::Class::NotSnapshotIsolated) says that there is
//! no way to give every transaction a snapshot and a commit.
//!
//! A transaction of unknown outcome counts if something that it wrote was read.
//! What is found contradicts serializability. With
//! [`Expected::StrictSerializable`] a transaction also comes after all that
//! had ended when it began, in the order of the history's events, and cycles
//! that only real time closes are found too, under Elle's names:
//! [`G0Realtime`](crate::Class::G0Realtime),
//! [`G1cRealtime`](crate::Class::G1cRealtime),
//! [`GSingleRealtime`](crate::Class::GSingleRealtime) and
//! [`G2Realtime`](crate::Class::G2Realtime).
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

mod cycle;
mod found;
mod graph;
mod list_append;
mod parse;
mod real_time;
mod rw_register;
mod serial;
mod snapshot;
mod topological;

pub use list_append::ListAppend;
pub use parse::{is_list, is_transaction};
pub use rw_register::RwRegister;

use serde::Serialize;

use crate::{Class, Validity, Verdict};

/// What transactions are held to, weakest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expected {
    /// Nobody overwrites in a circle (Adya's PL-1).
    ReadUncommitted,
    /// Nor reads what was never committed, or not yet (PL-2).
    ReadCommitted,
    /// Every transaction reads one snapshot, and of two at once that write one
    /// key one fails (Berenson et al. 1995; any snapshot will do: generalized,
    /// Elnikety et al. 2005).
    SnapshotIsolation,
    /// Some order of all transactions explains every read.
    #[default]
    Serializable,
    /// Some order that also keeps real time does.
    StrictSerializable,
}

impl Expected {
    /// Every level, weakest first.
    pub const ALL: [Self; 5] = [
        Self::ReadUncommitted,
        Self::ReadCommitted,
        Self::SnapshotIsolation,
        Self::Serializable,
        Self::StrictSerializable,
    ];

    /// The weakest level that an anomaly excludes; none if it is no matter of
    /// isolation.
    #[must_use]
    pub const fn excluded_by(class: Class) -> Option<Self> {
        Some(match class {
            Class::G0 | Class::PhantomRead | Class::IncompatibleOrder => Self::ReadUncommitted,
            Class::G1a | Class::G1b | Class::G1c => Self::ReadCommitted,
            Class::Internal | Class::LostUpdate | Class::GSingle | Class::NotSnapshotIsolated => {
                Self::SnapshotIsolation
            }
            Class::G2 | Class::NotSerializable => Self::Serializable,
            Class::G0Realtime
            | Class::G1cRealtime
            | Class::GSingleRealtime
            | Class::G2Realtime
            | Class::NotSerializableRealtime => Self::StrictSerializable,
            _ => return None,
        })
    }
}

/// A verdict, and what it rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct Examined {
    /// The verdict.
    pub verdict: Verdict,
    /// Every level up to the expected one, weakest first.
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
