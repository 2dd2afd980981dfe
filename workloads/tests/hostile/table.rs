use std::{
    collections::VecDeque,
    fmt::Write as _,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Mutex, PoisonError},
    thread,
};

use super::places::{MOMENTS, Place};

/// Runs at once: most of their time they wait.
const AT_ONCE: usize = 6;

/// What is done to one run; the exit code that is seen.
pub(super) type Happens = Box<dyn Fn() -> Option<i32> + Send + Sync>;

/// What becomes of a run.
pub(super) enum Cell {
    /// It ends with one of these exit codes.
    Ends { right: &'static [i32], happens: Happens },
    /// It cannot be, or shows nothing: why.
    Never(&'static str),
}

/// One thing that goes wrong at one place, at every moment.
pub(super) struct Row {
    pub(super) what: String,
    pub(super) place: Place,
    pub(super) cells: [Cell; MOMENTS.len()],
}

/// What was seen in the cells of a row; none is a panic.
pub(super) type Seen = [Option<i32>; MOMENTS.len()];

/// Runs everything.
pub(super) fn happen(rows: &[Row]) -> Vec<Seen> {
    let cells = rows.iter().enumerate().flat_map(|(row, of)| {
        let cells = of.cells.iter().enumerate();
        cells.filter_map(move |(cell, what)| match what {
            Cell::Ends { happens, .. } => Some((row, cell, happens)),
            Cell::Never(_) => None,
        })
    });
    let left = Mutex::new(cells.collect::<VecDeque<_>>());
    let seen = Mutex::new(vec![Seen::default(); rows.len()]);
    let next = || left.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((row, cell, happens)) = next() {
                    // What a panic says is on standard error already.
                    let code = catch_unwind(AssertUnwindSafe(happens)).ok().flatten();
                    let Row { what, place, .. } = &rows[row];
                    eprintln!("{what}, {place}, {}: {code:?}", MOMENTS[cell]);
                    seen.lock().unwrap_or_else(PoisonError::into_inner)[row][cell] = code;
                }
            });
        }
    });
    seen.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// The table, and how many cells are not as expected.
pub(super) fn print(rows: &[Row], seen: &[Seen]) -> (String, usize) {
    let mut table = format!("{:32} {:20}", "expected = seen", "");
    MOMENTS.iter().for_each(|moment| write!(table, "{moment:15}").unwrap());
    let mut reasons: Vec<&str> = Vec::new();
    let (mut wrong, mut run) = (0, 0);
    for (Row { what, place, cells }, seen) in rows.iter().zip(seen) {
        write!(table, "\n{what:32} {place:20}").unwrap();
        for (cell, seen) in cells.iter().zip(seen) {
            let text = match cell {
                Cell::Ends { right, .. } => {
                    let is_right = seen.is_some_and(|seen| right.contains(&seen));
                    run += 1;
                    wrong += usize::from(!is_right);
                    let right: Vec<_> = right.iter().map(ToString::to_string).collect();
                    let seen = seen.map_or_else(|| "none".to_owned(), |code| code.to_string());
                    let is = if is_right { "=" } else { "IS NOT" };
                    format!("{} {is} {seen}", right.join("|"))
                }
                Cell::Never(why) => {
                    let known = reasons.iter().position(|known| known == why);
                    let number = known.unwrap_or(reasons.len());
                    if known.is_none() {
                        reasons.push(why);
                    }
                    format!("- ({})", number + 1)
                }
            };
            write!(table, "{text:15}").unwrap();
        }
    }
    table = table.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    table.push_str("\n\nnot there:");
    for (number, why) in reasons.iter().enumerate() {
        write!(table, "\n({}) {why}", number + 1).unwrap();
    }
    write!(table, "\n\n{wrong} of {run} wrong").unwrap();
    (table, wrong)
}
