//! Whether some serial order explains what transactions read of registers.
//!
//! Which version of a register follows which is not written anywhere. For a
//! read by `r` of what `w` wrote, any other writer of the key comes before `w`
//! or after `r` (Papadimitriou 1979). We keep an order of all transactions that
//! agrees with what is known, look for a read that it does not explain, and
//! order the writer in between: where one of the two ways is closed already,
//! the other one is taken; else one is tried, and given up if a contradiction
//! follows from it, together with everything that was tried since the last
//! choice that the contradiction needs (conflict-directed backjumping, Prosser
//! 1993). An order without such a read is the proof of itself.

use super::{
    parse::{KeyId, Transactions},
    topological::Topological,
};
use crate::Budget;

/// What has to be ordered.
#[derive(Debug, Default)]
pub(super) struct Problem {
    /// By node: the place to which it goes if nothing speaks against it. Nodes
    /// that touch no key stand for moments.
    pub(super) priority: Vec<u64>,
    /// Pairs, of which the first comes first.
    pub(super) known: Vec<(u32, u32)>,
    /// By key: who touches it.
    pub(super) keys: Vec<Vec<Touch>>,
    /// By key: pairs of a node and a later one, between which none of the
    /// others' may lie. Under snapshot isolation that is what writes a key:
    /// from its snapshot to its commit.
    pub(super) spans: Vec<Vec<(u32, u32)>>,
}

impl Problem {
    pub(super) fn new(keys: usize) -> Self {
        let (touches, spans) = (vec![Vec::new(); keys], vec![Vec::new(); keys]);
        Self { keys: touches, spans, ..Self::default() }
    }
}

/// What a transaction does to a key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Touch {
    pub(super) node: u32,
    pub(super) read: Option<From>,
    pub(super) writes: bool,
}

/// Whose value was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// What was there at first.
    Initial,
    Writer(u32),
}

