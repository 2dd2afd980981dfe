use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use clap::Args;
use comfy_table::{ContentArrangement, Table, presets};
use quarrel_report::report::{Width, printable};
use quarrel_run::results::{
    FileError, IndexLine, list_matrices, list_runs, read_index, read_matrix, states,
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
    // A run that was judged again stands in the index twice: the last counts.
    let index = read_index(&args.results)?.into_iter().map(|line| (line.run.clone(), line));
    let runs = states(list_runs(&args.results), &index.collect::<HashMap<_, _>>());
    let (matrices, broken) = matrices(&args.results);
    broken.iter().for_each(|error| eprintln!("{error}"));
    if args.format == "json" {
        let runs = runs.into_iter();
        let runs =
            runs.map(|(_, state)| ListedRun { line: state.line().clone(), reason: state.reason() });
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
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    if let Width::Columns(columns) = Width::of_terminal() {
        table.set_width(u16::try_from(columns).unwrap_or(u16::MAX));
    }
    table.set_header([
        "run",
        "cluster",
        "faults",
        "outcome",
        "strongest",
        "stale/at risk",
        "cause",
    ]);
    for (folder, state) in &runs {
        let line = state.line();
        let stale = match state.is_judged() {
            true => format!("{}/{}", line.stale_reads, line.reads_at_risk),
            false => String::new(),
        };
        table.add_row([
            folder.name.clone(),
            line.cluster.clone(),
            line.faults.join(" "),
            line.outcome.clone(),
            line.strongest.clone(),
            stale,
            state.reason().map_or_else(|| line.cause.clone(), |reason| printable(&reason)),
        ]);
    }
    if table.row_count() > 0 {
        println!("{table}");
    }
    for ListedMatrix { matrix, strategies, faults, simulated } in matrices {
        let made = if simulated { "explored" } else { "stormed" };
        let rows = if strategies == 1 { "strategy" } else { "strategies" };
        let columns = if faults == 1 { "fault" } else { "faults" };
        println!("{matrix}  {strategies} {rows} × {faults} {columns}, {made}: matrix.md shows it");
    }
    Ok(0)
}

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
