//! An order of the versions of each key under which no transaction contradicts
//! what the others did: the search behind parallel snapshot isolation and
//! update serializability.
//!
//! Both say that dependencies have no circle with the anti-dependencies of any
//! one transaction; those of transactions that write count with all the others
//! (update serializability) or do not (parallel snapshot isolation). For
//! one order of versions that is easily seen. We take the order in which the
//! transactions come in a serialization of what counts for all, look for circles, and
//! learn from each that not all of the choices on it can be right: a single one
//! is turned round, of several each in turn, those before it kept.

use std::collections::VecDeque;

use super::{
    execution::{Execution, NONE},
    level::{Isolation, Order},
    real_time,
    serial::{self, From, Outcome, Problem},
    topological::Topological,
};

/// That the first one's version comes before the second one's.
type Pair = (u32, u32);

/// Searches for such an order in at most so many steps.
pub(super) struct Versions<'a> {
    execution: &'a Execution,
    isolation: Isolation,
    writers: Vec<Vec<u32>>,
    /// What is known to come before what, by dependencies that all must keep.
    known: Vec<Pair>,
    nodes: usize,
    steps: u64,
}

/// Somebody's anti-dependencies that must not close a circle with the others.
struct Probe {
    starts: Vec<(u32, Option<Pair>)>,
    target: u32,
}

/// A circle, and what was chosen on it.
struct Broken {
    chosen: Vec<Pair>,
    members: Vec<u32>,
}

/// Where one of several choices has to be turned round.
struct Fork {
    decided: usize,
    chosen: Vec<Pair>,
    next: usize,
}

impl<'a> Versions<'a> {
    /// `forced` is what is known besides.
    pub(super) fn new(
        execution: &'a Execution,
        isolation: Isolation,
        order: Order,
        forced: &[Pair],
    ) -> Self {
        let writers = execution.writers();
        let mut known = forced.to_vec();
        for (key, writers) in (0..).zip(&writers) {
            let has_place = |writer: &&u32| {
                execution.written(**writer, key).is_some_and(|written| written.place != NONE)
            };
            let shown = writers.iter().take_while(has_place).count();
            let (shown, unread) = writers.split_at(shown);
            known.extend(shown.windows(2).map(|pair| (pair[0], pair[1])));
            if let Some(&last) = shown.last() {
                known.extend(unread.iter().map(|&writer| (last, writer)));
            }
        }
        for read in execution.all_reads() {
            if let From::Writer(writer) = read.from {
                known.push((writer, read.transaction));
            }
        }
        let edges = real_time::edges(execution, order, execution.count());
        known.extend(edges.iter().map(|edge| (edge.from, edge.to)));
        let mut versions = Self { execution, isolation, writers, known, nodes: 0, steps: 0 };
        let last = versions.known.iter().map(|(from, to)| from.max(to) + 1).max().unwrap_or(0);
        versions.nodes = execution.ran.len().max(last as usize);
        versions.known.retain(|(from, to)| from != to);
        versions.known.sort_unstable();
        versions.known.dedup();
        versions
    }

    /// Whether all must keep the anti-dependencies of a transaction, and not
    /// only it for itself.
    fn are_kept_together(&self, transaction: u32) -> bool {
        self.isolation == Isolation::UpdateSerializable
            && !self.execution.writes[transaction as usize].is_empty()
    }

    pub(super) fn solve(mut self, steps: u64) -> Outcome {
        let mut decided: Vec<Pair> = Vec::new();
        let mut forks: Vec<Fork> = Vec::new();
        let mut members: Vec<u32> = Vec::new();
        loop {
            self.steps += (self.known.len() + self.nodes) as u64;
            if self.steps > steps {
                return Outcome::Undecided;
            }
            let broken = match self.serialized(&decided, steps) {
                Ok(places) => self.broken(&places, &decided),
                Err(Outcome::Contradiction(circle)) => {
                    vec![Broken { chosen: Vec::new(), members: circle }]
                }
                Err(outcome) => return outcome,
            };
            if broken.is_empty() {
                return Outcome::Serializable;
            }
            for broken in &broken {
                members.extend(&broken.members);
            }
            if broken.iter().any(|broken| broken.chosen.is_empty()) {
                // The last fork goes another way.
                loop {
                    let Some(fork) = forks.last_mut() else {
                        return Outcome::Contradiction(self.transactions(members));
                    };
                    fork.next += 1;
                    if fork.next < fork.chosen.len() {
                        take(fork, &mut decided);
                        break;
                    }
                    forks.pop();
                }
                continue;
            }
            let single = broken.iter().filter(|broken| broken.chosen.len() == 1);
            let single: Vec<Pair> = single.map(|broken| broken.chosen[0]).collect();
            if !single.is_empty() {
                decided.extend(single.into_iter().map(|(first, second)| (second, first)));
                continue;
            }
            let fewest = broken.into_iter().min_by_key(|broken| broken.chosen.len());
            let chosen = fewest.expect("something is broken").chosen;
            let mut fork = Fork { decided: decided.len(), chosen, next: 0 };
            take(&mut fork, &mut decided);
            forks.push(fork);
        }
    }

