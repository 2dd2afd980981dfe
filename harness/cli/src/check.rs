use std::path::{Path, PathBuf};

use clap::Args;
use quarrel_checkers::{formats, transactions::Expected};
use quarrel_report::report::{Ink, Width, summary};
use quarrel_run::{
    judge::{Expectation, judge_run},
    results::{LoadedRun, STDIN, find_run},
};
use quarrel_strategy::strategy::Catalogue;

use super::output::{print, println};
use super::{
    Failure,
    foreign::{self, Asked, FailureMeaning, From, KeysIn, ModelName, Output},
    partition::{Found, Part, Partition, PartitionArgs},
    recorded::Recorded,
};

#[derive(Args, Clone, Debug)]
pub(super) struct CheckArgs {
    /// A run (its folder, name, id, the beginning of either, or `latest`), or the file of any
    /// history; `-` is standard input
    #[arg(value_name = "RUN|FILE")]
    run: String,
    /// The format of a history's file; recognised if not given
    #[arg(long, value_name = "FORMAT")]
    from: Option<From>,
    /// What a file is a history of; told by its functions if not given
    #[arg(long, value_name = "MODEL")]
    model: Option<ModelName>,
    /// What a failed operation in a file means
    #[arg(long, default_value = "dropped", value_name = "MEANING")]
    failures: FailureMeaning,
    /// Whether values in a file are pairs of a key and a value
    #[arg(long, default_value = "infer", value_name = "WHERE")]
    keys: KeysIn,
    /// What every register of a file holds at first, as JSON or EDN write it; nothing (nil) if not
    /// given. A counter begins at 0
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    initial: Option<String>,
    /// What transactions in a file are held to, strongest first: serializable, repeatable-read,
    /// update-serializable, snapshot-isolation, parallel-snapshot-isolation, causal-convergence,
    /// causal, read-atomic, monotonic-atomic-view, read-committed or read-uncommitted; with
    /// strong-session- in front the order of sessions counts, too, with strong- real time
    /// (strict-serializable). `quarrel explain LEVEL` says what each is
    #[arg(
        long,
        visible_alias = "level",
        default_value = "serializable",
        value_name = "LEVEL",
        value_parser = level
    )]
    isolation: Expected,
    /// Only ask of a file whether every key is linearizable, while it is read:
    /// for millions of reads and writes of whole numbers in JSON lines
    #[arg(long, conflicts_with_all = ["from", "model", "expect", "keys", "initial"])]
    stream: bool,
    /// The guarantee to hold it to; by default the one a run was run with, and linearizable for a
    /// file of reads, writes and compare-and-sets
    #[arg(long, value_name = "GUARANTEE", value_parser = |t: &str| t.parse::<Expectation>())]
    expect: Option<Expectation>,
    #[command(flatten)]
    split: PartitionArgs,
    /// Where results are kept
    #[arg(long, default_value = "results", value_name = "FOLDER", env = "QUARREL_RESULTS")]
    results: PathBuf,
    /// What to print: text or json
    #[arg(long, default_value = "text", value_name = "FORMAT", value_parser = ["text", "json"])]
    format: String,
}

fn level(text: &str) -> Result<Expected, String> {
    text.parse::<Expected>().map_err(|error| {
        let all: Vec<String> = Expected::ALL.iter().map(ToString::to_string).collect();
        format!("{error}; levels are {}", all.join(", "))
    })
}

/// Judges a run again and prints its verdict. It writes nothing to it: the run may
/// be somebody else's, and `report` makes its files anew.
pub(super) fn check(args: &CheckArgs, catalogue: &Catalogue) -> Result<u8, Failure> {
    let path = Path::new(&args.run);
    // A pipe is no regular file, and no run.
    if args.run == STDIN || path.exists() && !path.is_dir() {
        if args.split.partition.is_some() {
            return Err(Failure::usage("--partition splits the keys of a run, not of a file"));
        }
        if args.stream {
            return foreign::stream(path);
        }
        let initial = args.initial.as_deref().map(formats::value);
        return foreign::check(&Asked {
            path,
            from: args.from,
            model: args.model,
            failures: args.failures,
            keys: args.keys,
            initial: initial.as_ref(),
            isolation: args.isolation,
            expected: args.expect,
            output: if args.format == "json" { Output::Json } else { Output::Text },
        });
    }
    let folder = find_run(&args.results, &args.run).map_err(Failure::usage)?;
    let Recorded { run, expected, workload } = Recorded::load(folder, catalogue)?;
    let run = match args.split.partition {
        Some(partition) => of_share(run, partition)?,
        None => run,
    };
    let expected = args.expect.unwrap_or(expected);
    let verdict = judge_run(&run, expected, &*(workload.build)());
    if args.format == "json" {
        println!("{}", serde_json::to_string_pretty(&verdict).map_err(Failure::bug)?);
    } else {
        print!("{}", summary(&run, &verdict, Ink::colours(), Width::of_terminal()));
    }
    let code = verdict.outcome.exit_code();
    if let Some(partition) = args.split.partition {
        let verdict = Box::new(verdict);
        Part::leave(partition, Found::Check { verdict }, &args.results)?;
    }
    Ok(code)
}

/// What of a run is about the keys that fall to this machine: each costs as many
/// events as it has.
fn of_share(run: LoadedRun, partition: Partition) -> Result<LoadedRun, Failure> {
    let wrong = |error| Failure::usage(format!("--partition: {error}"));
    let counts: Vec<_> = run.events_by_key().map_err(wrong)?.into_iter().collect();
    let costs: Vec<u64> = counts.iter().map(|(_, events)| *events).collect();
    let keys = partition.share(&costs).into_iter().map(|at| counts[at].0).collect();
    run.of_keys(&keys).map_err(wrong)
}
