//! The built-in caching strategies and workloads, and the catalogue that the `quarrel`
//! binary runs.

mod known;
pub mod strategies;
pub mod workloads;

use quarrel_harness::strategy::Catalogue;

/// Everything that is built in. Add entries of your own to it, or begin with
/// an empty [`Catalogue`].
#[must_use]
pub fn catalogue() -> Catalogue {
    Catalogue {
        strategies: strategies::all(),
        workloads: workloads::all(),
        faults: Vec::new(),
        known: known::all(),
    }
}