    fn transactions(&self, mut members: Vec<u32>) -> Vec<u32> {
        members.retain(|member| *member < self.execution.count());
        members.sort_unstable();
        members.dedup();
        members
    }

    /// A place for each node, so that all is kept that must be, and what was
    /// decided.
    fn serialized(&mut self, decided: &[Pair], steps: u64) -> Result<Vec<u32>, Outcome> {
        let mut problem = Problem::new(self.execution.order.len());
        problem.priority = priorities(self.execution);
        problem.priority.resize(self.nodes, 0);
        problem.known = [&self.known[..], decided].concat();
        if self.isolation == Isolation::UpdateSerializable {
            touches(self.execution, &mut problem, |at| self.are_kept_together(at));
            return serial::places(&problem, steps.saturating_sub(self.steps));
        }
        match Topological::new(&problem.known, &problem.priority) {
            Some(order) => Ok((0..).take(self.nodes).map(|node| order.place(node)).collect()),
            None => Err(Outcome::Contradiction(circular(&problem.known, self.nodes))),
        }
    }

    /// The circles that follow from the order of versions as their writers are
    /// placed.
    fn broken(&mut self, places: &[u32], decided: &[Pair]) -> Vec<Broken> {
        let mut sorted = self.writers.clone();
        for writers in &mut sorted {
            writers.sort_unstable_by_key(|&writer| places[writer as usize]);
        }
        let next = |from: From, key: u32| {
            let writers = &sorted[key as usize];
            match from {
                From::Initial => writers.first().map(|&to| (to, None)),
                From::Writer(writer) => {
                    let place = |at: &u32| places[*at as usize] <= places[writer as usize];
                    let to = *writers.get(writers.partition_point(place))?;
                    Some((to, Some((writer, to))))
                }
            }
        };
        let mut after: Vec<Vec<(u32, Option<Pair>)>> = vec![Vec::new(); self.nodes];
        for &(from, to) in self.known.iter().chain(decided) {
            after[from as usize].push((to, None));
        }
        let certain = after.clone();
        for writers in &sorted {
            for pair in writers.windows(2) {
                after[pair[0] as usize].push((pair[1], Some((pair[0], pair[1]))));
            }
        }
        let mut probes = Vec::new();
        for (reader, reads) in (0..).zip(&self.execution.reads) {
            let nexts = reads.iter().filter_map(|read| next(read.from, read.key));
            // Its own version follows what it read, and no circle comes of it.
            let starts: Vec<_> = nexts.filter(|(to, _)| *to != reader).collect();
            if self.are_kept_together(reader) {
                after[reader as usize].extend(starts);
            } else if !starts.is_empty() {
                probes.push(Probe { starts, target: reader });
            }
        }
        let mut search = Search::new(places, self.nodes);
        let mut found = Vec::new();
        for probe in &probes {
            if let Some(path) = search.path(&after, probe) {
                let mut members: Vec<u32> = path.iter().map(|step| step.0).collect();
                members.push(probe.target);
                let mut chosen: Vec<Pair> = path.iter().filter_map(|step| step.1).collect();
                members.extend(chosen.iter().flat_map(|pair| [pair.0, pair.1]));
                chosen.retain(|pair| !search.leads(&certain, *pair));
                chosen.sort_unstable();
                chosen.dedup();
                found.push(Broken { chosen, members });
                if found.len() >= MAX_AT_ONCE {
                    break;
                }
            }
        }
        self.steps += search.steps;
        found
    }
}

/// More circles are not learned from at once.
const MAX_AT_ONCE: usize = 1_000;

/// Keeps the choices of a fork in front of the next, and turns that round.
fn take(fork: &mut Fork, decided: &mut Vec<Pair>) {
    decided.truncate(fork.decided);
    decided.extend(&fork.chosen[..fork.next]);
    let (first, second) = fork.chosen[fork.next];
    decided.push((second, first));
}

