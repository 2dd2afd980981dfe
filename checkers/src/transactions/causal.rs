//! The causal past of each transaction: what its session did before, whose
//! writes it read, and what is in the past of those.

use super::{
    execution::{Execution, NONE, Read},
    forced::{Chains, Missed, WritersOf},
    graph::Edge,
    level::Order,
    real_time,
    serial::From,
};

/// More words of clocks are not held at once: a gigabyte.
const MAX_WORDS: usize = 1 << 28;

/// The clocks do not fit.
#[derive(Debug)]
pub(super) struct TooLarge;

/// Causes of transactions, of joints that stand for several, and of moments of
/// real time.
pub(super) struct Causes<'a> {
    chains: &'a Chains,
    /// By node: who it precedes.
    after: Vec<Vec<u32>>,
}

impl<'a> Causes<'a> {
    pub(super) fn of(execution: &Execution, chains: &'a Chains, order: Order) -> Self {
        let mut edges = Vec::new();
        let mut node = execution.count();
        // What was seen of a list was seen with all in front of it.
        let mut shown: Vec<u32> = vec![NONE; execution.order.len()];
        for (key, order) in execution.order.iter().enumerate() {
            shown[key] = node;
            for (at, &writer) in order.iter().enumerate() {
                if at > 0 {
                    edges.push((node - 1, node));
                }
                edges.push((writer, node));
                node += 1;
            }
        }
        for &Read { transaction, key, from, length, .. } in execution.all_reads() {
            let From::Writer(writer) = from else { continue };
            let is_list = !execution.order[key as usize].is_empty();
            // A joint is also behind what its reader wrote to the list before.
            let cause = if is_list { shown[key as usize] + length - 1 } else { writer };
            edges.push((cause, transaction));
        }
        let pair = |edge: Edge| (edge.from, edge.to);
        // Causality counts sessions in any case.
        let order = order.max(Order::Sessions);
        edges.extend(real_time::edges(execution, order, node).into_iter().map(pair));
        let last = edges.iter().map(|&(from, to)| from.max(to) + 1).max().unwrap_or(0);
        let mut after = vec![Vec::new(); node.max(last) as usize];
        for (from, to) in edges {
            if from != to {
                after[from as usize].push(to);
            }
        }
        Self { chains, after }
    }

    /// Goes through the transactions, causes first, each with how many of every
    /// chain are in its past.
    ///
    /// What is its own cause has no past, and is left out.
    pub(super) fn each(self, mut visit: impl FnMut(u32, &[u32])) -> Result<(), TooLarge> {
        let Self { chains, after } = self;
        let width = chains.count;
        let mut missing = vec![0_u32; after.len()];
        after.iter().flatten().for_each(|to| missing[*to as usize] += 1);
        let all = 0..u32::try_from(after.len()).expect("< 2^32 nodes");
        let mut ready: Vec<u32> = all.filter(|at| missing[*at as usize] == 0).collect();
        ready.reverse();
        // Clocks that are needed still; others are used again.
        let mut clocks: Vec<Option<Box<[u32]>>> = vec![None; after.len()];
        let mut spare: Vec<Box<[u32]>> = Vec::new();
        let mut made = 0;
        let mut fresh = |spare: &mut Vec<Box<[u32]>>| {
            if let Some(clock) = spare.pop() {
                return Ok(clock);
            }
            made += width;
            if made > MAX_WORDS {
                return Err(TooLarge);
            }
            Ok(vec![0; width].into_boxed_slice())
        };
        while let Some(at) = ready.pop() {
            let mut clock = match clocks[at as usize].take() {
                Some(clock) => clock,
                None => {
                    let mut clock = fresh(&mut spare)?;
                    clock.fill(0);
                    clock
                }
            };
            if let Some(&(chain, place)) = chains.place.get(at as usize).filter(|p| p.0 != NONE) {
                visit(at, &clock);
                clock[chain as usize] = place + 1;
            }
            for &to in &after[at as usize] {
                match &mut clocks[to as usize] {
                    Some(known) => {
                        for (known, new) in known.iter_mut().zip(&clock) {
                            *known = (*known).max(*new);
                        }
                    }
                    none => {
                        let mut copy = fresh(&mut spare)?;
                        copy.copy_from_slice(&clock);
                        *none = Some(copy);
                    }
                }
                missing[to as usize] -= 1;
                if missing[to as usize] == 0 {
                    ready.push(to);
                }
            }
            spare.push(clock);
        }
        Ok(())
    }
}

