use std::time::Duration;

use quarrel_checkers::ReadFinding;
use quarrel_run::{
    judge::stale_reads,
    results::{FileError, LoadedRun, RunFolder, VerdictFile, json_text},
};

use super::{
    Ink, Timeline, Width, ci, page,
    page::worth_drawing,
    plots::{self, Series, stand_alone},
    summary,
    trace::write_trace,
    view::View,
    zoom,
};

/// How many anomalies get a folder of their own.
const FOLDERS: usize = 12;

/// Writes everything that is made from a run's verdict into its folder:
/// `verdict.json`, `summary.md`, `report.html`, `junit.xml`, `metrics.txt`,
/// `trace.json.gz`, the plots, and a folder for each anomaly that is worth one.
///
/// The verdict is written first, so that nothing after it can lose it. Returns
/// how many operations the report tells of.
///
/// # Errors
///
/// When the system says no.
pub fn write_files(run: &LoadedRun, verdict: &VerdictFile) -> Result<usize, FileError> {
    write_files_with(run, verdict, &stale_reads(run))
}

/// The same, where it is known what was found of stale reads.
///
/// # Errors
///
/// When the system says no.
pub fn write_files_with(
    run: &LoadedRun,
    verdict: &VerdictFile,
    stale: &[ReadFinding],
) -> Result<usize, FileError> {
    let folder = &run.folder;
    folder.write(RunFolder::VERDICT, &json_text(verdict))?;
    let plain = summary(run, verdict, Ink::plain(), Width::Free);
    folder.write("summary.md", &format!("```text\n{plain}```\n"))?;
    let view = View::with_reads(run, verdict, stale);
    // The page and the trace take the longest, and share nothing but the view.
    std::thread::scope(|scope| {
        let trace = scope.spawn(|| write_trace(&view));
        write_anomalies(&view)?;
        write_plots(&view)?;
        write_report(&view)?;
        trace.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })?;
    let took = Duration::from_nanos(view.end.as_nanos());
    folder.write("junit.xml", &ci::junit(&[(verdict, &plain, took)]))?;
    folder.write("metrics.txt", &ci::open_metrics(verdict))?;
    Ok(view.rows.len())
}

/// Writes `report.html` alone.
///
/// # Errors
///
/// When the system says no.
pub fn write_report(view: &View<'_>) -> Result<(), FileError> {
    view.run.folder.write(RunFolder::REPORT, &page::page(view))
}

fn write_plots(view: &View<'_>) -> Result<(), FileError> {
    let series = Series::of(view);
    for plot in plots::over_time(view, &series).into_iter().chain(plots::of_staleness(view)) {
        let name = format!("plots/{}.svg", plot.name);
        view.run.folder.write(&name, &stand_alone(&plot.svg))?;
    }
    Ok(())
}

fn write_anomalies(view: &View<'_>) -> Result<(), FileError> {
    let Some(evidence) = &view.evidence else { return Ok(()) };
    let anomalies = &view.verdict.anomalies;
    for at in worth_drawing(anomalies, FOLDERS) {
        let number = at + 1;
        let write = |name: &str, text: &str| {
            view.run.folder.write(&format!("anomalies/{number}/{name}"), text)
        };
        let timeline = Timeline::of(evidence, &anomalies[at]);
        write(RunFolder::TIMELINE, &timeline.to_string())?;
        if let Some(pictures) = zoom::zoom(view.run, evidence, &anomalies[at], number) {
            write("zoom.svg", &stand_alone(&pictures.lying))?;
        }
    }
    Ok(())
}
