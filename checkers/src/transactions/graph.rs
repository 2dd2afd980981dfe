use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
};

use rustc_hash::{FxHashMap, FxHashSet};

/// How one transaction depends on another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Dependency {
    /// It began after the other had ended.
    RealTime,
    /// The same, and both are of one session.
    Process,
    /// It overwrote what the other wrote.
    WriteWrite,
    /// It read what the other wrote.
    WriteRead,
    /// It overwrote what the other read.
    ReadWrite,
    /// Somebody read what it wrote, and saw that the other had written it, too.
    Seen,
}

impl Dependency {
    /// Whether it shows in what was read and written.
    pub(super) const fn is_data(self) -> bool {
        !matches!(self, Self::RealTime | Self::Process)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Edge {
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) dependency: Dependency,
    pub(super) key: u32,
}

/// Dependencies between transactions, grouped by where they begin. Nodes
/// beyond the transactions join edges: what leads into one precedes all that
/// leads out of it.
pub(super) struct Graph {
    nodes: usize,
    /// How many nodes are transactions.
    transactions: usize,
    edges: Vec<Edge>,
    starts: Vec<u32>,
}

const NONE: u32 = u32::MAX;

impl Graph {
    pub(super) fn new(transactions: usize, mut edges: Vec<Edge>) -> Self {
        let last = edges.iter().map(|edge| edge.from.max(edge.to) as usize + 1).max();
        let nodes = transactions.max(last.unwrap_or(0));
        edges.retain(|edge| edge.from != edge.to);
        edges.sort_unstable_by_key(|edge| (edge.from, edge.to, edge.dependency));
        edges.dedup_by_key(|edge| (edge.from, edge.to, edge.dependency));
        let mut starts = vec![0; nodes + 1];
        for edge in &edges {
            starts[edge.from as usize + 1] += 1;
        }
        for at in 0..nodes {
            starts[at + 1] += starts[at];
        }
        Self { nodes, transactions, edges, starts }
    }

    /// Whether there is any cycle.
    pub(super) fn is_circular(&self) -> bool {
        let mut missing = vec![0_u32; self.nodes];
        self.edges.iter().for_each(|edge| missing[edge.to as usize] += 1);
        let all = 0..u32::try_from(self.nodes).unwrap_or(NONE);
        let mut ready: Vec<u32> = all.filter(|node| missing[*node as usize] == 0).collect();
        let mut done = 0;
        while let Some(node) = ready.pop() {
            done += 1;
            for edge in self.from(node) {
                missing[edge.to as usize] -= 1;
                if missing[edge.to as usize] == 0 {
                    ready.push(edge.to);
                }
            }
        }
        done < self.nodes
    }

    pub(super) const fn is_transaction(&self, node: u32) -> bool {
        (node as usize) < self.transactions
    }

    /// The strongest dependency of one transaction on another by data, if there
    /// is one.
    pub(super) fn between(&self, from: u32, to: u32) -> Option<Edge> {
        let direct = |from: u32| {
            let edges = self.from(from);
            let at = edges.partition_point(|edge| edge.to < to);
            let mut same = edges[at..].iter().take_while(|edge| edge.to == to);
            same.find(|edge| edge.dependency.is_data()).copied()
        };
        let joints = self.from(from).iter().filter(|edge| !self.is_transaction(edge.to));
        let joined = joints.filter(|edge| edge.dependency.is_data());
        let joined = joined.filter_map(|edge| Some(Edge { to: direct(edge.to)?.to, ..*edge }));
        direct(from).into_iter().chain(joined).min_by_key(|edge| edge.dependency)
    }

    fn from(&self, node: u32) -> &[Edge] {
        let node = node as usize;
        &self.edges[self.starts[node] as usize..self.starts[node + 1] as usize]
    }

