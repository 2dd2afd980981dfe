//! What can go wrong around a run, on each kind of cluster and at each moment,
//! and how the run must end: never with a verdict about the strategy when the
//! world broke. Printed as a table by
//! `cargo test -p quarrel-workloads --test hostile -- --nocapture`. In a process of
//! its own: its many runs at once would slow down whatever ran beside them.

mod deployment;
#[path = "../lifecycle/mod.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod lifecycle;
mod rows;
#[path = "../servers/mod.rs"]
#[allow(dead_code, unused_imports, reason = "other tests need more of it")]
mod servers;

use std::{
    fmt::Write as _,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use rows::rows;
use servers::here;

/// When something goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    SetUp,
    Storm,
    Settling,
}

/// One thing that goes wrong.
struct Row {
    what: &'static str,
    place: &'static str,
    moment: Moment,
    /// The exit codes that are right.
    right: &'static [i32],
    /// Lets it happen to a run; the exit code of that.
    happen: Box<dyn Fn() -> Option<i32> + Send + Sync>,
}

/// Runs at once: most of their time they wait.
const AT_ONCE: usize = 4;

/// Each with what was seen, in their order; none is a panic.
fn happen(rows: &[Row]) -> Vec<Option<i32>> {
    let seen: Vec<_> = rows.iter().map(|_| Mutex::new(None)).collect();
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(row) = rows.get(at) else { break };
                    // What a panic says is on standard error already.
                    let code = catch_unwind(AssertUnwindSafe(&row.happen)).ok().flatten();
                    *seen[at].lock().unwrap() = code;
                }
            });
        }
    });
    seen.into_iter().map(|code| code.into_inner().unwrap()).collect()
}

#[test]
fn whatever_breaks_no_strategy_is_judged_by_it() {
    if !here() {
        return;
    }
    let rows = rows();
    let seen = happen(&rows);
    let mut table = format!("{:34} {:21} {:9} {:9} seen\n", "what", "where", "when", "expected");
    let mut wrong = 0;
    for (row, seen) in rows.iter().zip(seen) {
        let right: Vec<_> = row.right.iter().map(ToString::to_string).collect();
        let is_right = seen.is_some_and(|seen| row.right.contains(&seen));
        let seen = seen.map_or_else(|| "none".to_owned(), |code| code.to_string());
        let mark = if is_right { "" } else { "  WRONG" };
        wrong += usize::from(!is_right);
        let (what, place, moment) = (row.what, row.place, format!("{:?}", row.moment));
        let right = right.join(" or ");
        writeln!(table, "{what:34} {place:21} {moment:9} {right:9} {seen}{mark}").unwrap();
    }
    println!("{table}{wrong} of {} wrong", rows.len());
    assert_eq!(wrong, 0, "\n{table}");
}
