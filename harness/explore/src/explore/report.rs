use std::fmt::{self, Display, Formatter};

use quarrel_checkers::{Cause, RunOutcome};
use quarrel_sim::{Claim, Stuck};
use serde_json::{Value as Json, json};

use super::{
    Bounds, Experiment, Exploration, Extent, Mailing, Reduction, Start, Why, explore,
    shrink::{shrink_shown, why},
};
use crate::race::{ClaimedCourse, Make, Race, RaceError, course_of};

/// What an exploration found, in words.
pub struct Report {
    /// The strategy's name.
    pub strategy: String,
    /// What was searched.
    pub bounds: Bounds,
    /// What the search brought.
    pub exploration: Exploration,
    /// The break, if there is one.
    pub finding: Option<Finding>,
}

/// The smallest race that makes a claim true, and why it does.
pub struct Finding {
    /// What comes true.
    pub claim: Claim,
    /// The race.
    pub race: Race,
    /// Why.
    pub cause: Cause,
    /// How that is known.
    pub why: Why,
}

impl Finding {
    /// For scripts: the claim, how it comes about and the text of the race.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let experiments = self.why.experiments.iter().map(|experiment| {
            json!({
                "change": experiment.change,
                "cause": experiment.cause,
                "vanished": experiment.vanished,
            })
        });
        json!({
            "claim": self.claim.to_string(),
            "steps": self.race.steps(),
            "cause": self.cause,
            "experiments": experiments.collect::<Vec<_>>(),
            "race": self.race.to_string(),
        })
    }
}

impl Report {
    /// What might break the strategy and was not looked at. A second key never
    /// is.
    #[must_use]
    pub fn untried(&self) -> Vec<&'static str> {
        let arrives = match self.exploration.mailing {
            Mailing::None => None,
            Mailing::AllOrNothing => Some("the arrival of some of several messages to a client"),
        };
        self.bounds.untried().into_iter().chain(arrives).collect()
    }

    /// For scripts: what was searched, how far, and what it brought. More
    /// interleavings than a JSON number holds are told as the most it holds.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let Exploration { interleavings, states, extent, .. } = &self.exploration;
        let extent = match extent {
            Extent::Exhaustive => json!({"exhaustive": true}),
            Extent::Sampled { exhaustive_below_steps, samples } => json!({
                "exhaustive": false,
                "exhaustive_below_steps": exhaustive_below_steps,
                "samples": samples,
            }),
        };
        let faults: Vec<String> = self.bounds.faults.iter().map(ToString::to_string).collect();
        json!({
            "strategy": self.strategy,
            "guarantee": self.bounds.guarantee.to_string(),
            "clients": self.bounds.writers + self.bounds.both + self.bounds.readers,
            "operations": self.bounds.operations,
            "deleters": self.bounds.deleters,
            "untried": self.untried(),
            "faults": faults,
            "strikes": self.bounds.strikes,
            "outcome": self.exploration.outcome().to_string(),
            "exit_code": self.exploration.outcome().exit_code(),
            "interleavings": u64::try_from(*interleavings).unwrap_or(u64::MAX),
            "at_stake": u64::try_from(self.exploration.at_stake).unwrap_or(u64::MAX),
            "states": states,
            "extent": extent,
            "broken": self.finding.as_ref().map(Finding::to_json),
        })
    }
}

/// Explores a strategy within `bounds` and explains the shortest break. `name`
/// and `options` are what the race's first line will say.
///
/// # Errors
///
/// When the strategy waits for something that is no store.
pub fn report(
    make: &Make<'_>,
    name: &str,
    options: &[(String, String)],
    bounds: &Bounds,
) -> Result<Report, Stuck> {
    let exploration = explore(make, bounds)?;
    let finding = match &exploration.broken {
        None => None,
        // Shrinking cannot take steps away any more, but the rest of the set-up.
        Some(broken) => match shrink_shown(make, &broken.course(), broken.claim, None)? {
            None => None,
            Some((course, performance, kept)) => {
                let why = why(make, &course, broken.claim, kept)?;
                let race = Race {
                    strategy: name.to_owned(),
                    options: options.to_vec(),
                    ..performance.race
                };
                Some(Finding { claim: broken.claim, race, cause: why.cause, why })
            }
        },
    };
    Ok(Report { strategy: name.to_owned(), bounds: bounds.clone(), exploration, finding })
}

/// The smallest race that shows what `race` shows, from the same cause; none if
/// `race` does not show what it claims when it is simulated.
///
/// # Errors
///
/// When a line makes no sense on any cluster.
pub fn shrink_race(make: &Make<'_>, race: &Race) -> Result<Option<Finding>, RaceError> {
    let ClaimedCourse { course, claim, of } = course_of(race, make)?;
    let Some(claim) = claim else { return Ok(None) };
    let Some((course, performance, kept)) = shrink_shown(make, &course, claim, of)? else {
        return Ok(None);
    };
    let why = why(make, &course, claim, kept)?;
    let race =
        Race { strategy: race.strategy.clone(), options: race.options.clone(), ..performance.race };
    Ok(Some(Finding { claim, race, cause: why.cause, why }))
}

