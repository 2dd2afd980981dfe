//! Which levels a history keeps.
//!
//! What dependencies show is known when this begins. What they do not show is
//! decided level by level, the strongest first: whoever keeps it keeps all that
//! it implies, and what breaks a weaker one breaks all that imply it.

use super::{
    Examined, Expected,
    causal::{self, TooLarge, Unexplained},
    cycle::shortest,
    execution::Execution,
    forced::{Consequence, consequences},
    found::Found,
    graph::{self, Dependency, Edge},
    level::{Isolation, Order},
    parse::Transactions,
    real_time,
    serial::{self, Outcome, Problem},
    snapshot::Moments,
    versions::{Versions, priorities, touches},
    wording::{Broken, Kind, circle, contradiction, looked_for, missed_by, too_large, unexplained},
};
use crate::{Budget, Validity, Verdict};

/// What is known of a history's transactions.
pub(super) struct Ladder<'a> {
    transactions: &'a Transactions,
    execution: &'a Execution,
    /// Dependencies by data.
    edges: Vec<Edge>,
    /// Whether those are all there are, but for the order of versions that
    /// nobody read: so it is of lists.
    are_all: bool,
    budget: Budget,
}

/// What a level comes to.
enum Answer {
    Kept,
    Broken(Told),
    Open(String),
}

/// What breaks a level.
enum Told {
    Whole(Broken),
    /// What a search ended with, of which fewer may do.
    Searched(Vec<u32>),
}

impl<'a> Ladder<'a> {
    /// Of lists, whose reads tell their order.
    pub(super) fn of_lists(of: &'a Transactions, execution: &'a Execution, budget: Budget) -> Self {
        Self { transactions: of, execution, edges: execution.data(), are_all: true, budget }
    }

    /// Of registers.
    pub(super) fn of_registers(
        of: &'a Transactions,
        execution: &'a Execution,
        budget: Budget,
    ) -> Self {
        Self { are_all: false, ..Self::of_lists(of, execution, budget) }
    }

    /// The verdict, and every level that `expected` implies.
    pub(super) fn examined(&self, mut found: Found<'_>, expected: Expected) -> Examined {
        let dependencies = graph::dependencies(&self.edges, self.transactions.list.len());
        self.cycles(&mut found, expected);
        let implied = Expected::ALL.into_iter().filter(|level| expected.implies(*level));
        let levels: Vec<Expected> = implied.collect();
        let mut kept: Vec<Expected> = Vec::new();
        let mut open: Vec<(Expected, String)> = Vec::new();
        let mut broken: Vec<(Expected, Told)> = Vec::new();
        for level in self.in_turn(&levels) {
            let is_known = found.excludes(level)
                || broken.iter().any(|(broken, _)| level.implies(*broken))
                || open.iter().any(|(open, _)| *open == level)
                || kept.iter().any(|kept: &Expected| kept.implies(level));
            if is_known {
                continue;
            }
            match self.answer(&found, level) {
                Answer::Kept => kept.push(level),
                Answer::Broken(told) => broken.push((level, told)),
                Answer::Open(why) => open.push((level, why)),
            }
        }
        let is_broken = |level: Expected| {
            broken.iter().any(|(broken, _)| level.implies(*broken)) || found.excludes(level)
        };
        let of = |level: Expected| match () {
            () if is_broken(level) => Validity::Invalid,
            () if kept.iter().any(|kept| kept.implies(level)) => Validity::Valid,
            () => Validity::Unknown,
        };
        // The weakest that is broken is told, for with it those that imply it are.
        let is_weakest = |level: Expected| {
            !levels
                .iter()
                .any(|weaker| *weaker != level && level.implies(*weaker) && is_broken(*weaker))
        };
        let mut weakest =
            broken.iter().map(|(level, _)| is_weakest(*level)).collect::<Vec<_>>().into_iter();
        let levels: Vec<_> = levels.into_iter().map(|level| (level, of(level))).collect();
        broken.retain(|_| weakest.next().unwrap_or(false));
        for (level, told) in broken {
            let Broken { class, members, explanation } = match told {
                Told::Whole(broken) => broken,
                Told::Searched(members) => self.searched(&found, level, members),
            };
            // A cycle of the same says it better than a name that only we have.
            let is_ours = match level.isolation() {
                Isolation::MonotonicAtomicView | Isolation::ReadAtomic => {
                    level.order() > Order::Any
                }
                Isolation::Causal | Isolation::CausalConvergence => {
                    level.order() == Order::RealTime
                }
                _ => true,
            };
            if !is_ours || !found.has_cycle_of(&members, expected) {
                found.add(class, &members, || explanation);
            }
        }
        let why = open.iter().find(|(level, _)| *level == expected).map(|(_, why)| why.clone());
        let verdict = match (levels.last().map(|(_, validity)| *validity), why) {
            (Some(Validity::Invalid), _) => Verdict::invalid(found.against(expected)),
            (Some(Validity::Valid), _) => Verdict::valid(),
            (_, why) => Verdict::unknown(why.unwrap_or_default()),
        };
        Examined { verdict, levels, dependencies }
    }

