//! How time and memory are measured, and how a goal is reported.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cmp::Ordering,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};

/// CPU time of this thread. What `/proc` tells is behind by up to a tick, which
/// is a third of what a million operations take.
fn cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(now).expect("a clock that counts from zero is never negative")
}

/// The median over several runs, of CPU time, in nanoseconds.
pub(crate) fn median(runs: usize, mut work: impl FnMut()) -> f64 {
    let mut times: Vec<Duration> = (0..runs)
        .map(|_| {
            let before = cpu();
            work();
            cpu() - before
        })
        .collect();
    times.sort_unstable();
    times[runs / 2].as_nanos() as f64
}

/// The median of ratios of two things measured in turns, so that a slow moment
/// hits both.
pub(crate) fn ratio(runs: usize, mut above: impl FnMut(), mut below: impl FnMut()) -> f64 {
    let mut ratios: Vec<f64> =
        (0..runs).map(|_| median(3, &mut above) / median(3, &mut below)).collect();
    ratios.sort_by(f64::total_cmp);
    ratios[runs / 2]
}

/// Bytes asked for and not given back, and the most that they ever were.
static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

struct Counting;

fn grown(by: usize) {
    let now = HELD.fetch_add(by, Relaxed) + by;
    PEAK.fetch_max(now, Relaxed);
}

#[expect(unsafe_code, reason = "an allocator cannot be written without, and this only counts")]
// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both may be there for a moment.
        grown(size);
        let moved = unsafe { System.realloc(at, layout, size) };
        HELD.fetch_sub(layout.size(), Relaxed);
        moved
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most bytes that `work` held at once beside what was there before.
pub(crate) fn peak_bytes(work: impl FnOnce()) -> f64 {
    let before = HELD.load(Relaxed);
    PEAK.store(before, Relaxed);
    work();
    (PEAK.load(Relaxed) - before) as f64
}

static REACHED: AtomicUsize = AtomicUsize::new(0);
static MISSED: AtomicUsize = AtomicUsize::new(0);

#[derive(Clone, Copy)]
enum Goal {
    Reached,
    Missed,
}

impl Goal {
    /// How far something is from the most that it may be.
    fn of(order: Ordering) -> Self {
        if order.is_le() { Self::Reached } else { Self::Missed }
    }
}

/// A goal: no more than `limit`.
pub(crate) fn at_most(goal: &str, what: &str, limit: f64, measured: f64, unit: &str) {
    verdict(
        goal,
        what,
        measured,
        unit,
        &format!("<= {limit}"),
        Goal::of(measured.total_cmp(&limit)),
    );
}

/// A goal: no less than `limit`.
pub(crate) fn at_least(goal: &str, what: &str, limit: f64, measured: f64, unit: &str) {
    verdict(
        goal,
        what,
        measured,
        unit,
        &format!(">= {limit}"),
        Goal::of(limit.total_cmp(&measured)),
    );
}

fn verdict(goal: &str, what: &str, measured: f64, unit: &str, limit: &str, goal_is: Goal) {
    let (count, word) = match goal_is {
        Goal::Reached => (&REACHED, "reached"),
        Goal::Missed => (&MISSED, "MISSED"),
    };
    count.fetch_add(1, Relaxed);
    let measured = shown(measured);
    println!("{goal:4} {what:64} {measured:>9} {unit:5} {limit:>9}  {word}");
}

/// A number without a goal, to compare with.
pub(crate) fn beside(what: &str, measured: f64, unit: &str) {
    println!("     {what:64} {:>9} {unit}", shown(measured));
}

/// Three digits at least.
fn shown(measured: f64) -> String {
    let decimals = if measured < 1.0 { 3 } else { 1 };
    format!("{measured:.decimals$}")
}

/// The last line.
pub(crate) fn sum_up() {
    println!("{} goals reached, {} missed", REACHED.load(Relaxed), MISSED.load(Relaxed));
}