impl Finding {
    /// The experiment that proves the cause, if one does.
    #[must_use]
    pub fn proof(&self) -> Option<&Experiment> {
        self.why.proof()
    }

    /// The cause and how it is known, in words.
    #[must_use]
    pub fn why(&self) -> String {
        match self.proof() {
            Some(proof) => {
                format!("{}, proved: it does not happen when {}", self.cause, proof.change)
            }
            None if self.cause == Cause::Unexplained => self.cause.to_string(),
            None => format!("{}, as its steps show", self.cause),
        }
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match (&self.finding, &self.exploration.broken) {
            (Some(finding), _) => {
                let steps = Counted(finding.race.steps(), "step");
                writeln!(f, "{} breaks in {steps}: {}", self.strategy, finding.claim)?;
                write!(f, "{finding}")?;
            }
            (None, Some(broken)) => writeln!(
                f,
                "{} breaks in {}, {}, but only while no time passes",
                self.strategy,
                Counted(broken.steps, "step"),
                broken.claim
            )?,
            (None, None) if self.exploration.outcome() == RunOutcome::Vacuous => writeln!(
                f,
                "{}: vacuous: in no interleaving did a read return that began after a write had \
                 been acknowledged",
                self.strategy
            )?,
            (None, None) => {
                writeln!(f, "{}: nothing breaks {}", self.strategy, self.bounds.guarantee)?
            }
        }
        let Exploration { interleavings, states, extent, .. } = &self.exploration;
        // A search ends at the first break.
        let all = match extent {
            Extent::Exhaustive if self.exploration.broken.is_none() => "all orders",
            _ => "orders",
        };
        let untried = self.untried().join(", ");
        writeln!(f, "  = searched: {all} of {}; not tried: {untried}", self.bounds)?;
        write!(f, "  = reached: ")?;
        if *interleavings > 0 {
            let merged = match self.bounds.reduction {
                Reduction::Orders => " up to the order of what commutes",
                Reduction::States | Reduction::Off => "",
            };
            write!(f, "{} interleavings{merged}, ", Grouped(*interleavings))?;
        }
        write!(f, "{} states, ", Grouped(*states as u128))?;
        match extent {
            Extent::Exhaustive if self.exploration.broken.is_some() => {
                writeln!(f, "nothing shorter breaks (simulated)")
            }
            Extent::Exhaustive => writeln!(f, "exhaustive (simulated)"),
            Extent::Sampled { exhaustive_below_steps, samples } => writeln!(
                f,
                "exhaustive below {exhaustive_below_steps} steps, then a sample of {} (simulated): raise --max-states to search further",
                Grouped(u128::from(*samples))
            ),
        }
    }
}

impl Display for Finding {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for line in self.race.to_string().lines() {
            writeln!(f, "  {line}")?;
        }
        writeln!(f, "  = cause: {}", self.why())
    }
}

impl Bounds {
    /// What might break a strategy and is not within them.
    fn untried(&self) -> Vec<&'static str> {
        let has = |start| self.starts.contains(&start);
        [
            (self.deleters == 0, "deletes"),
            (!has(Start::Cold), "a cold cache"),
            (!has(Start::Warm), "a warm cache"),
            (!has(Start::Absent), "an absent row"),
            (true, "a second key"),
            (!self.lags(), "a replica that is behind"),
        ]
        .into_iter()
        .filter_map(|(is_untried, what)| is_untried.then_some(what))
        .collect()
    }
}

impl Display for Bounds {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let clients = [
            (self.writers, "writer"),
            (self.readers, "reader"),
            (self.both, "client that writes and reads"),
        ];
        let mut separator = "";
        for (count, what) in clients.into_iter().filter(|(count, _)| *count > 0) {
            let plural = if count > 1 && what.ends_with('r') { "s" } else { "" };
            write!(f, "{separator}{count} {what}{plural}")?;
            separator = " and ";
        }
        write!(f, ", {} each", Counted(self.operations, "operation"))?;
        if self.reads > self.operations {
            write!(f, ", readers {}", self.reads)?;
        }
        f.write_str("; ")?;
        let faults: Vec<_> = self.faults.iter().map(ToString::to_string).collect();
        if faults.is_empty() {
            f.write_str("no faults")?;
        } else {
            write!(f, "faults {}", faults.join(", "))?;
            if !self.faults.iter().all(|fault| fault.is_climate()) {
                write!(f, " (at most {})", Counted(self.strikes, "strike"))?;
            }
        }
        if self.deleters > 0 {
            write!(f, "; {} that deletes", Counted(self.deleters, "writer"))?;
        }
        let starts = self.starts.iter().map(|start| match start {
            Start::Cold => "cold cache",
            Start::Warm => "warm cache",
            Start::Absent => "no row",
        });
        write!(f, "; from {}", starts.collect::<Vec<_>>().join(", "))
    }
}

struct Counted(usize, &'static str);

impl Display for Counted {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.0, self.1, if self.0 == 1 { "" } else { "s" })
    }
}

/// A number with commas between thousands.
struct Grouped(u128);

impl Display for Grouped {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                f.write_str(",")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}
