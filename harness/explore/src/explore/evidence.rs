use std::time::Duration;

use quarrel_checkers::{Anomaly, Cause, Class, History, Index, Invalidation};
use quarrel_run::judge::{CauseEvidence, find_causes};
use quarrel_sim::Claim;

/// The anomaly that a claim is.
pub(super) const fn class(claim: Claim) -> Class {
    match claim {
        Claim::Stale => Class::StaleRead,
        Claim::NotLinearizable => Class::NotLinearizable,
        Claim::ReadYourWrites => Class::ReadYourWrites,
        Claim::NonMonotonic => Class::NonMonotonicRead,
        Claim::Dirty => Class::DirtyRead,
        Claim::Lost => Class::LostWrite,
        Claim::Diverged => Class::Divergence,
    }
}

/// What an anomaly is in a race; none of what no race can claim. A lost update
/// or a fractured read that is shown as something else is another anomaly.
#[must_use]
pub fn claim(of: Class) -> Option<Claim> {
    Claim::ALL.into_iter().find(|claim| class(*claim) == of)
}

/// The cause that the steps of a simulated history show, by the same eyes as
/// those that look at a run: of `claim`, which came true of the operation that
/// `victim` begins, where `by` keeps the cache in step.
pub(super) fn evident(history: &History, by: Invalidation, victim: Index, claim: Claim) -> Cause {
    let mut anomalies = [anomaly(history, victim, claim)];
    find_causes(history, Some(by), &mut anomalies);
    anomalies[0].cause.unwrap_or(Cause::Unexplained)
}

/// The operation that put into the cache what the operation that `victim`
/// begins found there, by its invocation.
pub(super) fn filler(history: &History, victim: Index, claim: Claim) -> Option<Index> {
    let anomaly = anomaly(history, victim, claim);
    CauseEvidence::new(history)?.provenance(&anomaly)?.fill?.operation
}

fn anomaly(history: &History, victim: Index, claim: Claim) -> Anomaly {
    let invoked = &history.events[victim.position()];
    let mut later = history.events[victim.position() + 1..].iter();
    let complete = later.find(|event| event.process == invoked.process);
    Anomaly {
        class: class(claim),
        cause: None,
        key: invoked.op.key,
        witness: std::iter::once(victim).chain(complete.map(|event| event.index)).collect(),
        stale_for: Duration::ZERO,
        versions_behind: 0,
        explanation: String::new(),
    }
}
