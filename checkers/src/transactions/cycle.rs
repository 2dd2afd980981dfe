//! What a cycle of dependencies is called, and the smallest one inside it.

use super::{
    graph::{Dependency, Edge, Graph, anti},
    parse::Transactions,
};
use crate::Class;

/// Longer cycles are left as they are.
const MAX_MEMBERS: usize = 64;

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

/// A cycle of some of the transactions of `cycle`, without joints, that is none
/// any more without any one of them.
pub(super) fn shortest(graph: &Graph, transactions: &Transactions, cycle: &[Edge]) -> Vec<Edge> {
    let on_it = cycle.iter().map(|edge| edge.from).filter(|node| graph.is_transaction(*node));
    let mut members: Vec<u32> = on_it.collect();
    let has_real_time = cycle.iter().any(|edge| edge.dependency == Dependency::RealTime);
    let edge = |from: u32, to: u32| {
        let by_data = || graph.between(from, to);
        let is_over = has_real_time && transactions.is_before(from, to);
        let by_time =
            is_over.then_some(Edge { from, to, dependency: Dependency::RealTime, key: 0 });
        by_data().or(by_time)
    };
    if members.len() <= MAX_MEMBERS {
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
    (0..members.len())
        .filter_map(|at| edge(members[at], members[(at + 1) % members.len()]))
        .collect()
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
