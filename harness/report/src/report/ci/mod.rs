//! What a build server reads: JUnit, GitHub's summary and annotations,
//! OpenMetrics, and the bounds that a project has accepted.

mod github;
mod junit;
mod metrics;
mod policy;

pub use github::{annotation, place, step_summary, tell_github};
pub use junit::junit;
pub use metrics::open_metrics;
pub use policy::{Breach, BreachKind, Policy, PolicyError, Ruling};

use quarrel_run::results::{Case, VerdictFile};

use crate::report::terminal::printable;

/// What was run against what: `cache-aside × replica-lag on native`.
#[must_use]
pub fn case_name(verdict: &VerdictFile) -> String {
    let case = verdict.case().unwrap_or_else(|| {
        let workload = verdict.workload.as_str();
        Case::new(&verdict.strategy, <_>::default(), workload, &verdict.faults, &verdict.cluster)
    });
    printable(&case.to_string())
}
