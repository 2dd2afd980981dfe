//! The command that runs a run again.

use std::time::Duration;

use crate::{
    faults::{Fault, Schedule},
    results::{LoadedRun, RunSettings, quoted},
};

/// The command that runs the same again: whatever it does not say is as it was
/// by default.
pub(super) fn again(run: &LoadedRun) -> String {
    let settings = &run.settings;
    let mut words = vec![format!(
        "quarrel run {} --cluster {}",
        quoted(&settings.strategy),
        quoted(&settings.cluster)
    )];
    if is_drawn(settings) {
        words.extend(settings.faults.iter().map(|fault| format!("--fault {}", quoted(fault))));
    } else {
        let file = run.folder.file("run.toml");
        words.push(format!("--schedule {}", quoted(&file.display().to_string())));
    }
    words.push(format!("--workload {} --time {}ms", quoted(&settings.workload), settings.time_ms));
    words.push(format!("--clients {} --keys {}", settings.clients, settings.keys));
    words.push(format!("--skew {} --reads {}", settings.skew, settings.reads));
    // No rate is one, too: as fast as clients can.
    words.push(format!("--rate {}", settings.rate.unwrap_or(0.0)));
    if settings.arrivals == "open" {
        words.push("--open".to_owned());
    }
    words.push(format!("--timeout {}ms --settle {}ms", settings.timeout_ms, settings.settle_ms));
    let options = settings.options.iter();
    words.extend(options.map(|(name, value)| format!("--{name} {}", quoted(value))));
    words.push(format!("--expect {} --seed {}", quoted(&settings.expect), settings.seed));
    words.join(" ")
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
