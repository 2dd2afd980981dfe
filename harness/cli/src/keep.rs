//! What is left of a run once its verdict is known: the index, the report, the
//! races, and the word that all of it is there.

use std::path::Path;

use quarrel_report::report::write_files_with;
use quarrel_run::{
    results::{RunFolder, append_to_index, write_json, write_text},
    run::{Ran, within},
};
use quarrel_strategy::strategy::Catalogue;
use tokio::time::Instant;

use super::{
    Failure,
    cut::{Cutter, LONGEST, write_races},
    output::eprintln,
};

/// Keeps a run. What is not written by `until` is left out and named; the
/// verdict is there in any case.
pub(super) fn keep(
    ran: Ran,
    results: &Path,
    catalogue: &Catalogue,
    until: Option<std::time::Instant>,
) -> Result<(), Failure> {
    let (is_judged, stale) = (ran.is_judged(), ran.stale_reads().to_vec());
    let Ran { run, verdict, kept, .. } = ran;
    kept?;
    let folder = run.folder.clone();
    write_json(&folder.file(RunFolder::VERDICT), &verdict)?;
    append_to_index(results, &folder, &verdict)?;
    if !is_judged {
        return Ok(());
    }
    let anomalies = verdict.anomalies.clone();
    let writing = move || write_files_with(&run, &verdict, &stale).map(|_| run);
    let Some(written) = within(until, writing) else {
        eprintln!(
            "budget: no time is left for the report; quarrel report {} makes it",
            folder.called()
        );
        return Ok(());
    };
    let run = written?;
    if until.is_some_and(|until| Instant::now().into_std() + LONGEST > until) {
        eprintln!(
            "budget: no time is left for races; quarrel shrink {} makes them",
            folder.called()
        );
        return Ok(write_text(&folder.file("COMPLETE"), "")?);
    }
    // Races of an application are found by holding its messages: a storm only
    // saw its answers.
    if run.settings.app.is_some() {
        return Ok(write_text(&folder.file("COMPLETE"), "")?);
    }
    // What cannot be cut out can be no reason to lose a verdict.
    match Cutter::new(run, anomalies, catalogue) {
        Ok(cutter) => write_races(cutter),
        Err(failure) => eprintln!("no races were cut out: {}", failure.message),
    }
    Ok(write_text(&folder.file("COMPLETE"), "")?)
}