    /// The strongest first, for most histories keep it. Then what is decided in
    /// little time, so that another search is made only where nothing says yet
    /// that there is no order.
    fn in_turn(&self, levels: &[Expected]) -> Vec<Expected> {
        let takes_search = |level: &Expected| {
            let isolation = level.isolation();
            isolation >= Isolation::ParallelSnapshot
                && !(self.are_all && isolation >= Isolation::RepeatableRead)
        };
        let mut turns: Vec<Expected> = levels.last().copied().into_iter().collect();
        for order in Order::ALL.into_iter().rev() {
            // All polynomial levels follow from the strongest of them.
            let causal = Expected::of(Isolation::CausalConvergence, order);
            let atomic = Expected::of(Isolation::ReadAtomic, order);
            turns.extend(causal.or(atomic).filter(|level| levels.contains(level)));
        }
        let atomic = Expected::of(Isolation::ReadAtomic, Order::Any);
        turns.extend(atomic.filter(|level| levels.contains(level)));
        turns.extend(levels.iter().rev().filter(|level| takes_search(level)));
        turns.extend(levels.iter().rev());
        turns
    }

    /// Adds the cycles of all that counts among dependencies.
    fn cycles(&self, found: &mut Found<'_>, expected: Expected) {
        let first = self.first_joint();
        let with = |order| {
            let mut edges = self.edges.to_vec();
            edges.extend(real_time::edges(self.execution, order, first));
            edges
        };
        let strongest = with(expected.order());
        if !graph::Graph::new(self.transactions.list.len(), strongest.clone()).is_circular() {
            return;
        }
        for order in Order::ALL.into_iter().filter(|order| *order < expected.order()) {
            found.cycles(&with(order));
        }
        found.cycles(&strongest);
    }

    fn first_joint(&self) -> u32 {
        let joints = self.edges.iter().map(|edge| edge.from.max(edge.to) + 1).max().unwrap_or(0);
        joints.max(self.execution.count())
    }

    fn answer(&self, found: &Found<'_>, level: Expected) -> Answer {
        let order = level.order();
        match level.isolation() {
            // Cycles would have been found.
            Isolation::ReadUncommitted | Isolation::ReadCommitted => Answer::Kept,
            Isolation::RepeatableRead | Isolation::Serializable if self.are_all => Answer::Kept,
            Isolation::MonotonicAtomicView
            | Isolation::ReadAtomic
            | Isolation::CausalConvergence => self.forced(found, level),
            // The order of what lists show is the same for all.
            Isolation::Causal if self.are_all => self.forced(found, level),
            Isolation::Causal => self.causal(found, order),
            isolation => match self.solve(self.execution, level, serial::steps(self.budget)) {
                Outcome::Serializable => Answer::Kept,
                Outcome::Undecided => {
                    let what = looked_for(isolation).1;
                    Answer::Open(serial::undecided(what, self.transactions, self.budget))
                }
                Outcome::Contradiction(members) => Answer::Broken(Told::Searched(members)),
            },
        }
    }

