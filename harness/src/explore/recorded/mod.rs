//! From a storm to a race: an anomaly cut out of a history.

mod cut;
mod order;
#[cfg(test)]
mod tests;

use quarrel_checkers::{History, Index, Time};

use self::cut::Cut;
use crate::{
    race::{Cached, Make, Performance, Plot},
    sim::{Claim, Mishap, Stuck},
};

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

/// Cuts an anomaly out of a history as a plot that shows it in simulation:
/// the operations on its key, from the write of the value that was read in vain
/// (or of the one before the write that was lost) up to the last of the
/// anomaly's `witness`, with the strategy's agents, the mishaps of their steps
/// and what must have happened to the stores in between.
///
/// What the record cannot say is tried out: at which instant a step was
/// executed, and whether a call without an answer had been. Returns none if
/// nothing that was tried shows the anomaly.
///
/// # Errors
///
/// When the strategy waits for something that is no store.
pub fn recorded(
    make: &Make<'_>,
    history: &History,
    witness: &[Index],
    claim: Claim,
) -> Result<Option<(Plot, Performance)>, Stuck> {
    let agents = make().agents().len();
    // Another operation on the key that went wrong in the same way says more
    // than nothing.
    for victim in [Victim::Witness, Victim::Anyone] {
        for origin in [Origin::Witnessed, Origin::Before] {
            let Some(cut) = Cut::of(history, witness, agents, origin) else { continue };
            let shown = tried(make, &cut, claim, victim)?;
            if shown.is_some() {
                return Ok(shown);
            }
        }
    }
    Ok(None)
}

fn tried(
    make: &Make<'_>,
    cut: &Cut<'_>,
    claim: Claim,
    victim: Victim,
) -> Result<Option<(Plot, Performance)>, Stuck> {
    for evidence in [Evidence::Answers, Evidence::Instants] {
        for unanswered in [Mishap::RequestLost, Mishap::ReplyLost] {
            for instant in [Instant::End, Instant::Middle, Instant::Start] {
                for cached in [Cached::Nowhere, Cached::ByStrategy] {
                    let (plot, about) = cut.plot(evidence, unanswered, instant, cached);
                    let about = about.filter(|_| victim == Victim::Witness);
                    let performance = plot.perform_about(make, claim, about)?;
                    if performance.came_true {
                        return Ok(Some((plot, performance)));
                    }
                }
            }
        }
    }
    Ok(None)
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
