use std::collections::BTreeMap;

use quarrel_explore::explore;
use quarrel_run::faults;
use quarrel_strategy::strategy::{Catalogue, Options, StrategyEntry};

use super::Failure;

/// A row: a strategy with its options.
pub(crate) struct Row<'a> {
    /// As on the command line.
    pub(crate) label: String,
    pub(crate) entry: &'a StrategyEntry,
    pub(crate) options: Options,
    /// Those that were given.
    pub(crate) given: Vec<(String, String)>,
}

/// How cells are filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Every interleaving on simulated stores.
    Explored,
    /// A storm on servers.
    Stormed,
}

/// A column: faults that strike together.
pub(crate) struct Column {
    /// As on the command line.
    pub(crate) label: String,
    /// One by one.
    pub(crate) faults: Vec<String>,
}

impl Column {
    /// What a cell of it costs, in no unit: searches grow with what may happen,
    /// roughly so; storms last alike. Only the balance of shares hangs on it.
    pub(crate) fn cost(&self, way: Way) -> u64 {
        match way {
            Way::Stormed => 1,
            Way::Explored => 1 + self.faults.iter().map(|fault| weight(fault)).sum::<u64>(),
        }
    }
}

fn weight(fault: &str) -> u64 {
    match fault.split('=').next().unwrap_or_default() {
        "replica-lag" => 2,
        "failover" => 6,
        _ => 3,
    }
}

/// The column without faults.
const NONE: &str = "none";

/// One of each kind: a replica that is behind, a cache that cannot be reached,
/// a message whose fate nobody knows, a client that dies, a cache that comes
/// back old, a change beside the application, a primary that is lost.
const EXPLORED: [&str; 9] = [
    NONE,
    "replica-lag",
    "redis-cut",
    "redis-reply-lost",
    "late-message",
    "client-crash",
    "redis-rollback",
    "manual-sql",
    "failover",
];

/// The same, as far as servers can be made to.
const STORMED: [&str; 8] = [
    NONE,
    "replica-lag",
    "redis-cut",
    "redis-reply-lost",
    "client-crash",
    "redis-rollback",
    "manual-sql",
    "failover",
];

/// The rows that were asked for; every strategy if none was.
pub(crate) fn rows<'a>(
    asked: &[String],
    catalogue: &'a Catalogue,
) -> Result<Vec<Row<'a>>, Failure> {
    let every = || catalogue.strategies.iter().map(|entry| entry.name.to_owned()).collect();
    let labels: Vec<String> = if asked.is_empty() { every() } else { asked.to_vec() };
    distinct("--strategy", &labels)?;
    labels.into_iter().map(|label| row(label, catalogue)).collect()
}

fn row(label: String, catalogue: &Catalogue) -> Result<Row<'_>, Failure> {
    let mut parts = label.split(',');
    let name = parts.next().unwrap_or_default();
    let entry = catalogue.strategy(name).map_err(Failure::usage)?;
    let mut given = BTreeMap::new();
    for part in parts {
        let (option, value) = part.split_once('=').ok_or_else(|| {
            Failure::usage(format!("--strategy {label}: `{part}` is not OPTION=VALUE"))
        })?;
        given.insert(option.to_owned(), value.to_owned());
    }
    let options = Options::resolve(entry.name, entry.options, &given).map_err(Failure::usage)?;
    // Options that make no sense are found now, not in a cell.
    (entry.build)(&options).map_err(Failure::usage)?;
    let given = given.into_iter().collect();
    Ok(Row { label, entry, options, given })
}

/// The columns that were asked for, or the main faults.
pub(crate) fn columns(asked: &[String], way: Way) -> Result<Vec<Column>, Failure> {
    let usual: &[&str] = match way {
        Way::Explored => &EXPLORED,
        Way::Stormed => &STORMED,
    };
    let usual = || usual.iter().map(|name| (*name).to_owned()).collect();
    let labels: Vec<String> = if asked.is_empty() { usual() } else { asked.to_vec() };
    distinct("--fault", &labels)?;
    labels.into_iter().map(|label| column(label, way)).collect()
}

fn column(label: String, way: Way) -> Result<Column, Failure> {
    let names = label.split('+').filter(|name| *name != NONE);
    let faults: Vec<String> = names.map(str::to_owned).collect();
    for fault in &faults {
        match way {
            Way::Explored => {
                fault.parse::<explore::PlacedFault>().map_err(Failure::usage)?;
            }
            Way::Stormed => {
                faults::Fault::parse(fault).map_err(Failure::usage)?;
            }
        }
    }
    Ok(Column { label, faults })
}

fn distinct(flag: &str, labels: &[String]) -> Result<(), Failure> {
    let twice = labels.iter().enumerate().find(|(at, label)| labels[..*at].contains(label));
    match twice {
        Some((_, label)) => Err(Failure::usage(format!("{flag} {label} is given twice"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(label: &str, way: Way) -> String {
        match columns(&[label.to_owned()], way) {
            Ok(_) => String::new(),
            Err(failure) => failure.message,
        }
    }

    #[test]
    fn the_usual_columns_are_faults_that_exist() {
        assert_eq!(
            columns(&[], Way::Explored).ok().map(|columns| columns.len()),
            Some(EXPLORED.len())
        );
        assert_eq!(
            columns(&[], Way::Stormed).ok().map(|columns| columns.len()),
            Some(STORMED.len())
        );
    }

    #[test]
    fn a_column_may_be_several_faults_at_once() {
        let found = columns(&["replica-lag+client-crash".to_owned()], Way::Explored);
        let faults = found.ok().map(|mut columns| columns.remove(0).faults);
        assert_eq!(faults, Some(vec!["replica-lag".to_owned(), "client-crash".to_owned()]));
    }

    #[test]
    fn what_is_unknown_or_given_twice_is_named() {
        assert!(complaint("redis-fire", Way::Explored).contains("redis-fire"));
        assert!(complaint("late-message", Way::Stormed).contains("late-message"));
        let twice = ["none".to_owned(), "none".to_owned()];
        let message = columns(&twice, Way::Explored).err().map(|failure| failure.message);
        assert_eq!(message.as_deref(), Some("--fault none is given twice"));
    }
}
