use std::{
    io::IsTerminal as _,
    num::NonZero,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use quarrel_checkers::{Guarantee, Validity};
use quarrel_explore::explore::{Bounds, Ladder, LadderRung, Reduction, ladder};
use quarrel_run::results::{
    CellBreak, CellOutcome, CellRung, CellSearch, FileError, MatrixCell, MatrixFile, RunFolder,
    write_text,
};
use quarrel_strategy::{record::Stop, strategy::AnyStrategy};
use tokio::runtime::Runtime;

use super::{Column, Failure, MatrixArgs, Row, file_name};
use crate::output::eprintln;
use crate::signals::stop_on_signals;

/// The most time for a cell.
const LIMIT: Duration = Duration::from_secs(60);

/// The most states that a search keeps unless something else is asked for: few
/// cells need more, and those that do are searched in seconds up to here.
pub(crate) const MAX_STATES: NonZero<usize> = NonZero::new(100_000).expect("it is not 0");

/// What is drawn beyond the states that are kept.
const SAMPLES: u64 = 20_000;

/// The fewest clients in which every guarantee of the ladder can break: two
/// writes that race, a session that reads what it wrote, a session that reads
/// twice.
pub(crate) fn clients(max_states: usize, seed: u64) -> Bounds {
    Bounds {
        writers: 1,
        both: 1,
        readers: 1,
        reads: 2,
        max_states,
        samples: SAMPLES,
        seed,
        reduction: Reduction::Orders,
        ..Bounds::default()
    }
}

/// Explores every cell, several at once; whether somebody stopped it.
pub(super) fn fill(
    args: &MatrixArgs,
    plan: &[(&Row<'_>, &Column)],
    folder: &RunFolder,
    runtime: &Runtime,
    matrix: &mut MatrixFile,
) -> Result<bool, Failure> {
    let inside = runtime.enter();
    let stop = stop_on_signals().map_err(Failure::environment)?;
    drop(inside);
    "sim".clone_into(&mut matrix.cluster);
    matrix.within = format!(
        "A writer, a client that writes and reads, and a client that reads twice, of one key; the \
         cache cold and warm, and no row yet; at most one strike of the column's faults; the \
         replica shows every commit at once but under replica-lag and failover; of several \
         messages to a client all have arrived when it looks, or none; up to {} states.",
        args.max_states
    );
    let watch = Watch::new(plan.len());
    let next = AtomicUsize::new(0);
    let cells: Mutex<Vec<(usize, Result<MatrixCell, FileError>)>> = Mutex::default();
    let work = || {
        while let Some((number, (row, column))) = {
            let number = next.fetch_add(1, Ordering::Relaxed);
            plan.get(number).map(|cell| (number, cell))
        } {
            let limit = args.time.unwrap_or(LIMIT);
            let cell = within(limit, &stop, |over| explored(args, row, column, folder, over));
            if stop.asked() {
                break;
            }
            watch.done(row, column);
            cells.lock().unwrap_or_else(PoisonError::into_inner).push((number, cell));
        }
    };
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(work);
        }
    });
    watch.end();
    let mut cells = cells.into_inner().unwrap_or_else(PoisonError::into_inner);
    cells.sort_by_key(|(number, _)| *number);
    for (_, cell) in cells {
        matrix.cells.push(cell?);
    }
    Ok(stop.asked())
}

/// Does `work`, which is asked to end early when `limit` is over or somebody
/// asks all to stop.
fn within<T>(limit: Duration, all: &Stop, work: impl FnOnce(&Stop) -> T) -> T {
    const SLICE: Duration = Duration::from_millis(50);
    let over = Stop::default();
    let (done, ended) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let asks = over.clone();
        scope.spawn(move || {
            let mut left = limit;
            while ended.recv_timeout(SLICE.min(left)) == Err(RecvTimeoutError::Timeout) {
                left = left.saturating_sub(SLICE);
                if left.is_zero() || all.asked() {
                    asks.ask();
                    return;
                }
            }
        });
        let result = work(&over);
        drop(done);
        result
    })
}

