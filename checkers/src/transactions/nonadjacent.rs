//! Cycles in which no two anti-dependencies follow each other, which snapshot
//! isolation excludes (Cerone & Gotsman, PODC 2016).
//!
//! They are the cycles of moments: a transaction's snapshot precedes its
//! commit, its commit the snapshot of what depends on it, and its snapshot the
//! commit of what overwrote what it read.

use std::collections::VecDeque;

use super::{
    cycle::edge,
    graph::{Dependency, Edge, Graph},
    parse::Transactions,
    snapshot::Moments,
};

/// More transactions are not tried one by one.
const MAX_MEMBERS: usize = 48;

/// A smallest such cycle in every component that has one.
pub(super) fn cycles(
    graph: &Graph,
    transactions: &Transactions,
    dependencies: &[Edge],
) -> Vec<Vec<Edge>> {
    let moments = Moments::of(transactions.list.len());
    let before =
        |(from, to): (u32, u32)| Edge { from, to, dependency: Dependency::WriteWrite, key: 0 };
    let known = moments.known(dependencies).into_iter().map(before).collect();
    let found = Graph::new(0, known).cycles(Dependency::WriteWrite);
    found
        .iter()
        .filter_map(|cycle| smallest(graph, transactions, dependencies, moments, cycle))
        .collect()
}

fn smallest(
    graph: &Graph,
    transactions: &Transactions,
    dependencies: &[Edge],
    moments: Moments,
    cycle: &[Edge],
) -> Option<Vec<Edge>> {
    let mut members: Vec<u32> =
        cycle.iter().filter_map(|edge| moments.transaction(edge.from)).collect();
    members.sort_unstable();
    members.dedup();
    if members.len() > MAX_MEMBERS {
        return None;
    }
    // Sessions and real time count if the graph has them.
    let counted: Vec<Edge> =
        dependencies.iter().find(|edge| !edge.dependency.is_data()).copied().into_iter().collect();
    // An anti-dependency that real time does without has no part in it.
    let strong = Dependency::WriteRead;
    let edge = |from, to| edge(graph, transactions, &counted, strong, (from, to));
    let pair = |from: &u32, to: &u32| if from == to { None } else { edge(*from, *to) };
    let table = |members: &[u32]| -> Vec<Vec<Option<Edge>>> {
        members.iter().map(|from| members.iter().map(|to| pair(from, to)).collect()).collect()
    };
    let mut found = shortest(&table(&members))?;
    let mut at = 0;
    while at < members.len() {
        let mut rest = members.clone();
        rest.remove(at);
        match shortest(&table(&rest)) {
            Some(shorter) => (members, found) = (rest, shorter),
            None => at += 1,
        }
    }
    Some(found)
}

/// The shortest cycle of moments among some transactions, as dependencies.
fn shortest(pairs: &[Vec<Option<Edge>>]) -> Option<Vec<Edge>> {
    let count = pairs.len();
    // Snapshots first, then commits.
    let is_anti = |edge: &Edge| edge.dependency == Dependency::ReadWrite;
    let next = |moment: usize| {
        let (at, is_commit) = (moment % count, moment >= count);
        let own = (!is_commit).then_some((at + count, None));
        let others = pairs[at].iter().enumerate().filter_map(move |(to, edge)| {
            let edge = edge.as_ref()?;
            match (is_anti(edge), is_commit) {
                (true, false) => Some((to + count, Some(*edge))),
                (false, true) => Some((to, Some(*edge))),
                _ => None,
            }
        });
        own.into_iter().chain(others)
    };
    let mut best: Option<Vec<Edge>> = None;
    for start in 0..2 * count {
        let mut reached: Vec<Option<(usize, Option<Edge>)>> = vec![None; 2 * count];
        let mut queue = VecDeque::from([start]);
        'search: while let Some(at) = queue.pop_front() {
            for (to, edge) in next(at) {
                if reached[to].is_none() {
                    reached[to] = Some((at, edge));
                    queue.push_back(to);
                }
                if to == start {
                    break 'search;
                }
            }
        }
        let mut cycle = Vec::new();
        let mut at = start;
        while let Some((before, edge)) = reached[at] {
            cycle.extend(edge);
            at = before;
            if at == start {
                cycle.reverse();
                if best.as_ref().is_none_or(|best| cycle.len() < best.len()) {
                    best = Some(cycle);
                }
                break;
            }
        }
    }
    best
}