impl From {
    /// The same with the writer's other number.
    pub(super) fn at(self, number: impl Fn(u32) -> u32) -> Self {
        match self {
            Self::Initial => Self::Initial,
            Self::Writer(writer) => Self::Writer(number(writer)),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Serializable,
    /// There is no order; these contradict each other.
    Contradiction(Vec<u32>),
    /// The steps were spent.
    Undecided,
}

/// How many small steps of ordering make one step of search.
const STEPS: u64 = 20;

/// The most steps that a budget allows.
pub(super) const fn steps(budget: Budget) -> u64 {
    budget.steps.saturating_mul(STEPS)
}

/// Why a search for an order of something came to nothing.
pub(super) fn undecided(what: &str, transactions: &Transactions, budget: Budget) -> String {
    format!(
        "whether some order of the {what} of {} transactions on {} keys explains what they read \
         is not decided after {} steps; a larger budget would help, and so would transactions \
         that read what they overwrite",
        transactions.list.len(),
        transactions.keys.len(),
        budget.steps
    )
}

/// An edge that was ever added, for what follows from it.
struct Added {
    from: u32,
    to: u32,
    /// The read that asked for it.
    reader: u32,
    reasons: Reasons,
}

/// What something rests on.
#[derive(Clone, Default)]
struct Reasons {
    /// Edges, by their number in [`Search::all`].
    edges: Vec<usize>,
    /// Nodes that known edges lead through.
    nodes: Vec<u32>,
    /// Choices, by number, sorted.
    choices: Vec<usize>,
}

/// Something that was tried.
struct Choice {
    /// How many edges there were.
    edges: usize,
    /// The other way.
    other: (u32, u32),
    reader: u32,
}

struct Search<'a> {
    problem: &'a Problem,
    order: Topological,
    /// Every edge ever added, for they explain each other.
    all: Vec<Added>,
    /// Of the edges beyond the known ones: their number in `all`.
    added: Vec<usize>,
    choices: Vec<Choice>,
    /// Keys to be looked at again.
    dirty: Vec<KeyId>,
    is_dirty: Vec<bool>,
    keys_of: Vec<Vec<KeyId>>,
    moved: Vec<u32>,
    steps: u64,
}

/// Looks for an order in at most so many steps.
pub(super) fn solve(problem: &Problem, steps: u64) -> Outcome {
    places(problem, steps).err().unwrap_or(Outcome::Serializable)
}

/// The same; the place of each node in the order, if there is one.
pub(super) fn places(problem: &Problem, steps: u64) -> Result<Vec<u32>, Outcome> {
    let Some(order) = Topological::new(&problem.known, &problem.priority) else {
        let mut all: Vec<u32> = problem.known.iter().flat_map(|&(a, b)| [a, b]).collect();
        all.sort_unstable();
        all.dedup();
        return Err(Outcome::Contradiction(all));
    };
    let mut keys_of = vec![Vec::new(); problem.priority.len()];
    for (key, touches) in (0..).zip(&problem.keys) {
        touches.iter().for_each(|touch| keys_of[touch.node as usize].push(key));
        for &(from, to) in &problem.spans[key as usize] {
            keys_of[from as usize].push(key);
            keys_of[to as usize].push(key);
        }
    }
    let count = KeyId::try_from(problem.keys.len()).expect("< 2^32 keys");
    let mut search = Search {
        problem,
        order,
        all: Vec::new(),
        added: Vec::new(),
        choices: Vec::new(),
        dirty: (0..count).rev().collect(),
        is_dirty: vec![true; problem.keys.len()],
        keys_of,
        moved: Vec::new(),
        steps: 0,
    };
    match search.run(steps) {
        Outcome::Serializable => {
            let nodes = u32::try_from(problem.priority.len()).expect("< 2^31 nodes");
            Ok((0..nodes).map(|node| search.order.place(node)).collect())
        }
        outcome => Err(outcome),
    }
}

/// Something that the order does not explain, and the two ways in which it
/// could: in each the first node comes before the second. Where there is only
/// one, both are the same.
#[derive(Clone, Copy)]
struct Unexplained {
    reader: u32,
    ways: [(u32, u32); 2],
}

impl Search<'_> {
    fn run(&mut self, steps: u64) -> Outcome {
        while let Some(key) = self.dirty.pop() {
            self.is_dirty[key as usize] = false;
            let unexplained = self.unexplained(key);
            if unexplained.is_empty() {
                continue;
            }
            for read in unexplained {
                if self.steps + self.order.steps > steps {
                    return Outcome::Undecided;
                }
                if let Err(contradiction) = self.explain(read) {
                    return Outcome::Contradiction(contradiction);
                }
            }
            self.touch(key);
        }
        Outcome::Serializable
    }

    fn touch(&mut self, key: KeyId) {
        if !std::mem::replace(&mut self.is_dirty[key as usize], true) {
            self.dirty.push(key);
        }
    }

    fn unexplained(&mut self, key: KeyId) -> Vec<Unexplained> {
        let mut touches = self.problem.keys[key as usize].clone();
        self.steps += touches.len() as u64;
        touches.sort_unstable_by_key(|touch| self.order.place(touch.node));
        let mut last = From::Initial;
        let mut found = Vec::new();
        for touch in touches {
            let reader = touch.node;
            if let Some(from) = touch.read
                && last != from
                && let From::Writer(between) = last
            {
                let later = (reader, between);
                let ways = match from {
                    From::Initial => [later, later],
                    From::Writer(writer) => [(between, writer), later],
                };
                found.push(Unexplained { reader, ways });
            }
            if touch.writes {
                last = From::Writer(reader);
            }
        }
        self.overlapping(key, &mut found);
        found
    }

    fn overlapping(&mut self, key: KeyId, found: &mut Vec<Unexplained>) {
        let mut spans = self.problem.spans[key as usize].clone();
        self.steps += spans.len() as u64;
        spans.sort_unstable_by_key(|span| self.order.place(span.0));
        let mut last: Option<(u32, u32)> = None;
        for span in spans {
            let Some(before) = last else {
                last = Some(span);
                continue;
            };
            if self.order.place(span.0) < self.order.place(before.1) {
                let ways = [(before.1, span.0), (span.1, before.0)];
                found.push(Unexplained { reader: span.0, ways });
            }
            if self.order.place(span.1) > self.order.place(before.1) {
                last = Some(span);
            }
        }
    }

