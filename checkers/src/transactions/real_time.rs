//! Which transactions were over before others began: in their sessions, or in
//! real time.

use super::{
    execution::Execution,
    graph::{Dependency, Edge},
    level::Order,
};

/// The edges that `order` adds to those of data. In real time joints are
/// numbered from `joint` on.
pub(super) fn edges(execution: &Execution, order: Order, joint: u32) -> Vec<Edge> {
    match order {
        Order::Any => Vec::new(),
        Order::Sessions => in_sessions(execution),
        Order::RealTime => in_real_time(execution, joint),
    }
}

/// From each transaction to the next of its session. One of unknown outcome
/// follows the others, and nothing follows it.
fn in_sessions(execution: &Execution) -> Vec<Edge> {
    let mut edges = Vec::new();
    for session in execution.sessions() {
        let mut last = None;
        for to in session {
            let edge = |from| Edge { from, to, dependency: Dependency::Process, key: 0 };
            edges.extend(last.map(edge));
            if execution.ran[to as usize].end.is_some() {
                last = Some(to);
            }
        }
    }
    edges
}

/// Edges between the transactions that happened, with joints: three for each
/// transaction, whatever the concurrency. A joint is a moment; it precedes the
/// next, everything that had ended leads into it, and what begins behind it
/// comes out.
fn in_real_time(execution: &Execution, joint: u32) -> Vec<Edge> {
    enum Happens {
        Begins,
        Ends,
    }
    let mut moments: Vec<(u64, Happens, u32)> = Vec::new();
    for at in execution.members() {
        let ran = &execution.ran[at as usize];
        moments.push((ran.begin, Happens::Begins, at));
        moments.extend(ran.end.map(|end| (end, Happens::Ends, at)));
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
