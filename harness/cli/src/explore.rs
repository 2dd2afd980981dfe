use std::{
    num::NonZero,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use clap::{ArgMatches, Args, Command, FromArgMatches as _, parser::ValueSource};
use quarrel_checkers::Guarantee;
use quarrel_explore::explore::{Bounds, PlacedFault, PlacedFaultError, Reduction, report};
use quarrel_report::report::command_line;
use quarrel_run::{judge::Expectation, results::write_text};
use quarrel_strategy::strategy::{AnyStrategy, Catalogue};

use super::output::{eprintln, print, println};
use super::{
    Failure,
    app_explore::{self, AppExploreArgs, Asked},
    options::{flags, given},
    partition::{Found, Part, PartSearch, PartitionArgs, share},
};

#[derive(Args, Clone, Debug)]
struct ExploreArgs {
    /// The strategy; `quarrel strategies` lists them
    #[arg(required_unless_present = "app")]
    strategy: Option<String>,
    #[command(flatten)]
    application: AppExploreArgs,
    /// A fault to place at every possible point, or `none`; replica-lag is on unless others are named; may be repeated
    #[arg(long = "fault", value_name = "FAULT", value_parser = fault)]
    faults: Vec<Option<PlacedFault>>,
    /// How many clients: half of them write, half of them read; for a session's guarantee one that writes reads too, and who reads does so twice
    #[arg(long, default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u64).range(2..=8))]
    clients: u64,
    /// How many operations each client performs
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=4))]
    ops: u64,
    /// How many of the writers delete the row, and create it again with their next operation
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = clap::value_parser!(u64).range(0..=4))]
    deletes: u64,
    /// How many faults may strike in one interleaving; replica lag is not counted
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u64).range(0..=4))]
    strikes: u64,
    /// The guarantee to break: linearizable, sequential, read-your-writes, monotonic-reads or eventual (fresh once every entry has expired, and no write lost)
    #[arg(long, default_value = "linearizable", value_name = "GUARANTEE", value_parser = |t: &str| t.parse::<Expectation>())]
    expect: Expectation,
    /// The most states to keep before the rest is sampled
    #[arg(long, default_value = "2000000", value_name = "N", value_parser = |t: &str| t.parse::<NonZero<usize>>())]
    max_states: NonZero<usize>,
    /// How many threads search; what is found does not depend on it [default: one for each core]
    #[arg(long, value_name = "N", value_parser = |t: &str| t.parse::<NonZero<usize>>())]
    threads: Option<NonZero<usize>>,
    /// Decides what is sampled
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    seed: u64,
    #[command(flatten)]
    split: PartitionArgs,
    /// Where a share of the work is kept for quarrel merge
    #[arg(long, default_value = "results", value_name = "FOLDER", env = "QUARREL_RESULTS")]
    results: PathBuf,
    /// Write the break to this file, as a race that quarrel replay runs
    #[arg(long, value_name = "FILE.race")]
    out: Option<PathBuf>,
    /// What to print: text or json
    #[arg(long, default_value = "text", value_name = "FORMAT", value_parser = ["text", "json"])]
    format: String,
}

/// A fault, or none of them, as in a column of a matrix.
fn fault(text: &str) -> Result<Option<PlacedFault>, PlacedFaultError> {
    if text == "none" { Ok(None) } else { text.parse().map(Some) }
}

pub(super) fn command(catalogue: &Catalogue) -> Command {
    ExploreArgs::augment_args(Command::new("explore")).args(flags(catalogue))
}

/// Searches the orders of an application's own messages.
fn explore_app(args: &ExploreArgs, file: &Path, matches: &ArgMatches) -> Result<u8, Failure> {
    // Flags of simulated searches, which mean nothing to a real application.
    let not_its_own = ["ops", "deletes", "max_states", "seed", "threads", "partition"];
    let given = |name: &&&str| matches.value_source(name) == Some(ValueSource::CommandLine);
    if let Some(name) = not_its_own.iter().find(given) {
        let why = format!("--{}: not for an application", name.replace('_', "-"));
        return Err(Failure::usage(why));
    }
    let is_given = given(&&"clients");
    let asked = Asked {
        args: &args.application,
        most_clients: if is_given { usize::try_from(args.clients).unwrap_or(3) } else { 3 },
        faults: args.faults.iter().flatten().map(ToString::to_string).collect(),
        strikes: usize::try_from(args.strikes).unwrap_or(1),
        expect: args.expect,
        out: args.out.as_deref(),
        json: args.format == "json",
    };
    app_explore::explore(file, &asked)
}

