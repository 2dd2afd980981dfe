use std::{fmt, num::NonZeroU64};

use serde::{Deserialize, Serialize};

use crate::Validity;

/// What could have shown that a guarantee does not hold, had it not held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stake {
    /// Reads that began after a write of their key had been acknowledged.
    ReadsAtRisk,
    /// Operations of an object that answered.
    Operations,
    /// Transactions that depend on what another one read or wrote.
    Dependencies,
    /// Interleavings with a read at risk that were run to their end.
    Executions,
    /// What a race says of replies and of what is wrong, each time it was
    /// performed.
    Claims,
}

/// That something was at stake, counted. There is none of nothing: whoever has
/// one has looked at something that could have gone wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Evidence {
    of: Stake,
    count: NonZeroU64,
}

impl Evidence {
    /// So much was at stake; none if it is nothing.
    #[must_use]
    pub const fn counted(of: Stake, count: u64) -> Option<Self> {
        match NonZeroU64::new(count) {
            Some(count) => Some(Self { of, count }),
            None => None,
        }
    }

    /// What was counted.
    #[must_use]
    pub const fn of(self) -> Stake {
        self.of
    }

    /// How much of it there was.
    #[must_use]
    pub const fn count(self) -> u64 {
        self.count.get()
    }
}

/// What came of a run, a search, a replay or a check. Of several the greatest
/// counts: a violation stands whatever became of the others, and nothing held
/// while one is in doubt.
///
/// ```
/// use quarrel_checkers::{Evidence, RunOutcome, Stake, Validity};
///
/// let of = |reads| RunOutcome::of(Validity::Valid, Evidence::counted(Stake::ReadsAtRisk, reads));
/// // The same history, with and without a read that could have been stale.
/// assert_eq!(of(100).exit_code(), 0);
/// assert_eq!(of(0), RunOutcome::Vacuous);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Told", into = "Told")]
pub enum RunOutcome {
    /// The guarantee held, and this could have shown that it does not.
    Held(Evidence),
    /// It was not contradicted, but nothing was at stake.
    Vacuous,
    /// Could not be decided.
    Undecided,
    /// The world that it ran in broke: nothing that was seen counts.
    Environment,
    /// It did not hold.
    Violated,
}

impl RunOutcome {
    /// What a finding comes to, with what was at stake where nothing was found.
    #[must_use]
    pub const fn of(validity: Validity, evidence: Option<Evidence>) -> Self {
        match (validity, evidence) {
            (Validity::Invalid, _) => Self::Violated,
            (Validity::Unknown, _) => Self::Undecided,
            (Validity::Valid, None) => Self::Vacuous,
            (Validity::Valid, Some(evidence)) => Self::Held(evidence),
        }
    }

    /// What several come to; of none, nothing was judged.
    #[must_use]
    pub fn of_all(outcomes: impl IntoIterator<Item = Self>) -> Self {
        outcomes.into_iter().max().unwrap_or(Self::Vacuous)
    }

    /// Whether the guarantee held.
    #[must_use]
    pub const fn is_held(self) -> bool {
        matches!(self, Self::Held(_))
    }

    /// The exit code that says so.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Held(_) => 0,
            Self::Violated => 1,
            Self::Undecided => 2,
            Self::Vacuous => 3,
            Self::Environment => 4,
        }
    }
}

/// Exit codes, the gravest first: a bug of quarrel's own makes everything
/// doubtful; a violation stands whatever became of the rest; then what was
/// stopped, a world that broke, what could not be read, what is open, and what
/// showed nothing. Outcomes have the same order among themselves.
const GRAVEST: [u8; 9] = [BUG, 1, 130, 4, 65, 64, 2, 3, 0];

/// A bug of quarrel's own.
const BUG: u8 = 70;

/// How grave an exit code is, the gravest being 0. One that nothing of
/// quarrel's ends with is as grave as a bug.
#[must_use]
pub fn gravity(code: u8) -> usize {
    GRAVEST.iter().position(|known| *known == code).unwrap_or(0)
}

/// The exit code of what several ended with: the gravest, or 70 if one of them
/// is none of quarrel's. Where there are none, nothing was shown.
///
/// ```
/// use quarrel_checkers::gravest_exit;
///
/// assert_eq!(gravest_exit([0, 4, 1, 130]), 1);
/// assert_eq!(gravest_exit([]), 3);
/// ```
#[must_use]
pub fn gravest_exit(codes: impl IntoIterator<Item = u8>) -> u8 {
    let gravest = codes.into_iter().map(gravity).min();
    gravest.map_or(RunOutcome::Vacuous.exit_code(), |gravity| GRAVEST[gravity])
}

