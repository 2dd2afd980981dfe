//! Runs of which there are several: each is written as the arguments of `quarrel
//! run`, and none decides what is the same for all.

use std::time::Duration;

use clap::{ArgMatches, FromArgMatches as _, parser::ValueSource};
use quarrel_run::{judge::Expectation, results::RunSettings, runner::Plan};
use quarrel_strategy::strategy::Catalogue;

use super::{Ended, RunArgs, command, plan, settings, storms, subject, subject_unannounced};
use crate::{Failure, memory};

/// One of several runs, read from the arguments of `quarrel run`.
pub(crate) fn one_of_many(matches: &ArgMatches, catalogue: &Catalogue) -> Result<Ended, Failure> {
    memory::obey(matches);
    let args = RunArgs::from_arg_matches(matches).map_err(Failure::usage)?;
    storms(&RunArgs { is_one_of_many: true, ..args }, matches, catalogue)
}

/// Whether a run could begin, for all that its arguments tell.
pub(crate) fn makes_sense(matches: &ArgMatches, catalogue: &Catalogue) -> Result<(), Failure> {
    let args = RunArgs::from_arg_matches(matches).map_err(Failure::usage)?;
    let subject = subject_unannounced(&args, matches, catalogue)?;
    subject.suits(&args.faults)?;
    let workload = catalogue.workload(&args.workload).map_err(Failure::usage)?;
    args.gatekeeper.gatekeeper(args.settle)?;
    plan(&args, &subject, workload, 0).map(drop)
}

/// What `quarrel run` would do.
pub(crate) struct Prepared {
    pub(crate) plan: Plan,
    pub(crate) settings: RunSettings,
    pub(crate) expect: Expectation,
}

/// What the commands that run many storms decide for all of them.
const NOT_ITS_OWN: [&str; 13] = [
    "app",
    "profile",
    "partition",
    "cluster",
    "primary",
    "replica",
    "cache",
    "toxiproxy",
    "time",
    "seed",
    "timeout",
    "results",
    "format",
];

/// One of many storms, written as the arguments of `quarrel run`.
pub(crate) fn prepare(
    words: &str,
    catalogue: &Catalogue,
    time: Duration,
    seed: u64,
) -> Result<Prepared, Failure> {
    let command = command(catalogue).no_binary_name(true);
    let matches = command
        .try_get_matches_from(words.split_whitespace())
        .map_err(|error| Failure::usage(format!("`{words}`, as after quarrel run: {error}")))?;
    let given = |name: &&&str| matches.value_source(name) == Some(ValueSource::CommandLine);
    if let Some(name) = NOT_ITS_OWN.iter().find(given) {
        let why = format!("`{words}`: --{name} is the same for all storms; give it outside");
        return Err(Failure::usage(why));
    }
    let mut args = RunArgs::from_arg_matches(&matches).map_err(Failure::usage)?;
    if args.redact {
        let why = format!("`{words}`: only quarrel run itself can --redact");
        return Err(Failure::usage(why));
    }
    args.time = time;
    let subject = subject(&args, &matches, catalogue)?;
    let workload = catalogue.workload(&args.workload).map_err(Failure::usage)?;
    let plan = plan(&args, &subject, workload, seed)?;
    let settings = settings(&args, &subject, &plan);
    Ok(Prepared { plan, settings, expect: args.expect })
}