/// Why a transaction cannot explain what it read by any order of its causal
/// past.
pub(super) enum Unexplained {
    /// It found a key empty that is written there.
    Missed(Missed),
    /// It read what these wrote, each of which would have to come before the
    /// next one, the last before the first.
    Circle { reader: u32, writers: Vec<u32> },
}

/// A transaction of registers that cannot explain what it read (CC).
///
/// In its past every other writer of a key comes before the one that it read
/// of. Of the writers that it read of one comes before another, then, if it is
/// a cause of such a writer; there is an order iff there is no circle.
pub(super) fn unexplained(
    execution: &Execution,
    order: Order,
) -> Result<Option<Unexplained>, TooLarge> {
    let chains = Chains::of(execution);
    let writers = WritersOf::new(execution, &chains);
    if execution.ran.len().saturating_mul(chains.count) > MAX_WORDS {
        return Err(TooLarge);
    }
    let mut pasts: Vec<Box<[u32]>> = vec![Box::default(); execution.ran.len()];
    let mut found = None;
    Causes::of(execution, &chains, order).each(|reader, past| {
        pasts[reader as usize] = past.into();
        if found.is_none() {
            found = of_one(execution, &chains, &writers, reader, &pasts);
        }
    })?;
    Ok(found)
}

fn of_one(
    execution: &Execution,
    chains: &Chains,
    writers: &WritersOf,
    reader: u32,
    pasts: &[Box<[u32]>],
) -> Option<Unexplained> {
    let past = &pasts[reader as usize];
    let is_cause = |one: u32, other: u32| {
        let (chain, place) = chains.place[one as usize];
        one == other || pasts[other as usize].get(chain as usize).is_some_and(|n| *n > place)
    };
    let reads = &execution.reads[reader as usize];
    // By read of a writer: the other writers of the key, the last of each chain.
    let mut others: Vec<(u32, Vec<u32>)> = Vec::with_capacity(reads.len());
    for read in reads {
        let mut seen = Vec::new();
        writers.until(read, |chain| past[chain as usize], |writer, _| seen.push(writer));
        match (read.from, seen.first()) {
            (From::Initial, Some(&writer)) => {
                return Some(Unexplained::Missed(Missed { reader, writer, key: read.key }));
            }
            (From::Initial, None) => {}
            (From::Writer(from), _) => others.push((from, seen)),
        }
    }
    let is_before = |one: usize, two: usize| {
        let (from, (to, seen)) = (others[one].0, &others[two]);
        let mut other = seen.iter().filter(|writer| *writer != to);
        from != *to && is_cause(from, *to) || other.any(|writer| is_cause(from, *writer))
    };
    circle(others.len(), is_before).map(|members| Unexplained::Circle {
        reader,
        writers: members.into_iter().map(|at| others[at].0).collect(),
    })
}

/// A circle among so many, if there is one.
fn circle(count: usize, is_before: impl Fn(usize, usize) -> bool) -> Option<Vec<usize>> {
    let before: Vec<Vec<bool>> =
        (0..count).map(|one| (0..count).map(|two| is_before(one, two)).collect()).collect();
    if let Some(own) = (0..count).find(|&at| before[at][at]) {
        return Some(vec![own]);
    }
    // What nothing comes before is on no circle.
    let mut rest: Vec<usize> = (0..count).collect();
    loop {
        let kept: Vec<usize> =
            rest.iter().copied().filter(|&at| rest.iter().any(|&one| before[one][at])).collect();
        if kept.len() == rest.len() {
            break;
        }
        rest = kept;
    }
    let mut walk = vec![*rest.first()?];
    loop {
        let at = *walk.last().expect("it began somewhere");
        let next = *rest.iter().find(|&&one| before[one][at])?;
        if let Some(start) = walk.iter().position(|&seen| seen == next) {
            let mut circle = walk.split_off(start);
            circle.reverse();
            return Some(circle);
        }
        walk.push(next);
    }
}
