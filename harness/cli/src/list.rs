use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use clap::Args;
use comfy_table::{ContentArrangement, Table, presets};
use quarrel_report::report::{Width, printable};
use quarrel_run::results::{
    FileError, IndexLine, RunFolder, RunState, by_run, list_matrices, read_index, read_matrix,
    states,
};
use serde::Serialize;

use super::Failure;
use super::output::{eprintln, println};

#[derive(Args, Clone, Debug)]
pub(super) struct ListArgs {
    /// Where results are kept
    #[arg(long, default_value = "results", value_name = "FOLDER", env = "QUARREL_RESULTS")]
    results: PathBuf,
    /// What to print: text or json
    #[arg(long, default_value = "text", value_name = "FORMAT", value_parser = ["text", "json"])]
    format: String,
}

/// What there is, for a program.
#[derive(Serialize)]
struct Listing {
    runs: Vec<ListedRun>,
    matrices: Vec<ListedMatrix>,
}

#[derive(Serialize)]
struct ListedRun {
    #[serde(flatten)]
    line: IndexLine,
    /// The matrix in whose folder it lies, under `runs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    matrix: Option<String>,
    /// Why it has no verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

#[derive(Serialize)]
struct ListedMatrix {
    matrix: String,
    strategies: usize,
    faults: usize,
    simulated: bool,
}

/// Lists runs, oldest first; those that never came to their end too.
pub(super) fn list(args: &ListArgs) -> Result<u8, Failure> {
    if !args.results.is_dir() && args.results != Path::new("results") {
        return Err(Failure::usage(format!("there is no folder {}", args.results.display())));
    }
    let index: HashMap<_, _> = by_run(read_index(&args.results)?);
    let runs = states(&args.results, &index);
    let (matrices, broken) = matrices(&args.results);
    broken.iter().for_each(|error| eprintln!("{error}"));
    if args.format == "json" {
        let runs = runs.into_iter();
        let runs = runs.map(|(folder, state)| ListedRun {
            line: state.line().clone(),
            matrix: folder.matrix(&args.results),
            reason: state.reason(),
        });
        let listing = Listing { runs: runs.collect(), matrices };
        println!("{}", serde_json::to_string_pretty(&listing).map_err(Failure::bug)?);
        return Ok(0);
    }
    if runs.is_empty() && matrices.is_empty() {
        println!(
            "no runs in {} yet; quarrel run cache-aside --fault replica-lag makes one",
            args.results.display()
        );
        return Ok(0);
    }
    let rows: Vec<_> = runs.iter().map(|(run, state)| row(run, state, &args.results)).collect();
    if !rows.is_empty() {
        println!("{}", table(&rows, Width::of_terminal()));
    }
    for ListedMatrix { matrix, strategies, faults, simulated } in matrices {
        let made = if simulated { "explored" } else { "stormed" };
        let rows = if strategies == 1 { "strategy" } else { "strategies" };
        let columns = if faults == 1 { "fault" } else { "faults" };
        println!("{matrix}  {strategies} {rows} × {faults} {columns}, {made}: matrix.md shows it");
    }
    Ok(0)
}

/// What heads the columns of a list.
const HEADER: [&str; 7] =
    ["run", "cluster", "faults", "outcome", "strongest", "stale/at risk", "cause"];

/// A run in these columns.
fn row(folder: &RunFolder, state: &RunState, results: &Path) -> [String; 7] {
    let line = state.line();
    let stale = match state.is_judged() {
        true => format!("{}/{}", line.stale_reads, line.reads_at_risk),
        false => String::new(),
    };
    let name = match folder.matrix(results) {
        Some(matrix) => format!("{} of {matrix}", folder.name),
        None => folder.name.clone(),
    };
    [
        name,
        line.cluster.clone(),
        line.faults.join(" "),
        line.outcome.clone(),
        line.strongest.clone(),
        stale,
        state.reason().map_or_else(|| line.cause.clone(), |reason| printable(&reason)),
    ]
}

/// As a table; where that has no room, a few lines for each run.
fn table(rows: &[[String; 7]], width: Width) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    if let Width::Columns(columns) = width {
        table.set_width(u16::try_from(columns).unwrap_or(u16::MAX));
    }
    table.set_header(HEADER);
    for row in rows {
        table.add_row(row);
    }
    let text = table.to_string();
    let Width::Columns(columns) = width else { return text };
    if text.lines().all(|line| line.chars().count() <= columns) && columns >= LEAST {
        return text;
    }
    let told = rows.iter().map(|[name, cluster, faults, outcome, strongest, stale, cause]| {
        let faults = if faults.is_empty() { "no fault" } else { faults };
        let stale = if stale.is_empty() { String::new() } else { format!("; stale {stale}") };
        let strongest =
            if strongest.is_empty() { String::new() } else { format!("; strongest {strongest}") };
        let cause = if cause.is_empty() { String::new() } else { format!("; {cause}") };
        format!("{outcome:<11}  {name}\n{:11}  {faults} on {cluster}{strongest}{stale}{cause}", "")
    });
    told.collect::<Vec<_>>().join("\n")
}

/// Columns that seven of them need, so that a run's name is not broken too often.
const LEAST: usize = 100;

/// The matrices, and what is wrong with those that cannot be read.
fn matrices(results: &Path) -> (Vec<ListedMatrix>, Vec<FileError>) {
    let (mut matrices, mut broken) = (Vec::new(), Vec::new());
    for folder in list_matrices(results) {
        match read_matrix(&folder) {
            Ok(matrix) => matrices.push(ListedMatrix {
                strategies: matrix.strategies.len(),
                faults: matrix.faults.len(),
                simulated: matrix.simulated,
                matrix: matrix.name,
            }),
            Err(error) => broken.push(error),
        }
    }
    (matrices, broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_fits_wide_and_narrow_terminals() {
        let row = [
            "20260301T080000Z-cache-aside-9f3a",
            "native",
            "replica-lag=200ms,via=apply redis-cut",
            "violated",
            "eventual",
            "3619/5830",
            "stale-read/replica-lag-refill",
        ]
        .map(str::to_owned);
        let [wide, narrow] =
            [140, 60].map(|columns| table(std::slice::from_ref(&row), Width::Columns(columns)));
        assert!(wide.lines().next().unwrap().contains("stale/at risk"), "{wide}");
        assert!(wide.lines().all(|line| line.chars().count() <= 140), "{wide}");
        // What is still too long is broken where it is printed.
        assert_eq!(
            narrow,
            "violated     20260301T080000Z-cache-aside-9f3a\n             \
             replica-lag=200ms,via=apply redis-cut on native; strongest eventual; stale 3619/5830; \
             stale-read/replica-lag-refill"
        );
    }
}