    /// A cycle in every component that is strongly connected by dependencies
    /// up to `weakest`, with at least one of exactly that kind where there is
    /// such; for anti-dependencies the cycle has as few of them as possible.
    pub(super) fn cycles(&self, weakest: Dependency) -> Vec<Vec<Edge>> {
        let component = self.components(|dependency| dependency <= weakest);
        let ranks = self.ranks(weakest);
        let mut found: Vec<Vec<Edge>> = Vec::new();
        let mut best: Vec<Option<usize>> = vec![None; self.nodes];
        let closing = self.edges.iter().filter(|edge| {
            edge.dependency == weakest
                && component[edge.from as usize] == component[edge.to as usize]
        });
        for edge in closing {
            let slot = &mut best[component[edge.from as usize] as usize];
            if slot.is_some_and(|cycle| anti(&found[cycle]) <= 1) {
                continue;
            }
            // The rest of the cycle by stronger dependencies, if that is
            // possible: then it has exactly one of the weakest.
            let last = ranks[edge.from as usize];
            let is_possible = ranks[edge.to as usize] <= last;
            let strong = |e: &Edge| e.dependency < weakest && ranks[e.to as usize] <= last;
            let stronger =
                is_possible.then(|| self.path(edge.to, edge.from, &component, strong)).flatten();
            let is_tried = slot.is_some();
            let path = stronger.or_else(|| {
                let any = |e: &Edge| e.dependency <= weakest;
                (!is_tried).then(|| self.path(edge.to, edge.from, &component, any)).flatten()
            });
            let Some(path) = path else { continue };
            let cycle: Vec<Edge> = std::iter::once(*edge).chain(path).collect();
            match *slot {
                // It was not closed by stronger ones only, and this one is.
                Some(at) => found[at] = cycle,
                None => {
                    *slot = Some(found.len());
                    found.push(cycle);
                }
            }
        }
        found
    }

    /// A path within a component with as few transactions on it as possible.
    fn path(
        &self,
        from: u32,
        to: u32,
        component: &[u32],
        is_allowed: impl Fn(&Edge) -> bool,
    ) -> Option<Vec<Edge>> {
        let mut reached: FxHashMap<u32, (u32, Edge)> = FxHashMap::default();
        let mut queue = VecDeque::from([(from, 0)]);
        while let Some((node, distance)) = queue.pop_front() {
            if node == to {
                let mut path = Vec::new();
                let mut at = to;
                while at != from {
                    path.push(reached[&at].1);
                    at = reached[&at].1.from;
                }
                path.reverse();
                return Some(path);
            }
            if reached.get(&node).is_some_and(|&(shorter, _)| shorter < distance) {
                continue;
            }
            for edge in self.from(node).iter().filter(|edge| is_allowed(edge)) {
                let is_inside = component[edge.to as usize] == component[to as usize];
                // A joint is on the way to every transaction behind it.
                let step = u32::from(self.is_transaction(edge.to));
                let is_shorter = |&(known, _): &(u32, Edge)| distance + step < known;
                if !is_inside || edge.to == from || !reached.get(&edge.to).is_none_or(is_shorter) {
                    continue;
                }
                reached.insert(edge.to, (distance + step, *edge));
                match step {
                    0 => queue.push_front((edge.to, distance)),
                    _ => queue.push_back((edge.to, distance + 1)),
                }
            }
        }
        None
    }

    /// A number for each node that never falls along a dependency stronger than
    /// `limit`, so that a search for a way back need not look beyond. Where
    /// these dependencies are not circular, transactions have it in about the
    /// order in which they began, and such a search looks only at those that ran
    /// at the same time.
    fn ranks(&self, limit: Dependency) -> Vec<u32> {
        let edges = || self.edges.iter().filter(|edge| edge.dependency < limit);
        let mut missing = vec![0_u32; self.nodes];
        edges().for_each(|edge| missing[edge.to as usize] += 1);
        // A joint comes as soon as it can.
        let entry = |node: u32| Reverse((self.is_transaction(node), node));
        let all = 0..u32::try_from(self.nodes).unwrap_or(NONE);
        let ready = all.filter(|node| missing[*node as usize] == 0).map(entry);
        let mut ready: BinaryHeap<_> = ready.collect();
        let mut ranks = vec![0; self.nodes];
        let mut next = 0;
        while let Some(Reverse((_, node))) = ready.pop() {
            ranks[node as usize] = next;
            next += 1;
            for edge in self.from(node).iter().filter(|edge| edge.dependency < limit) {
                missing[edge.to as usize] -= 1;
                if missing[edge.to as usize] == 0 {
                    ready.push(entry(edge.to));
                }
            }
        }
        if next as usize == self.nodes {
            return ranks;
        }
        // Tarjan numbers components from the last to the first.
        let component = self.components(|dependency| dependency < limit);
        component.into_iter().map(|number| NONE - number).collect()
    }

