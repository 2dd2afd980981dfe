//! Why a race goes wrong: what its steps show, proved by performing it again
//! with one thing changed.

use quarrel_checkers::Cause;
use quarrel_sim::{Claim, Stuck};

use super::{
    evidence::{evident, filler},
    experiment::{CHANGES, Original},
    shrink::what_happened,
};
use crate::race::{Aim, Course, Make};

/// One thing that was changed, and whether the anomaly went away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Experiment {
    /// What was changed.
    pub change: &'static str,
    /// What it would prove.
    pub cause: Cause,
    /// Whether the anomaly went away with it.
    pub vanished: bool,
}

/// Why a race goes wrong, and how that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// The cause.
    pub cause: Cause,
    /// The cause that its steps show.
    pub shown: Cause,
    /// What was changed to find out; nothing if the race does not go wrong
    /// again when nothing is changed.
    pub experiments: Vec<Experiment>,
}

impl Why {
    /// The experiment that proves the cause, if one does.
    #[must_use]
    pub fn proof(&self) -> Option<&Experiment> {
        self.about(self.cause).find(|experiment| experiment.vanished)
    }

    /// Whether steps and experiments agree: where one could prove what the
    /// steps show, one did.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.shown == Cause::Unexplained
            || self.about(self.shown).next().is_none()
            || self.about(self.shown).any(|experiment| experiment.vanished)
    }

    fn about(&self, cause: Cause) -> impl Iterator<Item = &Experiment> {
        self.experiments.iter().filter(move |experiment| experiment.cause == cause)
    }
}

/// Names the cause of what comes of a course: the one that its steps show, else
/// the first change with which `claim` no longer comes true.
///
/// An experiment performs the course again and changes nothing but what it says:
/// every other turn is taken at the instant at which it was. The anomaly has
/// gone away with it if the operation that it was about came to its end
/// without it. A control, with nothing changed, must show the anomaly again.
///
/// # Errors
///
/// When the strategy waits for something that is no store.
pub fn cause(make: &Make<'_>, course: &Course, claim: Claim) -> Result<Why, Stuck> {
    cause_of(make, course, Aim::at(claim))
}

/// As [`cause`], of what `aim` says.
pub(super) fn cause_of(make: &Make<'_>, course: &Course, aim: Aim<'_>) -> Result<Why, Stuck> {
    let claim = aim.claim;
    let unknown =
        Why { cause: Cause::Unexplained, shown: Cause::Unexplained, experiments: Vec::new() };
    let performance = course.perform_until(make, aim)?;
    let Some(victim) = performance.victim else { return Ok(unknown) };
    let shown = evident(&performance.history, make().invalidation(), victim, claim);
    let filled_by = filler(&performance.history, victim, claim);
    let course = what_happened(course, &performance);
    let original = Original::of(&course, &performance, victim, filled_by, claim);
    let mut why = Why { cause: shown, shown, experiments: Vec::new() };
    let repeats = |changed: &super::experiment::Changed| {
        let aim = Aim { of: original.victim(), ..Aim::at(claim) };
        changed.course.perform_timed(make, aim, &changed.turns)
    };
    if !repeats(&original.unchanged())?.came_true {
        return Ok(why);
    }
    for change in CHANGES {
        let Some(cause) = change.could_prove(shown) else { continue };
        let Some(changed) = original.with(change) else { continue };
        let performed = repeats(&changed)?;
        if !changed.is_another(&original) && performed.hurried == 0 {
            // There was nothing to hurry.
            continue;
        }
        let vanished = !performed.came_true && original.came_to_its_end(&performed);
        why.experiments.push(Experiment { change: change.words, cause, vanished });
    }
    if shown == Cause::Unexplained
        && let Some(found) = why.experiments.iter().find(|experiment| experiment.vanished)
    {
        why.cause = found.cause;
    }
    Ok(why)
}