impl fmt::Display for RunOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Held(_) => "held",
            Self::Violated => "violated",
            Self::Undecided => "undecided",
            Self::Vacuous => "vacuous",
            Self::Environment => "environment",
        })
    }
}

/// An outcome as files tell it.
#[derive(Serialize, Deserialize)]
struct Told {
    outcome: Word,
    /// The exit code that says so: told for scripts, never read.
    #[serde(default, skip_deserializing)]
    exit_code: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    evidence: Option<Evidence>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Held,
    Vacuous,
    Undecided,
    Environment,
    Violated,
}

impl From<RunOutcome> for Told {
    fn from(outcome: RunOutcome) -> Self {
        let (word, evidence) = match outcome {
            RunOutcome::Held(evidence) => (Word::Held, Some(evidence)),
            RunOutcome::Vacuous => (Word::Vacuous, None),
            RunOutcome::Undecided => (Word::Undecided, None),
            RunOutcome::Environment => (Word::Environment, None),
            RunOutcome::Violated => (Word::Violated, None),
        };
        Self { outcome: word, exit_code: outcome.exit_code(), evidence }
    }
}

/// Somebody says that it held, and not what was at stake.
#[derive(Debug, thiserror::Error)]
#[error("`held` needs `evidence`, as {{\"of\":\"reads-at-risk\",\"count\":2210}}; judge it again")]
struct NoEvidence;

impl TryFrom<Told> for RunOutcome {
    type Error = NoEvidence;

    fn try_from(told: Told) -> Result<Self, NoEvidence> {
        Ok(match (told.outcome, told.evidence) {
            (Word::Held, Some(evidence)) => Self::Held(evidence),
            (Word::Held, None) => return Err(NoEvidence),
            (Word::Vacuous, _) => Self::Vacuous,
            (Word::Undecided, _) => Self::Undecided,
            (Word::Environment, _) => Self::Environment,
            (Word::Violated, _) => Self::Violated,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(reads: u64) -> RunOutcome {
        RunOutcome::Held(Evidence::counted(Stake::ReadsAtRisk, reads).unwrap())
    }

    fn all() -> [RunOutcome; 5] {
        use RunOutcome::{Environment, Undecided, Vacuous, Violated};
        [held(7), Vacuous, Undecided, Environment, Violated]
    }

    #[test]
    fn nothing_is_no_evidence() {
        assert_eq!(Evidence::counted(Stake::Claims, 0), None);
        for validity in [Validity::Valid, Validity::Unknown, Validity::Invalid] {
            assert!(!RunOutcome::of(validity, None).is_held());
            let evidence = Evidence::counted(Stake::Claims, 1);
            assert_eq!(RunOutcome::of(validity, evidence).is_held(), validity == Validity::Valid);
        }
    }

    /// Every pair: whatever is not held outweighs what is, and a violation
    /// outweighs everything.
    #[test]
    fn of_several_outcomes_the_gravest_counts() {
        for (at, one) in all().into_iter().enumerate() {
            for (below, other) in all().into_iter().enumerate() {
                let expected = if at > below { one } else { other };
                assert_eq!(RunOutcome::of_all([one, other]), expected, "{one} and {other}");
                let code = gravest_exit([one.exit_code(), other.exit_code()]);
                assert_eq!(code, expected.exit_code(), "{one} and {other}");
            }
        }
        assert_eq!(RunOutcome::of_all([]), RunOutcome::Vacuous);
    }

    #[test]
    fn what_was_stopped_hides_no_violation_and_an_unknown_code_is_a_bug() {
        for (codes, gravest) in [
            (&[0, 130, 1][..], 1),
            (&[1, 70], 70),
            (&[130, 4], 130),
            (&[64, 65, 4], 4),
            (&[3, 2, 64], 64),
            (&[0, 0], 0),
            (&[0, 101], 70),
            (&[], 3),
        ] {
            assert_eq!(gravest_exit(codes.iter().copied()), gravest, "{codes:?}");
        }
    }

    #[test]
    fn what_a_file_calls_held_without_evidence_is_not_taken_for_it() {
        for outcome in all() {
            let json = serde_json::to_value(outcome).unwrap();
            assert_eq!(json["exit_code"], outcome.exit_code());
            assert_eq!(serde_json::from_value::<RunOutcome>(json).unwrap(), outcome);
        }
        for claimed in [
            r#"{"outcome":"held"}"#,
            r#"{"outcome":"held","evidence":null}"#,
            r#"{"outcome":"held","evidence":{"of":"reads-at-risk","count":0}}"#,
        ] {
            assert!(serde_json::from_str::<RunOutcome>(claimed).is_err(), "{claimed}");
        }
    }
}
