//! What can go wrong around a run, on each kind of cluster and at each moment,
//! and how the run must end: never with a verdict about the strategy when the
//! world broke. Printed as a table by
//! `cargo test -p quarrel-workloads --test hostile -- --nocapture`. With
//! `QUARREL_HOSTILE=TEXT` in the environment only rows that say this run, with
//! every cell that can be; with an empty text all of them do, which takes many
//! minutes. In a process of its own: its many runs at once would slow down
//! whatever ran beside them.

mod deployment;
#[path = "../lifecycle/mod.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod lifecycle;
mod own;
mod places;
#[path = "../servers/mod.rs"]
#[allow(dead_code, unused_imports, reason = "other tests need more of it")]
mod servers;
mod table;
mod troubles;

use std::{process::Command, time::Duration};

use lifecycle::possible;
use places::{MOMENTS, Moment, PLACES, Place};
use servers::here;
use table::{Cell, Row, happen, print};
use troubles::{Trouble, troubles};

/// If it is set, rows that say this run whole, and no others.
const ONLY: &str = "QUARREL_HOSTILE";

/// Between two looks whether something is there.
const PAUSE: Duration = Duration::from_millis(5);

/// Which cells are run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// Each that can be.
    Whole,
    /// Of places that are alike in something one: minutes less.
    Short,
}

/// A row for each trouble at each place; places that this machine has not are
/// left out.
fn rows(troubles: &[Trouble], extent: Extent) -> Vec<Row> {
    let has_docker = possible("container engine", Command::new("docker").arg("version"));
    let has_pooler = possible("pooler", Command::new("pgbouncer").arg("--version"));
    let is_there = |place: Place| match place {
        Place::Docker => has_docker,
        Place::Sessions | Place::Transactions => has_pooler,
        Place::Native | Place::External => true,
    };
    let places = PLACES.into_iter().filter(|place| is_there(*place));
    let row = |(trouble, place): (&Trouble, Place)| Row {
        what: trouble.what.clone(),
        place,
        cells: MOMENTS.map(|moment| {
            let cell = (trouble.cell)(place, moment);
            let runs = matches!(cell, Cell::Ends { .. });
            if runs && extent == Extent::Short && is_spared(&trouble.what, place, moment) {
                return Cell::Never("left to the whole table: another place shows the same");
            }
            cell
        }),
    };
    let pairs = places.flat_map(|place| troubles.iter().map(move |trouble| (trouble, place)));
    let mut rows: Vec<Row> = pairs.map(row).collect();
    rows.sort_by_key(|row| troubles.iter().position(|trouble| trouble.what == row.what));
    rows
}

/// First values are the same everywhere; a database that stands still is one to
/// whoever waits for it; and of a pooler's two ways each has its moments.
fn is_spared(what: &str, place: Place, moment: Moment) -> bool {
    let stands = what.ends_with("stands still") && !what.contains("cache");
    match place {
        Place::Native => false,
        _ if moment == Moment::Loading || stands => true,
        Place::Docker | Place::External => false,
        Place::Sessions => moment == Moment::Settling,
        Place::Transactions => moment != Moment::Settling,
    }
}

#[test]
fn whatever_breaks_no_strategy_is_judged_by_it() {
    if !here() {
        return;
    }
    let only = std::env::var(ONLY).ok();
    let extent = if only.is_some() { Extent::Whole } else { Extent::Short };
    let mut rows = rows(&troubles(), extent);
    rows.retain(|row| row.what.contains(only.as_deref().unwrap_or_default()));
    assert!(!rows.is_empty(), "no row says {only:?}");
    let seen = happen(&rows);
    let (table, wrong) = print(&rows, &seen);
    println!("{table}");
    assert_eq!(wrong, 0, "\n{table}");
}
