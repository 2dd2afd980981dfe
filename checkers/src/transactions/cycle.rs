//! What a cycle of dependencies is called, and the smallest one inside it.

use super::{
    graph::{Dependency, Edge, Graph, anti},
    parse::Transactions,
};
use crate::Class;

/// Longer cycles are left as they are.
const MAX_MEMBERS: usize = 64;

/// The same where the class is to stay, which takes more tries.
const MAX_STRONG: usize = 16;

/// The class of a cycle, as Elle names them.
pub(super) fn class(cycle: &[Edge]) -> Class {
    let has = |dependency| cycle.iter().any(|edge| edge.dependency == dependency);
    let has_reads = has(Dependency::WriteRead);
    match (anti(cycle), has(Dependency::RealTime)) {
        (0, false) if has_reads => Class::G1c,
        (0, false) => Class::G0,
        (1, false) => Class::GSingle,
        (_, false) => Class::G2,
        (0, true) if has_reads => Class::G1cRealtime,
        (0, true) => Class::G0Realtime,
        (1, true) => Class::GSingleRealtime,
        (_, true) => Class::G2Realtime,
    }
}

/// How weak a class is, whether or not real time has part in it.
pub(super) const fn rank(class: Class) -> u8 {
    match class {
        Class::G0 | Class::G0Realtime => 0,
        Class::G1c | Class::G1cRealtime => 1,
        Class::GSingle | Class::GSingleRealtime => 2,
        _ => 3,
    }
}

/// A cycle of some of the transactions of `cycle`, without joints, that is none
/// any more without any one of them.
pub(super) fn shortest(graph: &Graph, transactions: &Transactions, cycle: &[Edge]) -> Vec<Edge> {
    let mut members = members(graph, cycle);
    if members.len() <= MAX_MEMBERS {
        let edge = |from, to| edge(graph, transactions, cycle, from, to);
        for member in members.clone() {
            let rest: Vec<u32> = members.iter().copied().filter(|m| *m != member).collect();
            if around(&rest, &edge).is_some() {
                members = rest;
            }
        }
        if let Some(cycle) = around(&members, &edge) {
            return cycle;
        }
    }
    without_joints(graph, transactions, cycle)
}

/// A cycle of some of the transactions of `whole`, which has no joints, of at
/// least its class, that is none any more without any one of them.
pub(super) fn as_strong(
    graph: &Graph,
    transactions: &Transactions,
    mut whole: Vec<Edge>,
) -> Vec<Edge> {
    let most = anti(&whole).min(1);
    let weakest = |cycle: &[Edge]| {
        let kinds = cycle.iter().map(|edge| edge.dependency);
        kinds.filter(|kind| *kind != Dependency::ReadWrite).max()
    };
    let strong = weakest(&whole).filter(|_| most == 0).unwrap_or(Dependency::WriteRead);
    let mut at = 0;
    while at < whole.len() && whole.len() <= MAX_STRONG {
        // Real time weakens no class.
        let edge =
            |from, to| by_time(transactions, &whole, from, to).or_else(|| graph.between(from, to));
        let by = |most: Dependency| {
            move |from: u32, to: u32| edge(from, to).filter(|e| e.dependency <= most)
        };
        let rest: Vec<u32> =
            whole.iter().map(|e| e.from).filter(|node| *node != whole[at].from).collect();
        let closed = || {
            // One that closes a path of stronger ones.
            let pairs = rest.iter().flat_map(|from| rest.iter().map(move |to| (*from, *to)));
            let mut closing = pairs.filter(|(from, to)| from != to && most == 1);
            closing.find_map(|(from, to)| {
                let last = edge(from, to)?;
                let path = path(&rest, to, from, &by(strong))?;
                Some(std::iter::once(last).chain(path).collect())
            })
        };
        match around(&rest, &by(strong)).or_else(closed) {
            Some(shorter) => (whole, at) = (shorter, 0),
            None => at += 1,
        }
    }
    whole
}

/// A shortest path by some of `members`.
fn path(
    members: &[u32],
    from: u32,
    to: u32,
    edge: &dyn Fn(u32, u32) -> Option<Edge>,
) -> Option<Vec<Edge>> {
    let mut paths: Vec<Vec<Edge>> = vec![Vec::new()];
    let mut reached = vec![from];
    let mut next = 0;
    while let Some(&at) = reached.get(next) {
        for &other in members {
            let Some(step) = edge(at, other).filter(|_| !reached.contains(&other)) else {
                continue;
            };
            let mut path = paths[next].clone();
            path.push(step);
            if other == to {
                return Some(path);
            }
            reached.push(other);
            paths.push(path);
        }
        next += 1;
    }
    None
}

/// The same cycle from transaction to transaction.
pub(super) fn without_joints(
    graph: &Graph,
    transactions: &Transactions,
    cycle: &[Edge],
) -> Vec<Edge> {
    let members = members(graph, cycle);
    let next = members.iter().cycle().skip(1);
    let pairs = members.iter().zip(next);
    pairs.filter_map(|(&from, &to)| edge(graph, transactions, cycle, from, to)).collect()
}

fn members(graph: &Graph, cycle: &[Edge]) -> Vec<u32> {
    cycle.iter().map(|edge| edge.from).filter(|node| graph.is_transaction(*node)).collect()
}

/// How one transaction depends on another, by real time only if something on
/// `cycle` does.
fn edge(
    graph: &Graph,
    transactions: &Transactions,
    cycle: &[Edge],
    from: u32,
    to: u32,
) -> Option<Edge> {
    graph.between(from, to).or_else(|| by_time(transactions, cycle, from, to))
}

fn by_time(transactions: &Transactions, cycle: &[Edge], from: u32, to: u32) -> Option<Edge> {
    let has_real_time = cycle.iter().any(|edge| edge.dependency == Dependency::RealTime);
    let is_over = has_real_time && transactions.is_before(from, to);
    is_over.then_some(Edge { from, to, dependency: Dependency::RealTime, key: 0 })
}

/// A cycle among `members`, if there is one.
fn around(members: &[u32], edge: &dyn Fn(u32, u32) -> Option<Edge>) -> Option<Vec<Edge>> {
    // What nothing leads to, or nothing leads out of, is on no cycle.
    let mut rest = members.to_vec();
    loop {
        let is_through = |node: &u32| {
            let others = || rest.iter().copied().filter(|other| other != node);
            others().any(|other| edge(other, *node).is_some())
                && others().any(|other| edge(*node, other).is_some())
        };
        let through: Vec<u32> = rest.iter().copied().filter(is_through).collect();
        if through.len() == rest.len() {
            break;
        }
        rest = through;
    }
    // From any of the others one may walk on for ever, and so comes back.
    let mut walk: Vec<Edge> = Vec::new();
    let mut at = *rest.first()?;
    loop {
        if let Some(start) = walk.iter().position(|edge| edge.from == at) {
            return Some(walk.split_off(start));
        }
        let onward = rest.iter().filter(|other| **other != at);
        let next = onward.filter_map(|other| edge(at, *other)).next()?;
        walk.push(next);
        at = next.to;
    }
}
