//! The cells of the matrix as pairs: what the explorer breaks, a storm must
//! convict, and what it does not, no storm may accuse.

use std::{
    num::NonZero,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use quarrel_checkers::Guarantee;
use quarrel_explore::explore::{Bounds, Extent, PlacedFault, explore};
use quarrel_run::detection::Pair;
use quarrel_sim::Stuck;
use quarrel_strategy::strategy::{AnyStrategy, Catalogue};

use super::{
    Failure,
    matrix::{Column, MAX_STATES, Row, Way, clients, columns, rows},
    output::eprintln,
};

/// The columns that storms of a few seconds are held to. Of other faults it
/// takes luck to meet one at the right moment; they may be asked for.
const FAULTS: [&str; 3] = ["none", "replica-lag", "redis-cut"];

/// The number of a cell, and what is expected of it.
type Explored = (usize, Result<Option<Pair>, Stuck>);

/// Explores the cells that were asked for; each as a pair. One that cannot be
/// explored is left out, and so is one of which nothing can be expected; that
/// is said.
pub(super) fn pairs(
    strategies: &[String],
    faults: &[String],
    seed: u64,
    catalogue: &Catalogue,
) -> Result<Vec<Pair>, Failure> {
    let usual: Vec<String> = FAULTS.iter().map(|name| (*name).to_owned()).collect();
    let rows = rows(strategies, catalogue)?;
    let columns = columns(if faults.is_empty() { &usual } else { faults }, Way::Explored)?;
    let cells: Vec<(&Row<'_>, &Column)> =
        rows.iter().flat_map(|row| columns.iter().map(move |column| (row, column))).collect();
    eprintln!("exploring {} cells, to know what to expect of each", cells.len());
    let next = AtomicUsize::new(0);
    let found: Mutex<Vec<Explored>> = Mutex::default();
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some((row, column)) = cells.get(number) else { return };
            let pair = pair(row, column, seed);
            found.lock().unwrap_or_else(PoisonError::into_inner).push((number, pair));
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(work);
        }
    });
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.sort_by_key(|(number, _)| *number);
    let mut pairs = Vec::new();
    for (number, pair) in found {
        let (row, column) = cells[number];
        match pair {
            Ok(Some(pair)) => pairs.push(pair),
            Ok(None) => eprintln!(
                "{} under {} is left out: it holds only while the replica is never behind, and \
                 every server's is for a moment",
                row.label, column.label
            ),
            Err(stuck) => eprintln!("{} under {} is left out: {stuck}", row.label, column.label),
        }
    }
    Ok(pairs)
}

/// None if storms decide by luck: it holds, but not beside a replica that is
/// behind.
fn pair(row: &Row<'_>, column: &Column, seed: u64) -> Result<Option<Pair>, Stuck> {
    let make = || -> Arc<dyn AnyStrategy> {
        (row.entry.build)(&row.options).expect("the same options made a strategy before")
    };
    let faults = column.faults.iter().map(|fault| fault.parse().expect("it was parsed before"));
    let bounds = Bounds {
        faults: faults.collect(),
        guarantee: Guarantee::Linearizable,
        ..clients(MAX_STATES.get(), seed)
    };
    let found = explore(&make, &bounds)?;
    if found.broken.is_none() && !bounds.allows(PlacedFault::ReplicaLag) {
        let mut behind = bounds;
        behind.faults.push(PlacedFault::ReplicaLag);
        if explore(&make, &behind)?.broken.is_some() {
            return Ok(None);
        }
    }
    let run = words(row, column);
    Ok(Some(match (found.broken, found.extent) {
        (Some(broken), _) => {
            let steps = broken.steps;
            let plural = if steps == 1 { "" } else { "s" };
            Pair::broken(format!("breaks in {steps} step{plural}: {}", broken.claim), run)
        }
        (None, Extent::Exhaustive) => Pair::control(run).because("holds"),
        (None, Extent::Sampled { exhaustive_below_steps, .. }) => {
            Pair::control(run).because(&format!("holds <{exhaustive_below_steps}"))
        }
    }))
}

/// A cell as the arguments of `quarrel run`.
fn words(row: &Row<'_>, column: &Column) -> String {
    let mut words = row.entry.name.to_owned();
    for (option, value) in &row.given {
        words.push_str(&format!(" --{option} {value}"));
    }
    for fault in &column.faults {
        words.push_str(&format!(" --fault {fault}"));
    }
    words
}
