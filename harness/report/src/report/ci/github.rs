use std::{
    env,
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
};

use quarrel_run::results::{LoadedRun, RunOutcome, RunSettings, VerdictFile};

use super::case_name;
use crate::report::terminal::{Ink, Width, headline, summary, verdict_line};

/// Tells GitHub what came of a run, where it is GitHub that runs it: the
/// summary of the step goes to the file that `GITHUB_STEP_SUMMARY` names; the
/// annotation is returned, to be printed, if `GITHUB_ACTIONS` is set.
pub fn tell_github(run: &LoadedRun, verdict: &VerdictFile) -> Option<String> {
    if let Some(path) = env::var_os("GITHUB_STEP_SUMMARY") {
        let written = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .and_then(|mut file| file.write_all(step_summary(run, verdict).as_bytes()));
        if let Err(error) = written {
            // The verdict does not hang on it.
            tracing::warn!("the step summary could not be written: {error}");
        }
    }
    (env::var("GITHUB_ACTIONS").as_deref() == Ok("true")).then(|| {
        let here = env::current_dir().ok()?;
        let workspace = env::var_os("GITHUB_WORKSPACE").map_or_else(|| here.clone(), PathBuf::from);
        annotation(run, verdict, place(&workspace, &here, &run.settings).as_deref())
    })?
}

/// The project's own file that a run is about, as a path in its checkout, which
/// is all that GitHub can show: the application's file, else the strategy's
/// source if the checkout has it, else the `quarrel.toml` that a profile's runs
/// stand in. A strategy that came with quarrel has none.
#[must_use]
pub fn place(workspace: &Path, here: &Path, settings: &RunSettings) -> Option<String> {
    let workspace = workspace.canonicalize().ok()?;
    let given = [settings.app.as_deref(), Some(settings.source.as_str())];
    let given = given.into_iter().flatten().filter(|file| !file.is_empty());
    let given = given.flat_map(|file| [here.join(file), workspace.join(file)]);
    let projects = here.ancestors().map(|folder| folder.join("quarrel.toml"));
    given.chain(projects).find_map(|path| {
        let path = path.canonicalize().ok().filter(|path| path.is_file())?;
        Some(path.strip_prefix(&workspace).ok()?.to_string_lossy().into_owned())
    })
}

/// A run in Markdown, for the page of a workflow run.
#[must_use]
pub fn step_summary(run: &LoadedRun, verdict: &VerdictFile) -> String {
    let sign = match verdict.outcome {
        RunOutcome::Held(_) => "✅",
        RunOutcome::Violated => "❌",
        RunOutcome::Undecided | RunOutcome::Vacuous | RunOutcome::Environment => "⚠️",
    };
    let told = summary(run, verdict, Ink::plain(), Width::Free);
    // A longer fence than any in the text, so that no value can end it.
    let longest = told.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!(
        "### {sign} {}: {}\n\n{fence}text\n{told}{fence}\n\n",
        markdown(&case_name(verdict)),
        verdict.outcome
    )
}

fn markdown(text: &str) -> String {
    text.replace('<', "&lt;").replace('|', "\\|").replace('\n', " ")
}

/// A line that GitHub shows beside `file`, a path in the checkout, or without
/// one above the files; none for a run that held.
#[must_use]
pub fn annotation(run: &LoadedRun, verdict: &VerdictFile, file: Option<&str>) -> Option<String> {
    let level = match verdict.outcome {
        RunOutcome::Held(_) => return None,
        RunOutcome::Violated => "error",
        RunOutcome::Undecided | RunOutcome::Vacuous | RunOutcome::Environment => "warning",
    };
    let evidence = quarrel_run::judge::CauseEvidence::new(&run.history);
    let said = match verdict.anomalies.first() {
        Some(anomaly) => headline(evidence.as_ref(), anomaly),
        None => verdict_line(verdict),
    };
    let file = file.map(|file| format!("file={},", property(file))).unwrap_or_default();
    Some(format!(
        "::{level} {file}title={}::{}",
        property(&format!("{}: {}", case_name(verdict), verdict.outcome)),
        data(&said)
    ))
}

/// Escapes as the workflow commands want it in a message.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The same in a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
