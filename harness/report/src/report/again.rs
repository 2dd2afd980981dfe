//! The command that runs a run again.

use std::time::Duration;

use quarrel_run::{
    faults::{Fault, Schedule},
    results::{LoadedRun, RunFolder, RunSettings},
};

use super::command_line;

/// The command that runs the same again: whatever it does not say is as it was
/// by default.
pub(super) fn again(run: &LoadedRun) -> String {
    let settings = &run.settings;
    let mut words = vec!["quarrel".to_owned(), "run".to_owned()];
    match &settings.app {
        Some(file) => words.extend(["--app".to_owned(), file.clone()]),
        None => words.push(settings.strategy.clone()),
    }
    let mut add = |name: &str, value: &dyn ToString| {
        words.extend([format!("--{name}"), value.to_string()]);
    };
    add("cluster", &settings.cluster);
    if is_drawn(settings) {
        settings.faults.iter().for_each(|fault| add("fault", fault));
    } else {
        add("schedule", &run.folder.file(RunFolder::SETTINGS).display());
    }
    add("workload", &settings.workload);
    add("time", &format!("{}ms", settings.time_ms));
    add("clients", &settings.clients);
    add("keys", &settings.keys);
    add("skew", &settings.skew);
    add("reads", &settings.reads);
    // No rate is one, too: as fast as clients can.
    add("rate", &settings.rate.unwrap_or(0.0));
    add("timeout", &format!("{}ms", settings.timeout_ms));
    add("settle", &format!("{}ms", settings.settle_ms));
    settings.options.iter().for_each(|(name, value)| add(name, value));
    add("pauses", &settings.pauses);
    add("expect", &settings.expect);
    add("seed", &settings.seed);
    if settings.arrivals == "open" {
        words.push("--open".to_owned());
    }
    command_line(words)
}

/// Whether the faults and the seed alone say when what strikes; a schedule that
/// somebody wrote is none that the seed draws.
fn is_drawn(settings: &RunSettings) -> bool {
    let faults: Result<Vec<Fault>, _> =
        settings.faults.iter().map(|fault| Fault::parse(fault)).collect();
    let time = Duration::from_millis(settings.time_ms);
    faults.is_ok_and(|faults| {
        Schedule::periodic(&faults, time, settings.seed).to_string() == settings.schedule
    })
}
