//! What a cycle of dependencies is called, and the smallest one inside it.

use super::{
    graph::{Dependency, Edge, Graph, anti},
    level::{Order, with_order, without_order},
    parse::Transactions,
};
use crate::Class;

/// Longer cycles are left as they are.
const MAX_MEMBERS: usize = 64;

/// The same where the class is to stay, which takes more tries.
const MAX_STRONG: usize = 16;

/// The class of a cycle, as Elle names them.
pub(super) fn class(cycle: &[Edge]) -> Class {
    let is_anti = |edge: &Edge| edge.dependency == Dependency::ReadWrite;
    let next = cycle.iter().cycle().skip(1);
    let has_adjacent = cycle.iter().zip(next).any(|(one, two)| is_anti(one) && is_anti(two));
    let has_reads = cycle.iter().any(|edge| edge.dependency == Dependency::WriteRead);
    let class = match anti(cycle) {
        0 if has_reads => Class::G1c,
        0 => Class::G0,
        1 => Class::GSingle,
        _ if has_adjacent => Class::G2Item,
        _ => Class::GNonadjacent,
    };
    with_order(class, order(cycle))
}

/// What has part in a cycle besides data.
pub(super) fn order(cycle: &[Edge]) -> Order {
    let has = |dependency| cycle.iter().any(|edge| edge.dependency == dependency);
    match () {
        () if has(Dependency::RealTime) => Order::RealTime,
        () if has(Dependency::Process) => Order::Sessions,
        () => Order::Any,
    }
}

/// How weak a class of cycles is, whether or not sessions or real time have
/// part in it.
pub(super) fn rank(class: Class) -> u8 {
    match without_order(class) {
        Class::G0 => 0,
        Class::G1c => 1,
        Class::GSingle => 2,
        Class::GNonadjacent => 3,
        _ => 4,
    }
}

/// A cycle of some of the transactions of `cycle`, without joints, that is none
/// any more without any one of them.
///
/// Dependencies by data that are weaker than `strong` have part in it only where
/// nothing else leads on.
pub(super) fn shortest(
    graph: &Graph,
    transactions: &Transactions,
    cycle: &[Edge],
    strong: Dependency,
) -> Vec<Edge> {
    let mut members = members(graph, cycle);
    if members.len() <= MAX_MEMBERS {
        let edge = |from, to| edge(graph, transactions, cycle, strong, (from, to));
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
    without_joints(graph, transactions, cycle, strong)
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
        // Sessions and real time weaken no class.
        let edge =
            |from, to| by_order(transactions, &whole, from, to).or_else(|| graph.between(from, to));
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
    strong: Dependency,
) -> Vec<Edge> {
    let members = members(graph, cycle);
    let next = members.iter().cycle().skip(1);
    let pairs = members.iter().zip(next);
    let edge = |(&from, &to)| edge(graph, transactions, cycle, strong, (from, to));
    pairs.filter_map(edge).collect()
}

fn members(graph: &Graph, cycle: &[Edge]) -> Vec<u32> {
    cycle.iter().map(|edge| edge.from).filter(|node| graph.is_transaction(*node)).collect()
}

/// How one transaction depends on another: by data up to `strong`, else by
/// sessions or real time if something on `cycle` does, else by other data.
pub(super) fn edge(
    graph: &Graph,
    transactions: &Transactions,
    cycle: &[Edge],
    strong: Dependency,
    (from, to): (u32, u32),
) -> Option<Edge> {
    let data = graph.between(from, to);
    let is_strong = |edge: &Edge| edge.dependency <= strong;
    data.filter(is_strong).or_else(|| by_order(transactions, cycle, from, to)).or(data)
}

fn by_order(transactions: &Transactions, cycle: &[Edge], from: u32, to: u32) -> Option<Edge> {
    let session = |at: u32| transactions.list[at as usize].session;
    let (is_counted, dependency) = match order(cycle) {
        Order::Any => return None,
        Order::Sessions => (session(from) == session(to), Dependency::Process),
        Order::RealTime => (true, Dependency::RealTime),
    };
    let is_over = is_counted && transactions.is_before(from, to);
    is_over.then_some(Edge { from, to, dependency, key: 0 })
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
