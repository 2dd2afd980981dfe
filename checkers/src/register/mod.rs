//! Linearizability of one register whose written values are unique, decided
//! exactly and without search.
//!
//! Because every value is written once, each read names its write. A value's
//! write and reads form a *cluster*, and in any legal order clusters stand
//! side by side. A cluster has to precede another exactly if one of its
//! operations returned before one of the other's was invoked; with `f` the
//! first return and `s` the last invocation of a cluster, `A` precedes `B` iff
//! `f(A) < s(B)`. If these constraints have a cycle they have one of two
//! clusters (take the one of smallest `f`), so the history is linearizable iff
//! no two clusters must precede each other and no read ended before its write
//! began. The idea is the zones of Gibbons & Korach (SIAM J. Comput. 1997);
//! the treatment of unfinished writes and of compare-and-set is ours:
//!
//! * **Unfinished write**: it returns at infinity. Unread it constrains
//!   nothing; read, its readers bound it.
//! * **Initial value**: a write before everything.
//! * **Compare-and-set**: its new value stands directly behind its old one, so
//!   chains of clusters merge into one block, to which the same lemma applies.
//! * **Unfinished compare-and-set**: it happened iff its value was seen,
//!   directly or through another one that happened.
//! * **Equal instants** are concurrent: `a` precedes `b` only if
//!   `a.returned < b.invoked`, strictly.
//!
//! ```
//! use quarrel_checkers::register::{self, RegisterOperation, ValueId};
//!
//! let (one, two) = (ValueId(1), ValueId(2));
//! let stale = [
//!     RegisterOperation::write(one, 0, 1),
//!     RegisterOperation::write(two, 2, 3),
//!     RegisterOperation::read(one, 4, 5),
//! ];
//! assert!(register::check(&stale).unwrap().is_some());
//! assert!(register::check(&stale[..2]).unwrap().is_none());
//! ```

mod cluster;
mod delta;
mod dense;
mod interner;
mod numbering;
mod operation;
mod overwritten;
mod stream;
mod versioned;

pub use delta::{Delta, delta};
pub use dense::{Conflict, DenseError, DenseRecord, DenseRecords};
pub use interner::Interner;
pub use numbering::Numbering;
pub use operation::{NotUnique, OPEN, RegisterAction, RegisterOperation, ValueId, Violation};
pub use stream::{StreamError, Streamed, check_json_lines, check_json_lines_within};
pub use versioned::{VersionedRecord, VersionedRecords};

pub(crate) use cluster::Clusters;
pub(crate) use stream::{Listener, gather};

/// The first contradiction in `operations`, none if they are linearizable.
///
/// The operations may stand in any order; in order of their return nothing has
/// to be sorted and the check is linear.
///
/// # Errors
///
/// [`NotUnique`] if a value is written twice, or the initial value at all:
/// then reads do not name their writes and a search is needed.
pub fn check(operations: &[RegisterOperation]) -> Result<Option<Violation>, NotUnique> {
    Ok(Clusters::build(operations)?.violation(operations))
}