    /// Takes one of the two ways, if the order still takes none.
    fn explain(&mut self, unexplained: Unexplained) -> Result<(), Vec<u32>> {
        let Unexplained { reader, ways: [first, second] } = unexplained;
        let is_taken = |(from, to): (u32, u32)| self.order.place(from) < self.order.place(to);
        if is_taken(first) || is_taken(second) {
            return Ok(());
        }
        if first == second {
            return self.force(first, reader, Reasons::default());
        }
        for (closed, open) in [(first, second), (second, first)] {
            if let Some(path) = self.order.path(closed.1, closed.0) {
                let reasons = self.reasons(&path);
                return self.force(open, reader, reasons);
            }
        }
        // Versions mostly follow each other as their writers do.
        let priority = |node: u32| self.problem.priority[node as usize];
        let (tried, other) =
            if priority(first.0) <= priority(first.1) { (first, second) } else { (second, first) };
        let number = self.choices.len();
        self.choices.push(Choice { edges: self.order.len(), other, reader });
        self.force(tried, reader, Reasons { choices: vec![number], ..Reasons::default() })
    }

    /// What a path rests on.
    fn reasons(&self, path: &[u32]) -> Reasons {
        let known = self.problem.known.len();
        let mut reasons = Reasons::default();
        for &edge in path {
            let (from, to) = self.order.edge(edge);
            reasons.nodes.extend([from, to]);
            if let Some(at) = (edge as usize).checked_sub(known) {
                let number = self.added[at];
                reasons.edges.push(number);
                reasons.choices.extend(&self.all[number].reasons.choices);
            }
        }
        reasons.choices.sort_unstable();
        reasons.choices.dedup();
        reasons
    }

    /// Adds an edge; where that is impossible the last choice behind it goes the
    /// other way. An error is the contradiction that is left.
    fn force(
        &mut self,
        mut edge: (u32, u32),
        mut reader: u32,
        mut reasons: Reasons,
    ) -> Result<(), Vec<u32>> {
        loop {
            let (from, to) = edge;
            let number = self.all.len();
            let mut choices = reasons.choices.clone();
            self.all.push(Added { from, to, reader, reasons });
            let circle = match self.order.add(from, to, &mut self.moved) {
                Ok(()) => {
                    self.added.push(number);
                    self.touch_moved();
                    return Ok(());
                }
                Err(circle) => circle.0,
            };
            reasons = self.reasons(&circle);
            reasons.edges.push(number);
            choices.append(&mut reasons.choices);
            choices.sort_unstable();
            choices.dedup();
            let last = choices.pop();
            reasons.choices = choices;
            let Some(last) = last else { return Err(self.members(reasons)) };
            // What was tried since is not the reason; all of it is undone. The
            // order stays, and with it what it explains.
            self.choices.truncate(last + 1);
            let choice = self.choices.pop().expect("what was added rests on choices still made");
            self.order.truncate(choice.edges);
            self.added.truncate(choice.edges - self.problem.known.len());
            (edge, reader) = (choice.other, choice.reader);
        }
    }

    /// What moved may have come before or behind a read.
    fn touch_moved(&mut self) {
        while let Some(node) = self.moved.pop() {
            self.steps += 1;
            for at in 0..self.keys_of[node as usize].len() {
                self.touch(self.keys_of[node as usize][at]);
            }
        }
    }

    /// The nodes that a contradiction is about.
    fn members(&self, reasons: Reasons) -> Vec<u32> {
        let Reasons { edges: mut rest, nodes: mut members, .. } = reasons;
        let mut is_seen = vec![false; self.all.len()];
        while let Some(at) = rest.pop() {
            if !std::mem::replace(&mut is_seen[at], true) {
                let Added { from, to, reader, reasons } = &self.all[at];
                members.extend([*from, *to, *reader]);
                members.extend(&reasons.nodes);
                rest.extend(&reasons.edges);
            }
        }
        members.sort_unstable();
        members.dedup();
        members
    }
}
