use std::path::PathBuf;

use clap::Args;
use quarrel_report::report::{View, write_files};
use quarrel_run::{judge::judge_run, results::find_run};
use quarrel_strategy::strategy::Catalogue;

use super::output::println;
use super::{
    Failure,
    cut::{Cutter, write_races},
    recorded::Recorded,
};

#[derive(Args, Clone, Debug)]
pub(super) struct ReportArgs {
    /// The run: its folder, name, id, the beginning of either, or `latest`
    #[arg(default_value = "latest")]
    run: String,
    /// Where results are kept
    #[arg(long, default_value = "results", value_name = "FOLDER", env = "QUARREL_RESULTS")]
    results: PathBuf,
    /// What to print: text or json
    #[arg(long, default_value = "text", value_name = "FORMAT", value_parser = ["text", "json"])]
    format: String,
}

/// Makes the report of a run anew, its races too, and says where it is.
pub(super) fn report(args: &ReportArgs, catalogue: &Catalogue) -> Result<u8, Failure> {
    let folder = find_run(&args.results, &args.run).map_err(Failure::usage)?;
    let Recorded { run, expected, workload } = Recorded::load(folder, catalogue)?;
    let verdict = judge_run(&run, expected, &*(workload.build)());
    write_files(&run, &verdict)?;
    let path = run.folder.file("report.html");
    let whole = std::path::absolute(&path).unwrap_or(path);
    if args.format == "json" {
        let operations = View::new(&run, &verdict).rows.len();
        println!(
            "{}",
            serde_json::json!({"run": run.folder.name, "report": whole, "operations": operations})
        );
    } else {
        println!("{}", whole.display());
    }
    if run.settings.app.is_none() {
        write_races(Cutter::new(run, verdict.anomalies, catalogue)?);
    }
    Ok(0)
}