fn explored(
    args: &MatrixArgs,
    row: &Row<'_>,
    column: &Column,
    folder: &RunFolder,
    over: &Stop,
) -> Result<MatrixCell, FileError> {
    let make = || -> Arc<dyn AnyStrategy> {
        (row.entry.build)(&row.options).expect("the same options made a strategy before")
    };
    let faults = column.faults.iter().map(|fault| fault.parse().expect("it was parsed before"));
    let bounds = Bounds {
        faults: faults.collect(),
        stop: over.clone(),
        ..clients(args.max_states.get(), args.seed)
    };
    let found = match ladder(&make, row.entry.name, &row.given, &bounds) {
        Ok(found) => found,
        Err(stuck) => {
            let refused = CellOutcome::Refused;
            return Ok(MatrixCell::without(&row.label, &column.label, refused, stuck.to_string()));
        }
    };
    let note = over.asked().then(|| "its time was over before its search was".to_owned());
    let rungs: Result<Vec<_>, _> =
        found.rungs.iter().map(|rung| cell_rung(rung, row, column, folder)).collect();
    Ok(MatrixCell {
        strategy: row.label.clone(),
        fault: column.label.clone(),
        outcome: outcome(&found),
        strongest: found.strongest,
        rungs: rungs?,
        evidence: None,
        searched: Some(searched(&found)),
        note,
    })
}

fn outcome(found: &Ladder) -> CellOutcome {
    let is_empty = |rung: &LadderRung| {
        Some(rung.guarantee) == found.strongest && rung.broken.is_none() && rung.at_stake == 0
    };
    match found.strongest {
        None => CellOutcome::Undecided,
        Some(_) if found.rungs.iter().any(is_empty) => CellOutcome::Vacuous,
        Some(Guarantee::Linearizable) => CellOutcome::Held,
        Some(_) => CellOutcome::Broken,
    }
}

fn searched(found: &Ladder) -> CellSearch {
    let most = |count: &dyn Fn(&LadderRung) -> u128| {
        let most = found.rungs.iter().map(count).max().unwrap_or(0);
        u64::try_from(most).unwrap_or(u64::MAX)
    };
    CellSearch {
        interleavings: most(&|rung| rung.interleavings),
        at_stake: most(&|rung| rung.at_stake),
        states: most(&|rung| rung.states as u128),
    }
}

fn cell_rung(
    rung: &LadderRung,
    row: &Row<'_>,
    column: &Column,
    folder: &RunFolder,
) -> Result<CellRung, FileError> {
    let broken = match &rung.broken {
        None => None,
        Some(broken) => {
            let race = match &broken.finding {
                None => None,
                Some(finding) => {
                    let text = finding.race.to_string();
                    Some(write_race(folder, row, column, rung.guarantee, &text)?)
                }
            };
            let what = broken.claim.to_string();
            Some(CellBreak { what, cause: broken.cause, steps: Some(broken.steps), race })
        }
    };
    Ok(CellRung {
        guarantee: rung.guarantee,
        validity: if broken.is_some() { Validity::Invalid } else { rung.validity },
        below_steps: rung.below_steps,
        broken,
    })
}

/// Writes a witness; its path in the matrix's folder.
pub(super) fn write_race(
    folder: &RunFolder,
    row: &Row<'_>,
    column: &Column,
    guarantee: Guarantee,
    text: &str,
) -> Result<String, FileError> {
    let inside = format!("races/{}/{}", file_name(&row.label), file_name(&column.label));
    let path = folder.file(&inside);
    std::fs::create_dir_all(&path).map_err(FileError::io(&path))?;
    write_text(&path.join(format!("{guarantee}.race")), text)?;
    Ok(format!("{inside}/{guarantee}.race"))
}

/// Tells how far it is: a bar on a terminal, a line now and then elsewhere.
pub(super) struct Watch {
    bar: Option<ProgressBar>,
    done: AtomicUsize,
    all: usize,
}

impl Watch {
    pub(super) fn new(all: usize) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(all as u64);
            let style = ProgressStyle::with_template("[{bar:30}] {pos} of {len} cells, {msg}");
            bar.set_style(style.expect("the template is right").progress_chars("=> "));
            bar
        });
        Self { bar, done: AtomicUsize::new(0), all }
    }

    pub(super) fn done(&self, row: &Row<'_>, column: &Column) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        let what = format!("{} under {}", row.label, column.label);
        match &self.bar {
            Some(bar) => {
                bar.set_position(done as u64);
                bar.set_message(what);
            }
            // Some twenty lines in all.
            None if done.is_multiple_of(self.all.div_ceil(20)) => {
                eprintln!("{done} of {} cells: {what}", self.all);
            }
            None => {}
        }
    }

    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
