use std::path::PathBuf;

use clap::Args;
use comfy_table::{Table, presets};
use quarrel_run::results::{list_matrices, list_runs, read_index, read_matrix};

use super::Failure;
use super::output::println;

#[derive(Args, Clone, Debug)]
pub(super) struct ListArgs {
    /// Where results are kept
    #[arg(long, default_value = "results", value_name = "FOLDER", env = "QUARREL_RESULTS")]
    results: PathBuf,
    /// What to print: text or json
    #[arg(long, default_value = "text", value_name = "FORMAT", value_parser = ["text", "json"])]
    format: String,
}

/// Lists runs, oldest first; those that never came to their end too.
pub(super) fn list(args: &ListArgs) -> Result<u8, Failure> {
    let index = read_index(&args.results)?;
    let runs = list_runs(&args.results);
    if args.format == "json" {
        println!("{}", serde_json::to_string_pretty(&index).map_err(Failure::bug)?);
        return Ok(0);
    }
    let matrices = list_matrices(&args.results);
    if runs.is_empty() && matrices.is_empty() {
        println!(
            "no runs in {} yet; quarrel run cache-aside --fault replica-lag makes one",
            args.results.display()
        );
        return Ok(0);
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["run", "cluster", "faults", "outcome", "strongest", "stale/at risk"]);
    for run in runs {
        match index.iter().rev().find(|line| line.run == run.name) {
            Some(line) => table.add_row([
                run.name,
                line.cluster.clone(),
                line.faults.join(" "),
                line.outcome.clone(),
                line.strongest.clone(),
                format!("{}/{}", line.stale_reads, line.reads_at_risk),
            ]),
            None => table.add_row([
                run.name,
                String::new(),
                String::new(),
                "unfinished".to_owned(),
                "quarrel check judges it".to_owned(),
                String::new(),
            ]),
        };
    }
    if table.row_count() > 0 {
        println!("{table}");
    }
    for folder in matrices {
        let matrix = match read_matrix(&folder) {
            Ok(matrix) => matrix,
            Err(error) => {
                println!("{error}");
                continue;
            }
        };
        let (rows, columns) = (matrix.strategies.len(), matrix.faults.len());
        let made = if matrix.simulated { "explored" } else { "stormed" };
        let name = matrix.name;
        println!("{name}  {rows} strategies × {columns} faults, {made}: matrix.md shows it");
    }
    Ok(0)
}