    /// Looks for what a level asks for, of some transactions.
    fn solve(&self, execution: &Execution, level: Expected, steps: u64) -> Outcome {
        let (isolation, order) = (level.isolation(), level.order());
        match isolation {
            Isolation::ParallelSnapshot | Isolation::UpdateSerializable => {
                match self.known(execution, order) {
                    Some(known) => Versions::new(execution, isolation, order, &known).solve(steps),
                    None => Outcome::Undecided,
                }
            }
            Isolation::Snapshot => self.snapshots(execution, order, steps),
            _ => self.turns(execution, order, steps),
        }
    }

    /// What weaker levels that need no search say of the order of versions.
    fn known(&self, execution: &Execution, order: Order) -> Option<Vec<(u32, u32)>> {
        if self.are_all {
            return Some(Vec::new());
        }
        let isolation = match order {
            Order::Any => Isolation::ReadAtomic,
            Order::Sessions | Order::RealTime => Isolation::CausalConvergence,
        };
        match consequences(execution, isolation, order) {
            Consequence::Order(forced) => {
                Some(forced.into_iter().map(|forced| (forced.from, forced.to)).collect())
            }
            // Nothing says that of some of them what all of them keep.
            Consequence::Missed(_) => Some(Vec::new()),
            Consequence::TooLarge => None,
        }
    }

    /// A problem without touches.
    fn problem(&self, execution: &Execution, order: Order) -> Problem {
        let mut problem = Problem::new(execution.order.len());
        problem.priority = priorities(execution);
        for read in execution.all_reads() {
            if let serial::From::Writer(writer) = read.from {
                problem.known.push((writer, read.transaction));
            }
        }
        let edges = real_time::edges(execution, order, execution.count());
        let pairs = edges.iter().map(|edge| (edge.from, edge.to));
        let last = pairs.clone().map(|(from, to)| from.max(to) + 1).max().unwrap_or(0);
        let nodes = problem.priority.len().max(last as usize);
        problem.priority.resize(nodes, 0);
        problem.known.extend(pairs);
        problem.known.sort_unstable();
        problem.known.dedup();
        problem
    }

    /// Looks for turns of all transactions.
    fn turns(&self, execution: &Execution, order: Order, steps: u64) -> Outcome {
        let mut problem = self.problem(execution, order);
        touches(execution, &mut problem, |_| true);
        transactions_of(serial::solve(&problem, steps), execution)
    }

    /// Looks for a snapshot and a commit of each transaction.
    fn snapshots(&self, execution: &Execution, order: Order, steps: u64) -> Outcome {
        let moments = Moments::of(execution.ran.len());
        if !self.are_all {
            let mut problem = self.problem(execution, order);
            touches(execution, &mut problem, |_| true);
            return moments.transactions(serial::solve(&moments.split(problem), steps));
        }
        let mut edges = execution.data();
        let joints = edges.iter().map(|edge| edge.from.max(edge.to) + 1).max().unwrap_or(0);
        edges.extend(real_time::edges(execution, order, joints.max(execution.count())));
        let mut problem = Problem::new(execution.order.len());
        let places = priorities(execution);
        problem.priority = [places.clone(), places].concat();
        problem.known = moments.known(&edges);
        let last = problem.known.iter().map(|(from, to)| from.max(to) + 1).max().unwrap_or(0);
        let nodes = problem.priority.len().max(last as usize);
        problem.priority.resize(nodes, 0);
        for member in execution.members() {
            for written in &execution.writes[member as usize] {
                let span = (moments.snapshot(member), moments.commit(member));
                problem.spans[written.key as usize].push(span);
            }
        }
        moments.transactions(serial::solve(&problem, steps))
    }