    /// The strongly connected component of each node (Tarjan 1972), by a
    /// stack of our own, for cycles may be long.
    fn components(&self, is_allowed: impl Fn(Dependency) -> bool) -> Vec<u32> {
        let mut component = vec![NONE; self.nodes];
        let mut order = vec![NONE; self.nodes];
        let mut low = vec![NONE; self.nodes];
        let mut stack: Vec<u32> = Vec::new();
        let mut work: Vec<(u32, u32)> = Vec::new();
        let (mut next_order, mut next_component) = (0, 0);
        for root in 0..u32::try_from(self.nodes).unwrap_or(NONE) {
            if order[root as usize] != NONE {
                continue;
            }
            work.push((root, 0));
            while let Some((node, at)) = work.pop() {
                let here = node as usize;
                if at == 0 {
                    (order[here], low[here]) = (next_order, next_order);
                    next_order += 1;
                    stack.push(node);
                }
                let rest = self.from(node)[at as usize..].iter();
                let mut rest = rest.zip(at + 1..).filter(|(e, _)| is_allowed(e.dependency));
                let descend = rest.find_map(|(edge, next)| {
                    let to = edge.to as usize;
                    if order[to] == NONE {
                        return Some((edge.to, next));
                    }
                    if component[to] == NONE {
                        low[here] = low[here].min(order[to]);
                    }
                    None
                });
                if let Some((to, next)) = descend {
                    work.push((node, next));
                    work.push((to, 0));
                    continue;
                }
                if low[here] == order[here] {
                    while let Some(member) = stack.pop() {
                        component[member as usize] = next_component;
                        if member == node {
                            break;
                        }
                    }
                    next_component += 1;
                }
                if let Some(&(parent, _)) = work.last() {
                    low[parent as usize] = low[parent as usize].min(low[here]);
                }
            }
        }
        component
    }
}

/// Where everything that comes in precedes everything that goes out: a node in
/// the middle saves an edge for each pair.
#[derive(Default)]
pub(super) struct Joint {
    pub(super) before: Vec<(u32, Dependency)>,
    pub(super) after: Vec<u32>,
}

/// What stands on both sides read a version and went on from it, or wrote the
/// last one that was read and went on. In a history without lost updates and
/// intermediate reads there is one of each at most.
const MAX_ON_BOTH: usize = 2;

/// Of more than that, which are convicted already, each is joined to so many.
const MAX_DIRECT: usize = 64;

impl Joint {
    /// Adds the edges, with `node` in the middle. Nothing precedes itself, so
    /// what stands on both sides is joined to the others directly.
    pub(super) fn join(self, node: u32, key: u32, edges: &mut Vec<Edge>) {
        let after: FxHashSet<u32> = self.after.iter().copied().collect();
        if after.is_empty() {
            return;
        }
        let mut on_both = 0;
        for (from, dependency) in self.before {
            if after.contains(&from) {
                on_both += 1;
                let most = if on_both <= MAX_ON_BOTH { usize::MAX } else { MAX_DIRECT };
                let others = self.after.iter().filter(|to| **to != from).take(most);
                edges.extend(others.map(|&to| Edge { from, to, dependency, key }));
            } else {
                edges.push(Edge { from, to: node, dependency, key });
            }
        }
        let dependency = Dependency::WriteWrite;
        edges.extend(self.after.into_iter().map(|to| Edge { from: node, to, dependency, key }));
    }
}

/// How many edges lead from one transaction to another, at once or by a joint.
pub(super) fn dependencies(edges: &[Edge], transactions: usize) -> usize {
    let is_between = |edge: &&Edge| (edge.from as usize) < transactions && edge.from != edge.to;
    edges.iter().filter(is_between).count()
}

/// How many anti-dependencies a cycle has.
pub(super) fn anti(cycle: &[Edge]) -> usize {
    cycle.iter().filter(|edge| edge.dependency == Dependency::ReadWrite).count()
}
