use std::collections::VecDeque;

/// How one transaction depends on another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Dependency {
    /// It overwrote what the other wrote.
    WriteWrite,
    /// It read what the other wrote.
    WriteRead,
    /// It overwrote what the other read.
    ReadWrite,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Edge {
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) dependency: Dependency,
    pub(super) key: u32,
}

/// Dependencies between transactions, grouped by where they begin.
pub(super) struct Graph {
    nodes: usize,
    edges: Vec<Edge>,
    starts: Vec<u32>,
}

const NONE: u32 = u32::MAX;

impl Graph {
    pub(super) fn new(nodes: usize, mut edges: Vec<Edge>) -> Self {
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
        Self { nodes, edges, starts }
    }

    fn from(&self, node: u32) -> &[Edge] {
        let node = node as usize;
        &self.edges[self.starts[node] as usize..self.starts[node + 1] as usize]
    }

    /// A cycle in every component that is strongly connected by dependencies
    /// up to `weakest`, with at least one of exactly that kind where there is
    /// such; for anti-dependencies the cycle has as few of them as possible.
    pub(super) fn cycles(&self, weakest: Dependency) -> Vec<Vec<Edge>> {
        let component = self.components(weakest);
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
            let stronger = self.path(edge.to, edge.from, &component, |d| d < weakest);
            let is_tried = slot.is_some();
            let path = stronger.or_else(|| {
                let any = |d| d <= weakest;
                (!is_tried).then(|| self.path(edge.to, edge.from, &component, any)).flatten()
            });
            let Some(path) = path else { continue };
            let cycle: Vec<Edge> = std::iter::once(*edge).chain(path).collect();
            match *slot {
                Some(at) if anti(&cycle) < anti(&found[at]) => found[at] = cycle,
                Some(_) => {}
                None => {
                    *slot = Some(found.len());
                    found.push(cycle);
                }
            }
        }
        found
    }

    /// The shortest path within a component.
    fn path(
        &self,
        from: u32,
        to: u32,
        component: &[u32],
        is_allowed: impl Fn(Dependency) -> bool,
    ) -> Option<Vec<Edge>> {
        let mut reached: rustc_hash::FxHashMap<u32, Edge> = rustc_hash::FxHashMap::default();
        let mut queue = VecDeque::from([from]);
        while let Some(node) = queue.pop_front() {
            if node == to {
                let mut path = Vec::new();
                let mut at = to;
                while at != from {
                    path.push(reached[&at]);
                    at = reached[&at].from;
                }
                path.reverse();
                return Some(path);
            }
            for edge in self.from(node).iter().filter(|edge| is_allowed(edge.dependency)) {
                let is_inside = component[edge.to as usize] == component[to as usize];
                if is_inside && edge.to != from && !reached.contains_key(&edge.to) {
                    reached.insert(edge.to, *edge);
                    queue.push_back(edge.to);
                }
            }
        }
        None
    }

    /// The strongly connected component of each node (Tarjan 1972), by a
    /// stack of our own, for cycles may be long.
    fn components(&self, weakest: Dependency) -> Vec<u32> {
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
                let mut rest = rest.zip(at + 1..).filter(|(e, _)| e.dependency <= weakest);
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

/// So many pairs are joined directly at most, for each that needs it.
const MAX_DIRECT: usize = 64;

impl Joint {
    /// Adds the edges, with `node` in the middle. Nothing precedes itself, so
    /// what stands on both sides is joined to the others directly.
    pub(super) fn join(self, node: u32, key: u32, edges: &mut Vec<Edge>) {
        let after: rustc_hash::FxHashSet<u32> = self.after.iter().copied().collect();
        if after.is_empty() {
            return;
        }
        for (from, dependency) in self.before {
            if after.contains(&from) {
                let others = self.after.iter().filter(|to| **to != from).take(MAX_DIRECT);
                edges.extend(others.map(|&to| Edge { from, to, dependency, key }));
            } else {
                edges.push(Edge { from, to: node, dependency, key });
            }
        }
        let dependency = Dependency::WriteWrite;
        edges.extend(self.after.into_iter().map(|to| Edge { from: node, to, dependency, key }));
    }
}

/// How many anti-dependencies a cycle has.
pub(super) fn anti(cycle: &[Edge]) -> usize {
    cycle.iter().filter(|edge| edge.dependency == Dependency::ReadWrite).count()
}
