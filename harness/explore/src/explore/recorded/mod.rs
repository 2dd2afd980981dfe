//! From a storm to a race: an anomaly cut out of a history.

mod cut;
mod looks;
mod moves;
mod order;
#[cfg(test)]
mod tests;

use quarrel_checkers::{Anomaly, Cause, History, Index, Time};
use quarrel_run::judge;
use quarrel_sim::{Mishap, Stuck};

use self::cut::Cut;
use super::evidence::{claim, evident};
use crate::race::{Aim, Cached, Course, Make, SimulatedRace};

/// An anomaly cut out of a history.
pub struct Recording {
    /// Who did what in which order.
    pub course: Course,
    /// What comes of it in simulation.
    pub performance: SimulatedRace,
    /// The cause that its steps show in simulation. It is the anomaly's own if
    /// anything that was tried shows that.
    pub cause: Cause,
}

/// Which instant of a recorded step is taken for the one at which its store
/// executed it: the record only knows when it was sent and answered.
#[derive(Clone, Copy)]
enum Instant {
    Start,
    Middle,
    End,
}

/// Whether the answers of the steps may correct their order.
#[derive(Clone, Copy)]
enum Evidence {
    /// What was found must have been stored before, and whatever cannot be
    /// explained so tells of an eviction, a restored snapshot, a failover.
    Answers,
    /// The instants alone.
    Instants,
}

/// Which operation must go wrong in simulation.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Victim {
    /// The one that went wrong in the history.
    Witness,
    Anyone,
}

/// From where a cut begins.
#[derive(Clone, Copy)]
enum Origin {
    /// The row that was read in vain is there from the beginning.
    Witnessed,
    /// So is the row before it, and its own write is part of the race.
    Before,
}

/// Cuts an anomaly out of a history as a course that shows it in simulation:
/// the operations on its key, from the write of the value that was read in vain
/// (or of the one before the write that was lost, or of the one that a store
/// still held in the end) up to the last of the anomaly's witness (or to the
/// end), with the strategy's agents, the mishaps of their steps and what must
/// have happened to the stores in between.
///
/// What the record cannot say is tried out: at which instant a step was
/// executed, and whether a call without an answer had been. Returns none if
/// nothing that was tried shows the anomaly, and of what no race can claim.
///
/// # Errors
///
/// When the strategy waits for something that is no store.
pub fn recorded(
    make: &Make<'_>,
    told: &judge::CauseEvidence<'_>,
    anomaly: &Anomaly,
) -> Result<Option<Recording>, Stuck> {
    let agents = make().agents().len();
    let mut second_best = None;
    // Another operation on the key that went wrong in the same way says more
    // than nothing.
    for victim in [Victim::Witness, Victim::Anyone] {
        for origin in [Origin::Witnessed, Origin::Before] {
            let Some(cut) = Cut::of(told, anomaly, agents, origin) else { continue };
            match tried(make, &cut, anomaly, victim)? {
                Some(found) if is_the_same(anomaly, found.cause) => return Ok(Some(found)),
                found => second_best = second_best.or(found),
            }
        }
    }
    Ok(second_best)
}

/// Whether a recording shows the anomaly's cause, as far as that is known.
fn is_the_same(anomaly: &Anomaly, cause: Cause) -> bool {
    anomaly.cause.is_none_or(|wanted| wanted == Cause::Unexplained || wanted == cause)
}

/// The first variant that shows the anomaly from its own cause; if there is
/// none, the first that shows it at all.
fn tried(
    make: &Make<'_>,
    cut: &Cut<'_>,
    anomaly: &Anomaly,
    victim: Victim,
) -> Result<Option<Recording>, Stuck> {
    let Some(claim) = claim(anomaly.class) else { return Ok(None) };
    let by = make().invalidation();
    let mut second_best = None;
    for (evidence, unanswered, instant, cached) in variants() {
        let (course, about) = cut.course(evidence, unanswered, instant, cached);
        let of = about.filter(|_| victim == Victim::Witness);
        let shows = |history: &History, victim: Index| {
            is_the_same(anomaly, evident(history, by, victim, claim))
        };
        let performance = course.perform_until(make, Aim { claim, of, counts: &shows })?;
        if let Some(victim) = performance.victim {
            let cause = evident(&performance.history, by, victim, claim);
            return Ok(Some(Recording { course, performance, cause }));
        }
        if second_best.is_none() {
            let performance = course.perform_until(make, Aim { of, ..Aim::at(claim) })?;
            second_best = performance.victim.map(|victim| {
                let cause = evident(&performance.history, by, victim, claim);
                Recording { course, performance, cause }
            });
        }
    }
    Ok(second_best)
}

/// What may have been, the likeliest first.
fn variants() -> impl Iterator<Item = (Evidence, Mishap, Instant, Cached)> {
    [Evidence::Answers, Evidence::Instants].into_iter().flat_map(|evidence| {
        [Mishap::RequestLost, Mishap::ReplyLost].into_iter().flat_map(move |unanswered| {
            [Instant::End, Instant::Middle, Instant::Start].into_iter().flat_map(move |instant| {
                [Cached::Nowhere, Cached::ByStrategy]
                    .into_iter()
                    .map(move |cached| (evidence, unanswered, instant, cached))
            })
        })
    })
}

/// The instant of a step.
fn when(step: &quarrel_checkers::Step, instant: Instant) -> Time {
    let end = step.end.unwrap_or(step.start);
    match instant {
        Instant::Start => step.start,
        Instant::Middle => step.start + end.since(step.start) / 2,
        Instant::End => end,
    }
}