/// Where transactions go if nothing speaks against it: as they ended.
pub(super) fn priorities(execution: &Execution) -> Vec<u64> {
    execution.ran.iter().map(|ran| ran.end.unwrap_or(ran.begin)).collect()
}

/// Adds what some transactions read and wrote.
pub(super) fn touches(execution: &Execution, problem: &mut Problem, is_in: impl Fn(u32) -> bool) {
    for node in execution.members().filter(|at| is_in(*at)) {
        let mut keys: Vec<(u32, serial::Touch)> = Vec::new();
        for read in &execution.reads[node as usize] {
            let touch = serial::Touch { node, read: Some(read.from), writes: false };
            // Who reads a key again reads the same, or is found elsewhere.
            match keys.iter().find(|(key, _)| *key == read.key) {
                Some(_) => {}
                None => keys.push((read.key, touch)),
            }
        }
        for written in &execution.writes[node as usize] {
            match keys.iter_mut().find(|(key, _)| *key == written.key) {
                Some((_, touch)) => touch.writes = true,
                None => keys.push((written.key, serial::Touch { node, read: None, writes: true })),
            }
        }
        for (key, touch) in keys {
            problem.keys[key as usize].push(touch);
        }
    }
}

/// The nodes that are on circles, or between such.
fn circular(known: &[Pair], nodes: usize) -> Vec<u32> {
    let mut after: Vec<Vec<u32>> = vec![Vec::new(); nodes];
    let mut before = after.clone();
    for &(from, to) in known {
        after[from as usize].push(to);
        before[to as usize].push(from);
    }
    let mut is_in = vec![true; nodes];
    for (out, into) in [(&after, &before), (&before, &after)] {
        let mut missing: Vec<usize> = (0..nodes)
            .map(|at| into[at].iter().filter(|from| is_in[**from as usize]).count())
            .collect();
        let mut ready: Vec<usize> =
            (0..nodes).filter(|&at| is_in[at] && missing[at] == 0).collect();
        while let Some(at) = ready.pop() {
            is_in[at] = false;
            for &to in &out[at] {
                missing[to as usize] -= 1;
                if missing[to as usize] == 0 && is_in[to as usize] {
                    ready.push(to as usize);
                }
            }
        }
    }
    (0..).zip(is_in).filter(|(_, is_in)| *is_in).map(|(at, _)| at).collect()
}

/// Looks for ways that only go on to later places.
struct Search<'a> {
    places: &'a [u32],
    /// When a node was met last, whence, and by which choice.
    met: Vec<(u32, u32, Option<Pair>)>,
    number: u32,
    steps: u64,
}

impl<'a> Search<'a> {
    fn new(places: &'a [u32], nodes: usize) -> Self {
        Self { places, met: vec![(0, u32::MAX, None); nodes], number: 0, steps: 0 }
    }

    /// The nodes on a way from a start to a target, each with the choice that
    /// leads to it.
    fn path(
        &mut self,
        after: &[Vec<(u32, Option<Pair>)>],
        probe: &Probe,
    ) -> Option<Vec<(u32, Option<Pair>)>> {
        let place = |node: u32| self.places[node as usize];
        let last = place(probe.target);
        self.number += 1;
        let mut queue = VecDeque::new();
        for &(start, chosen) in &probe.starts {
            if place(start) <= last && self.met[start as usize].0 != self.number {
                self.met[start as usize] = (self.number, u32::MAX, chosen);
                queue.push_back(start);
            }
        }
        while let Some(node) = queue.pop_front() {
            if node == probe.target {
                let mut path = Vec::new();
                let mut at = node;
                while at != u32::MAX {
                    let (_, from, chosen) = self.met[at as usize];
                    path.push((at, chosen));
                    at = from;
                }
                return Some(path);
            }
            for &(to, chosen) in &after[node as usize] {
                self.steps += 1;
                if place(to) <= last && self.met[to as usize].0 != self.number {
                    self.met[to as usize] = (self.number, node, chosen);
                    queue.push_back(to);
                }
            }
        }
        None
    }

    fn leads(&mut self, after: &[Vec<(u32, Option<Pair>)>], (from, to): Pair) -> bool {
        let probe = Probe { starts: vec![(from, None)], target: to };
        self.path(after, &probe).is_some()
    }
}
