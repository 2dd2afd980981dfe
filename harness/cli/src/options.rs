use std::collections::{BTreeMap, BTreeSet};

use clap::{Arg, ArgMatches};
use quarrel_strategy::strategy::{Catalogue, OptionSpec, Options, StrategyEntry};

use super::Failure;

/// A flag for every option that some strategy takes.
pub(super) fn flags(catalogue: &Catalogue) -> Vec<Arg> {
    let specs: BTreeMap<&'static str, &OptionSpec> = catalogue
        .strategies
        .iter()
        .flat_map(|entry| entry.options)
        .map(|spec| (spec.name, spec))
        .collect();
    let flag = |(name, spec): (&'static str, &OptionSpec)| {
        Arg::new(name)
            .long(name)
            .value_name("VALUE")
            .help(format!("{} [default: {}]", spec.help, spec.default))
            .help_heading("Strategy options")
    };
    specs.into_iter().map(flag).collect()
}

/// The options of a strategy, as far as they were given, over its defaults.
pub(super) fn given(
    matches: &ArgMatches,
    catalogue: &Catalogue,
    entry: &StrategyEntry,
) -> Result<Options, Failure> {
    let names: BTreeSet<&str> =
        catalogue.strategies.iter().flat_map(|e| e.options).map(|spec| spec.name).collect();
    let given = names
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), matches.get_one::<String>(name)?.clone())))
        .collect();
    Options::resolve(entry.name, entry.options, &given).map_err(Failure::usage)
}
