use std::path::PathBuf;

use anstream::{println, stdout};
use clap::Args;

use super::Failure;
use crate::{
    judge::{Expectation, judge_run},
    report::{print_summary, write_files},
    results::{find_run, load_run},
    strategy::Catalogue,
};

#[derive(Args, Clone, Debug)]
pub(super) struct CheckArgs {
    /// The run: its folder, name, id, the beginning of either, or `latest`
    run: String,
    /// The guarantee to hold it to; by default the one it was run with
    #[arg(long, value_name = "GUARANTEE", value_parser = |t: &str| t.parse::<Expectation>())]
    expect: Option<Expectation>,
    /// Where results are kept
    #[arg(long, default_value = "results", value_name = "FOLDER", env = "QUARREL_RESULTS")]
    results: PathBuf,
    /// What to print: text or json
    #[arg(long, default_value = "text", value_name = "FORMAT", value_parser = ["text", "json"])]
    format: String,
}

/// Judges a run again and writes its verdict anew.
pub(super) fn check(args: &CheckArgs, catalogue: &Catalogue) -> Result<u8, Failure> {
    let folder = find_run(&args.results, &args.run).map_err(Failure::usage)?;
    let run = load_run(folder).map_err(Failure::usage)?;
    let expected = match args.expect {
        Some(expected) => expected,
        None => run.settings.expect.parse().map_err(Failure::usage)?,
    };
    let workload = catalogue.workload(&run.settings.workload).map_err(Failure::usage)?;
    let verdict = judge_run(&run, expected, &*(workload.build)());
    write_files(&run, &verdict)?;
    if args.format == "json" {
        println!("{}", serde_json::to_string_pretty(&verdict).map_err(Failure::bug)?);
    } else {
        print_summary(&mut stdout(), &run, &verdict).map_err(Failure::environment)?;
    }
    Ok(verdict.outcome.exit_code())
}
