use std::time::Duration;

use quarrel_checkers::{Anomaly, Cause, Class, History, Index};

use crate::{judge::find_causes, sim::Claim};

/// The anomaly that a claim is.
pub(super) const fn class(claim: Claim) -> Class {
    match claim {
        Claim::Stale => Class::StaleRead,
        Claim::NotLinearizable => Class::NotLinearizable,
        Claim::ReadYourWrites => Class::ReadYourWrites,
        Claim::NonMonotonic => Class::NonMonotonicRead,
        Claim::Lost => Class::LostWrite,
        Claim::Diverged => Class::Divergence,
    }
}

/// What an anomaly is in a race.
pub(super) const fn claim(class: Class) -> Claim {
    match class {
        Class::StaleRead => Claim::Stale,
        Class::ReadYourWrites => Claim::ReadYourWrites,
        Class::NonMonotonicRead => Claim::NonMonotonic,
        Class::LostWrite => Claim::Lost,
        Class::Divergence => Claim::Diverged,
        _ => Claim::NotLinearizable,
    }
}

/// The cause that the steps of a simulated history show, by the same eyes as
/// those that look at a run: of `claim`, which came true of the operation that
/// `victim` begins.
pub(super) fn evident(history: &History, victim: Index, claim: Claim) -> Cause {
    let invoked = &history.events[victim.position()];
    let mut later = history.events[victim.position() + 1..].iter();
    let complete = later.find(|event| event.process == invoked.process);
    let mut anomalies = [Anomaly {
        class: class(claim),
        cause: None,
        key: invoked.op.key,
        witness: std::iter::once(victim).chain(complete.map(|event| event.index)).collect(),
        stale_for: Duration::ZERO,
        versions_behind: 0,
        explanation: String::new(),
    }];
    find_causes(history, &mut anomalies);
    anomalies[0].cause.unwrap_or(Cause::Unexplained)
}
