use std::sync::Arc;

use quarrel_checkers::Cause;

use super::{
    AnyStrategy, KnownNames, OptionError, OptionSpec, Options, RegisterWorkload, WorkloadEntry,
};
use crate::faults::FaultEntry;

/// A strategy in the catalogue.
#[derive(Clone, Copy)]
pub struct StrategyEntry {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// Where its source stands: `file!()`.
    pub source: &'static str,
    /// The options it takes.
    pub options: &'static [OptionSpec],
    /// Makes it.
    pub build: fn(&Options) -> Result<Arc<dyn AnyStrategy>, OptionError>,
}

/// A strategy under faults of which it is known what must come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// What breaks it, and the cause that its anomalies must have; none if
    /// nothing does: it is a control.
    pub divergence: Option<(&'static str, Cause)>,
    /// The arguments after `quarrel run`.
    pub run: &'static str,
}

/// Nobody knows a workload of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no workload is called `{name}`; {known}")]
pub struct UnknownWorkload {
    /// What was asked for.
    pub name: String,
    /// What there is.
    pub known: KnownNames,
}

/// Nobody knows a strategy of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no strategy is called `{name}`; {known}")]
pub struct UnknownStrategy {
    /// What was asked for.
    pub name: String,
    /// What there is.
    pub known: KnownNames,
}

/// Everything a `quarrel` binary can run. Built-in strategies and a user's own
/// are registered the same way.
#[derive(Clone, Default)]
pub struct Catalogue {
    /// The strategies, in the order in which they are listed.
    pub strategies: Vec<StrategyEntry>,
    /// The workloads besides [`RegisterWorkload`], which is always there.
    pub workloads: Vec<WorkloadEntry>,
    /// Faults besides those that are [built in](crate::faults::builtin).
    pub faults: Vec<&'static FaultEntry>,
    /// What is known to be broken, or sound, to measure detection by.
    pub known: Vec<Known>,
}

impl Catalogue {
    /// The strategy called `name`.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn strategy(&self, name: &str) -> Result<&StrategyEntry, UnknownStrategy> {
        self.strategies.iter().find(|entry| entry.name == name).ok_or_else(|| {
            let known = KnownNames::of(name, self.strategies.iter().map(|entry| entry.name));
            UnknownStrategy { name: name.to_owned(), known }
        })
    }
    /// Every workload.
    pub fn workloads(&self) -> impl Iterator<Item = &WorkloadEntry> {
        std::iter::once(&RegisterWorkload::ENTRY).chain(&self.workloads)
    }

    /// The workload called `name`.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn workload(&self, name: &str) -> Result<&WorkloadEntry, UnknownWorkload> {
        self.workloads().find(|entry| entry.name == name).ok_or_else(|| {
            let known = KnownNames::of(name, self.workloads().map(|entry| entry.name));
            UnknownWorkload { name: name.to_owned(), known }
        })
    }
}
