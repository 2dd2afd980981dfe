//! Which transactions were over before others began.

use super::{
    graph::{Dependency, Edge},
    parse::{Outcome, Transactions},
};
use crate::Index;

/// Edges of real time between the transactions that happened, with joints
/// numbered from `joint` on: three for each transaction, whatever the
/// concurrency. A joint is a moment; it precedes the next, everything that had
/// ended leads into it, and what begins behind it comes out.
pub(super) fn edges(transactions: &Transactions, joint: u32) -> Vec<Edge> {
    enum Happens {
        Begins,
        Ends,
    }
    let mut moments: Vec<(Index, Happens, u32)> = Vec::new();
    for (at, transaction) in (0..).zip(&transactions.list) {
        // One that failed has no place, and one of unknown outcome no end.
        match (transaction.outcome, transaction.complete) {
            (Outcome::Aborted, _) => continue,
            (Outcome::Committed, Some(end)) => moments.push((end, Happens::Ends, at)),
            _ => {}
        }
        moments.push((transaction.invoke, Happens::Begins, at));
    }
    moments.sort_unstable_by_key(|&(index, ..)| index);
    let mut edges = Vec::with_capacity(moments.len() * 3 / 2);
    let edge = |from, to| Edge { from, to, dependency: Dependency::RealTime, key: 0 };
    // The joint into which what ends now leads, and whether it was used.
    let (mut into, mut is_used) = (joint, false);
    let mut out = None;
    for (_, happens, at) in moments {
        match happens {
            Happens::Ends => {
                edges.push(edge(at, into));
                is_used = true;
            }
            Happens::Begins => {
                if is_used {
                    edges.push(edge(into, into + 1));
                    (out, into, is_used) = (Some(into), into + 1, false);
                }
                edges.extend(out.map(|out| edge(out, at)));
            }
        }
    }
    edges
}