/// What a search is bounded by.
fn bounds(args: &ExploreArgs) -> Result<Bounds, Failure> {
    let clients = usize::try_from(args.clients).map_err(Failure::usage)?;
    let defaults = Bounds::default();
    let one = NonZero::<usize>::MIN;
    // A session's guarantee breaks only for who has written or read before.
    let (both, reads) = match args.expect.guarantee {
        Guarantee::Sequential | Guarantee::ReadYourWrites | Guarantee::MonotonicReads => (1, 2),
        _ => (0, 1),
    };
    Ok(Bounds {
        writers: clients.div_ceil(2) - both,
        both,
        readers: clients / 2,
        reads,
        operations: usize::try_from(args.ops).map_err(Failure::usage)?,
        deleters: usize::try_from(args.deletes).map_err(Failure::usage)?,
        faults: if args.faults.is_empty() {
            defaults.faults.clone()
        } else {
            args.faults.iter().copied().flatten().collect()
        },
        strikes: usize::try_from(args.strikes).map_err(Failure::usage)?,
        guarantee: args.expect.guarantee,
        max_states: args.max_states.get(),
        seed: args.seed,
        threads: args.threads.or_else(|| thread::available_parallelism().ok()).unwrap_or(one),
        reduction: Reduction::Orders,
        ..defaults
    })
}

/// Exit code 0 if nothing breaks within the bounds and all of it was searched,
/// 1 if something breaks, 2 if the search was not exhaustive, 3 if no read could
/// have been wrong.
pub(super) fn explore(matches: &ArgMatches, catalogue: &Catalogue) -> Result<u8, Failure> {
    let args = ExploreArgs::from_arg_matches(matches).map_err(Failure::usage)?;
    if let Some(file) = &args.application.app {
        return explore_app(&args, file, matches);
    }
    let name = args.strategy.as_deref().unwrap_or_default();
    let entry = catalogue.strategy(name).map_err(Failure::usage)?;
    let options = given(matches, catalogue, entry)?;
    // Options that make no sense are found now, not in the search.
    (entry.build)(&options).map_err(Failure::usage)?;
    let make = || -> Arc<dyn AnyStrategy> {
        (entry.build)(&options).expect("the same options made a strategy before")
    };
    let bounds = bounds(&args)?;
    // Each beginning is a search of its own, and costs about as much as any other.
    let mine = share(args.split.partition, &vec![1; bounds.starts.len()]);
    let bounds = Bounds { starts: mine.iter().map(|&at| bounds.starts[at]).collect(), ..bounds };
    let changed: Vec<_> = entry
        .options
        .iter()
        .filter(|spec| options.text(spec.name) != spec.default)
        .map(|spec| (spec.name.to_owned(), options.text(spec.name).to_owned()))
        .collect();
    let found = report(&make, entry.name, &changed, &bounds).map_err(Failure::usage)?;
    if args.format == "json" {
        println!("{:#}", found.to_json());
    } else {
        print!("{found}");
    }
    if let (Some(path), Some(finding)) = (&args.out, &found.finding) {
        if path.exists() {
            return Err(Failure::usage(format!("{} exists; name another file", path.display())));
        }
        write_text(path, &finding.race.to_string())?;
        let again = command_line(["quarrel", "replay", &path.to_string_lossy()]);
        eprintln!("written: {}; {again} makes it happen again", path.display());
    }
    let outcome = found.exploration.outcome();
    if let Some(partition) = args.split.partition {
        let exploration = PartSearch {
            first_start: mine.first().copied(),
            outcome,
            steps: found.exploration.broken.as_ref().map(|broken| broken.steps),
            report: found.to_json(),
            text: found.to_string(),
        };
        Part::leave(partition, Found::Exploration(Box::new(exploration)), &args.results)?;
    }
    Ok(outcome.exit_code())
}
