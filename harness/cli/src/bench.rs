use std::{path::PathBuf, time::Duration};

use clap::{ArgMatches, Args, Command, FromArgMatches as _};
use quarrel_run::detection::{Pair, Table, Word};
use quarrel_strategy::strategy::{Catalogue, Known};

use super::{
    Failure, cells,
    choose::{Choice, ExternalArgs},
    detection::measure,
    long::{LongArgs, long},
    partition::{Found, Part, Partition, PartitionArgs, share},
    run::duration,
};
use crate::output::println;

/// Measures how fast storms convict what is broken
#[derive(Args, Clone, Debug)]
pub(super) struct DetectionArgs {
    /// A broken run, in quotes, as after `quarrel run`: "cache-aside --fault replica-lag"; by default those that --list names, or the cells of --matrix
    #[arg(value_name = "RUN")]
    pub(super) pairs: Vec<String>,
    /// A run that must be acquitted, written the same way; may be repeated
    #[arg(long, value_name = "RUN")]
    pub(super) control: Vec<String>,
    /// Cells of the matrix instead: what the explorer breaks must be convicted, what it does not break is a control
    #[arg(long, conflicts_with_all = ["pairs", "control"])]
    pub(super) matrix: bool,
    /// With --matrix, a strategy, or one with options, as cache-aside,fill=primary; may be repeated [default: every strategy]
    #[arg(
        long = "strategy",
        visible_alias = "strategies",
        value_name = "STRATEGY",
        requires = "matrix"
    )]
    pub(super) strategies: Vec<String>,
    /// With --matrix, a fault, `none`, or several at once, as replica-lag+client-crash; may be repeated [default: none, replica-lag and redis-cut]
    #[arg(long = "fault", visible_alias = "faults", value_name = "FAULT", requires = "matrix")]
    pub(super) faults: Vec<String>,
    /// Of the known runs, or the cells, only those whose words contain this; `control` or `breaks` for those of one kind
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["pairs", "control"])]
    pub(super) only: Option<String>,
    /// Lists the known runs and measures nothing
    #[arg(long)]
    pub(super) list: bool,
    /// Where to run: auto, docker, native, external or sim
    #[arg(long, default_value = "auto", value_name = "KIND", value_parser = |t: &str| t.parse::<Choice>())]
    pub(super) cluster: Choice,
    #[command(flatten)]
    pub(super) external: ExternalArgs,
    /// How many storms of each
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub(super) seeds: u64,
    /// The first seed; the others follow it
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    pub(super) seed: u64,
    /// How long a storm lasts at most; one that has convicted ends early
    #[arg(long, default_value = "10s", value_name = "TIME", value_parser = duration)]
    pub(super) time: Duration,
    /// How long a client waits for a connection or an answer
    #[arg(long, default_value = "1s", value_name = "TIME", value_parser = duration)]
    pub(super) timeout: Duration,
    #[command(flatten)]
    pub(super) split: PartitionArgs,
    /// Where results are kept
    #[arg(long, default_value = "results", value_name = "FOLDER", env = "QUARREL_RESULTS")]
    pub(super) results: PathBuf,
    /// What to print: text, markdown or json
    #[arg(long, default_value = "text", value_name = "FORMAT", value_parser = ["text", "markdown", "json"])]
    pub(super) format: String,
}

pub(super) fn command() -> Command {
    let detection = DetectionArgs::augment_args(Command::new("detection"));
    let long = LongArgs::augment_args(Command::new("long"));
    Command::new("bench")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(detection)
        .subcommand(long)
}

pub(super) fn bench(matches: &ArgMatches, catalogue: &Catalogue) -> Result<u8, Failure> {
    match matches.subcommand() {
        Some(("detection", matches)) => {
            let args = DetectionArgs::from_arg_matches(matches).map_err(Failure::bug)?;
            detection(&args, catalogue)
        }
        Some(("long", matches)) => {
            long(&LongArgs::from_arg_matches(matches).map_err(Failure::bug)?, catalogue)
        }
        _ => unreachable!("clap asks for a subcommand"),
    }
}

fn detection(args: &DetectionArgs, catalogue: &Catalogue) -> Result<u8, Failure> {
    let Pairs { pairs, order } = pairs(args, catalogue)?;
    if args.list {
        for pair in &pairs {
            println!("{:<50} {}", pair.run, pair.about);
        }
        return Ok(0);
    }
    let measured = measure(args, pairs, catalogue)?;
    print(args, &measured.table)?;
    if !measured.is_complete {
        return Ok(130);
    }
    if let Some(partition) = args.split.partition {
        Part::leave(partition, Found::Detection { folder: measured.folder, order }, &args.results)?;
    }
    Ok(code_of(&measured.table))
}

/// What a table says to a build server.
pub(super) fn code_of(table: &Table) -> u8 {
    match table.word() {
        Word::AsExpected => 0,
        Word::NotAsExpected => 1,
        Word::Unsure => 2,
    }
}

/// What falls to this machine.
struct Pairs {
    pairs: Vec<Pair>,
    /// The runs of all shares, in order.
    order: Vec<String>,
}

impl Pairs {
    /// The share of this machine: every pair has as many storms as any other.
    fn split(pairs: Vec<Pair>, partition: Option<Partition>) -> Self {
        let order = pairs.iter().map(|pair| pair.run.clone()).collect();
        let mine = share(partition, &vec![1; pairs.len()]);
        let mut number = 0..;
        let mut pairs = pairs;
        pairs.retain(|_| number.next().is_some_and(|number| mine.binary_search(&number).is_ok()));
        Self { pairs, order }
    }
}

/// The pairs that were asked for, or the known ones.
fn pairs(args: &DetectionArgs, catalogue: &Catalogue) -> Result<Pairs, Failure> {
    let partition = args.split.partition;
    if !args.pairs.is_empty() || !args.control.is_empty() {
        let broken = args.pairs.iter().map(|run| Pair::broken("", run.as_str()));
        let controls = args.control.iter().map(|run| Pair::control(run.as_str()));
        return Ok(Pairs::split(broken.chain(controls).collect(), partition));
    }
    let only = args.only.as_deref().unwrap_or_default();
    // Every machine explores all cells: what is to be expected of one decides
    // whether it is a pair at all.
    let mut pairs = match args.matrix {
        true => cells::pairs(&args.strategies, &args.faults, args.seed, catalogue)?,
        false => catalogue.known.iter().map(known).collect(),
    };
    pairs.retain(|pair| pair.run.contains(only) || pair.about.contains(only));
    if pairs.is_empty() {
        let why =
            format!("no known run contains `{only}`; quarrel bench detection --list shows them");
        return Err(Failure::usage(why));
    }
    Ok(Pairs::split(pairs, partition))
}

fn known(known: &Known) -> Pair {
    match known.divergence {
        Some((divergence, cause)) => Pair::broken(divergence, known.run).by(cause),
        None => Pair::control(known.run),
    }
}

fn print(args: &DetectionArgs, table: &Table) -> Result<(), Failure> {
    match args.format.as_str() {
        "json" => println!("{}", serde_json::to_string_pretty(table).map_err(Failure::bug)?),
        "markdown" => println!("{}", table.markdown()),
        _ => println!("{}", table.text()),
    }
    Ok(())
}
