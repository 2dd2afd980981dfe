use std::path::PathBuf;

use clap::Args;
use quarrel_report::report::write_files;
use quarrel_run::{
    judge::judge_run,
    results::{RunFolder, find_run},
};
use quarrel_strategy::strategy::Catalogue;

use super::output::println;
use super::{
    Failure,
    cut::{Cutter, write_races},
    recorded::Recorded,
    redact::redacted,
};

#[derive(Args, Clone, Debug)]
pub(super) struct ReportArgs {
    /// The run: its folder, name, id, the beginning of either, or `latest`
    #[arg(default_value = "latest")]
    run: String,
    /// Where results are kept
    #[arg(long, default_value = "results", value_name = "FOLDER", env = "QUARREL_RESULTS")]
    results: PathBuf,
    /// Write a copy of the run in which tokens stand for what an application's rows, statements, headers and messages hold, and report of that. The run itself stays as it is
    #[arg(long)]
    redact: bool,
    /// The results folder that the copy goes to [default: beside the results, NAME-redacted]
    #[arg(long, value_name = "FOLDER", requires = "redact")]
    out: Option<PathBuf>,
    /// What to print: text or json
    #[arg(long, default_value = "text", value_name = "FORMAT", value_parser = ["text", "json"])]
    format: String,
}

/// Makes the report of a run anew, its races too, and says where it is.
pub(super) fn report(args: &ReportArgs, catalogue: &Catalogue) -> Result<u8, Failure> {
    let folder = find_run(&args.results, &args.run).map_err(Failure::usage)?;
    let recorded = Recorded::load(folder, catalogue)?;
    if args.redact {
        let copy = redacted(&recorded, &args.results, args.out.as_deref(), catalogue)?;
        tell(&copy.folder, copy.operations, args);
        return Ok(0);
    }
    let Recorded { run, expected, workload } = recorded;
    let verdict = judge_run(&run, expected, &*(workload.build)());
    let operations = write_files(&run, &verdict)?;
    tell(&run.folder, operations, args);
    if run.settings.app.is_none() {
        write_races(Cutter::new(run, verdict.anomalies, catalogue)?);
    }
    Ok(0)
}

/// Says where the report of a run is.
fn tell(run: &RunFolder, operations: usize, args: &ReportArgs) {
    let path = run.file(RunFolder::REPORT);
    let whole = std::path::absolute(&path).unwrap_or(path);
    if args.format == "json" {
        let told = serde_json::json!({"run": run.name, "report": whole, "operations": operations});
        println!("{told}");
    } else {
        println!("{}", whole.display());
    }
}
