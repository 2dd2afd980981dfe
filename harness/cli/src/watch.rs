use std::{
    io::IsTerminal as _,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use quarrel_run::runner::{Progress, RunPhase};

use super::output::eprintln;

/// Shows how far a storm is: a bar on a terminal, a line now and then
/// elsewhere.
pub(super) struct Watch {
    bar: Option<ProgressBar>,
    /// Seconds of the storm at which the last line was printed.
    last_line: AtomicU64,
    phase: Mutex<Option<RunPhase>>,
}

/// Seconds between two lines where there is no terminal.
const EVERY: u64 = 5;

impl Watch {
    pub(super) fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(0);
            let style = ProgressStyle::with_template("{prefix:>8} [{bar:30}] {msg}");
            bar.set_style(style.expect("the template is right").progress_chars("=> "));
            bar
        });
        Self { bar, last_line: AtomicU64::new(0), phase: Mutex::new(None) }
    }

    pub(super) fn tell(&self, progress: Progress) {
        let phase = match progress.phase {
            RunPhase::Load => "load",
            RunPhase::Storm => "storm",
            RunPhase::Heal => "heal",
            RunPhase::Final => "final",
            RunPhase::Judge => "judge",
        };
        let operations = progress.events / 2;
        let (done, total) = (progress.elapsed.min(progress.total), progress.total);
        let message = format!("{} of {}, {operations} operations", seconds(done), seconds(total));
        if let Some(bar) = &self.bar {
            bar.set_length(millis(total));
            bar.set_position(millis(done));
            bar.set_prefix(phase);
            bar.set_message(message);
            return;
        }
        let mut last = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        let second = progress.elapsed.as_secs();
        if *last != Some(progress.phase) || second >= self.last_line.load(Ordering::Relaxed) + EVERY
        {
            eprintln!("{phase}: {message}");
            *last = Some(progress.phase);
            self.last_line.store(second, Ordering::Relaxed);
        }
    }

    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn seconds(duration: Duration) -> String {
    format!("{:.0} s", duration.as_secs_f64())
}
