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
mod topological;

pub use list_append::ListAppend;
pub use parse::{is_list, is_transaction};
pub use rw_register::RwRegister;

use crate::Verdict;

/// What transactions are held to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Expected {
    /// Some order of all transactions explains every read.
    #[default]
    Serializable,
    /// Some order that also keeps real time does.
    StrictSerializable,
}

/// A verdict, and what it rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct Examined {
    /// The verdict.
    pub verdict: Verdict,
    /// Dependencies of one transaction on another by what they read and wrote.
    /// Without any, nothing could have gone wrong between them.
    pub dependencies: usize,
}
