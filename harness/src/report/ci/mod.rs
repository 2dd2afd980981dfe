//! What a build server reads: JUnit, GitHub's summary and annotations,
//! OpenMetrics, and the bounds that a project has accepted.

mod github;
mod junit;
mod metrics;
mod policy;

pub use github::{annotation, step_summary, tell_github};
pub use junit::junit;
pub use metrics::open_metrics;
pub use policy::{Bounds, Breach, Policy, PolicyError};

use crate::results::VerdictFile;

/// What was run against what: `cache-aside × replica-lag on native`.
#[must_use]
pub fn case_name(verdict: &VerdictFile) -> String {
    let faults = match verdict.faults.as_slice() {
        [] => "no fault".to_owned(),
        faults => faults.join(" + "),
    };
    format!("{} × {faults} on {}", verdict.strategy, verdict.cluster)
}