    /// Whether what a level says of the order of versions has a circle.
    fn forced(&self, found: &Found<'_>, level: Expected) -> Answer {
        // Of lists both causal levels say the same.
        let isolation = match level.isolation() {
            Isolation::Causal => Isolation::CausalConvergence,
            isolation => isolation,
        };
        let order = level.order();
        let forced = match consequences(self.execution, isolation, order) {
            Consequence::Missed(missed) => {
                return Answer::Broken(Told::Whole(missed_by(found, missed, level)));
            }
            Consequence::TooLarge => return Answer::Open(too_large(self.transactions)),
            Consequence::Order(forced) => forced,
        };
        let keeps = |edge: &&Edge| edge.dependency != Dependency::ReadWrite;
        let mut edges: Vec<Edge> = self.edges.iter().filter(keeps).copied().collect();
        let joints = edges.iter().map(|edge| edge.from.max(edge.to) + 1).max().unwrap_or(0);
        let first = joints.max(self.execution.count());
        edges.extend(real_time::edges(self.execution, order, first));
        let count = self.transactions.list.len();
        let because = |edge: &Edge| {
            let at = forced.binary_search_by_key(&(edge.from, edge.to), |f| (f.from, f.to));
            at.ok().map(|at| forced[at])
        };
        let dependency = Dependency::Seen;
        edges.extend(forced.iter().map(|f| Edge {
            from: f.from,
            to: f.to,
            dependency,
            key: f.key,
        }));
        let graph = graph::Graph::new(count, edges);
        let cycles = graph.cycles(Dependency::Seen);
        let cycles = cycles
            .iter()
            .map(|cycle| shortest(&graph, self.transactions, cycle, Dependency::WriteRead));
        match cycles.min_by_key(Vec::len) {
            Some(cycle) => Answer::Broken(Told::Whole(circle(found, level, &cycle, because))),
            None => Answer::Kept,
        }
    }

    fn causal(&self, found: &Found<'_>, order: Order) -> Answer {
        let level = Expected::of(Isolation::Causal, order).expect("it counts sessions");
        match causal::unexplained(self.execution, order) {
            Err(TooLarge) => Answer::Open(too_large(self.transactions)),
            Ok(None) => Answer::Kept,
            Ok(Some(Unexplained::Missed(missed))) => {
                Answer::Broken(Told::Whole(missed_by(found, missed, level)))
            }
            Ok(Some(Unexplained::Circle { reader, writers })) => {
                Answer::Broken(Told::Whole(unexplained(found, reader, &writers, order)))
            }
        }
    }

    /// As few of the members as break a level still.
    fn searched(&self, found: &Found<'_>, level: Expected, members: Vec<u32>) -> Broken {
        let is_broken = |members: &[u32]| {
            let outcome = self.solve(&self.execution.only(members), level, STEPS_EACH);
            matches!(outcome, Outcome::Contradiction(_))
        };
        let mut kept = members;
        if kept.len() <= MAX_MEMBERS && is_broken(&kept) {
            for member in kept.clone() {
                let rest: Vec<u32> =
                    kept.iter().copied().filter(|other| *other != member).collect();
                if is_broken(&rest) {
                    kept = rest;
                }
            }
        }
        let kind = if self.are_all { Kind::List } else { Kind::Register };
        contradiction(found, self.execution, (level, kind), kept)
    }
}

fn transactions_of(outcome: Outcome, execution: &Execution) -> Outcome {
    match outcome {
        Outcome::Contradiction(mut members) => {
            // Moments of real time are nobody's.
            members.retain(|member| *member < execution.count());
            Outcome::Contradiction(members)
        }
        outcome => outcome,
    }
}

/// The most that go into one question about a witness.
const STEPS_EACH: u64 = 100_000;

/// Witnesses of more transactions are left as they are.
const MAX_MEMBERS: usize = 100;
