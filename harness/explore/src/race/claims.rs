use quarrel_checkers::{Key, Value, Version};
use quarrel_sim::{
    Claim, LogicalHistory, LogicalOperation, OperationEnding, differs, linearizable,
};
use quarrel_strategy::{stores::Row, strategy::Action};

use super::Line;

/// A claim that a replay reached, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The line of the claim, counted from 1; 0 in a race that comes from no
    /// file.
    pub line: usize,
    /// What is claimed.
    pub claim: Claim,
    /// Why it is not true; none if it is.
    pub refuted: Option<String>,
}

impl Judged {
    /// Whether it came true.
    #[must_use]
    pub const fn is_true(&self) -> bool {
        self.refuted.is_none()
    }

    /// Why it did not come true, in a line; none if it did.
    #[must_use]
    pub fn complaint(&self) -> Option<String> {
        let why = self.refuted.as_ref()?;
        let not = match self.claim {
            Claim::Stale => "not stale",
            Claim::NotLinearizable => "linearizable",
            Claim::ReadYourWrites => "no write of its own was missed",
            Claim::NonMonotonic => "not older than what it had read",
            Claim::Dirty => "not dirty",
            Claim::Lost => "nothing is lost",
            Claim::Diverged => "not diverged",
        };
        Some(format!("line {}, {}: {not}: {why}", self.line, self.claim))
    }
}

/// The claims that a race has made so far.
#[derive(Default)]
pub(super) struct Claims {
    /// About operations, each by its place in the history.
    operations: Vec<(usize, Claim, usize)>,
    /// About the end.
    end: Vec<(usize, Claim)>,
}

impl Claims {
    /// Notes the claim of a line, if it makes one, about the operation at
    /// `place` of the history.
    pub(super) fn note(&mut self, line: &Line, place: usize) {
        if let Some(claim) = line.claim {
            self.operations.push((line.number, claim, place));
        }
    }

    /// Notes the claim of a line about the end, if it makes one.
    pub(super) fn note_for_the_end(&mut self, line: &Line) {
        if let Some(claim) = line.claim {
            self.end.push((line.number, claim));
        }
    }

    /// The operation of the first claim, by its place in the history.
    pub(super) fn first(&self) -> Option<usize> {
        self.operations.first().map(|(_, _, place)| *place)
    }

    /// Whether there are claims about the end.
    pub(super) const fn mind_the_end(&self) -> bool {
        !self.end.is_empty()
    }

    /// Every claim, in the order of the lines. `ends` says which of the claims
    /// about the end are true.
    pub(super) fn judged(
        &self,
        logical: &LogicalHistory,
        initial: impl Fn(Key) -> Option<Row>,
        ends: &Ends,
    ) -> Vec<Judged> {
        let operations = self.operations.iter().map(|&(line, claim, place)| Judged {
            line,
            claim,
            refuted: refuted(logical, claim, place, &initial),
        });
        let end = self.end.iter().map(|&(line, claim)| Judged {
            line,
            claim,
            refuted: ends.refuted(claim),
        });
        let mut judged: Vec<_> = operations.chain(end).collect();
        judged.sort_by_key(|judged| judged.line);
        judged
    }
}

/// What is known of the end: of each key, which claims are true.
#[derive(Default)]
pub(super) struct Ends(Vec<Vec<Claim>>);

impl Ends {
    pub(super) fn push(&mut self, is_true: impl Fn(Claim) -> bool) {
        self.0.push([Claim::Lost, Claim::Diverged].into_iter().filter(|c| is_true(*c)).collect());
    }

    fn refuted(&self, claim: Claim) -> Option<String> {
        if self.0.iter().any(|claims| claims.contains(&claim)) {
            return None;
        }
        Some(match (claim, self.0.is_empty()) {
            (_, true) => "the race has no `key` line that says which rows to look at".to_owned(),
            (Claim::Lost, _) => "the primary has every write that was acknowledged".to_owned(),
            _ => "a fresh client reads what the primary holds, under every key".to_owned(),
        })
    }
}

/// Whether `claim` is true in the end of `key`, of which a fresh client read
/// `read` while the primary holds `primary`.
pub(super) fn is_true_in_the_end(
    claim: Claim,
    logical: &LogicalHistory,
    key: Key,
    read: Option<&Row>,
    primary: Option<&Row>,
) -> bool {
    let held = primary.map_or(0, |row| row.version);
    match claim {
        Claim::Lost => {
            logical.operations().iter().any(|played| match (&played.action, &played.ending) {
                (Action::Write(of, value), Some(OperationEnding::Written(version)))
                    if *of == key =>
                {
                    version.number > held
                        || (version.number == held
                            && primary.is_some_and(|row| row.value != *value))
                        || is_given_again(logical, key, *version)
                }
                _ => false,
            })
        }
        Claim::Diverged => differs(read, primary),
        _ => false,
    }
}

/// Whether a later timeline of the primary gave a number that is no higher:
/// whoever was promoted did not have `version`.
fn is_given_again(logical: &LogicalHistory, key: Key, version: Version) -> bool {
    logical.operations().iter().any(|played| {
        logical.shown(played, key).is_some_and(|shown| {
            shown.timeline > version.timeline && shown.number <= version.number
        })
    })
}

/// Why the claim is not true of the operation at `place`; none if it is.
fn refuted(
    logical: &LogicalHistory,
    claim: Claim,
    place: usize,
    initial: impl Fn(Key) -> Option<Row>,
) -> Option<String> {
    let played = &logical.operations()[place];
    let (Action::Read(key) | Action::Write(key, _)) = &played.action;
    let is_true = match claim {
        Claim::NotLinearizable => !linearizable(logical, *key, initial(*key).as_ref()),
        _ => claim.is_made_by(logical, place),
    };
    if is_true {
        return None;
    }
    Some(match (&played.action, &played.ending, claim) {
        (_, None, _) => {
            "its operation has not ended; give it its last steps, or make the claim elsewhere"
                .to_owned()
        }
        (_, _, Claim::NotLinearizable) => {
            "an order of the operations explains all that they returned".to_owned()
        }
        (Action::Write(..), _, _) => "its operation is a write, and returns nothing".to_owned(),
        (_, Some(OperationEnding::Read(row)), _) => {
            if claim == Claim::Dirty {
                return Some("the write of what it read did not fail for certain".to_owned());
            }
            if row.as_ref().is_some_and(|row| row.version == 0) {
                return Some("the primary had not given what it read a version yet".to_owned());
            }
            not_missed(logical, claim, played, *key)
        }
        (_, Some(_), _) => "its read failed and returned nothing".to_owned(),
    })
}

/// Why a read that returned missed nothing.
fn not_missed(logical: &LogicalHistory, claim: Claim, read: &LogicalOperation, key: Key) -> String {
    let returned = logical.shown(read, key);
    let value = match &read.ending {
        Some(OperationEnding::Read(Some(row))) => row.value.to_string(),
        _ => Value::Nil.to_string(),
    };
    if claim != Claim::Stale {
        let what = if claim == Claim::ReadYourWrites { "written" } else { "read" };
        return format!("its client had {what} nothing newer than {value} before this read began");
    }
    let writes = logical.operations().iter().rev().filter_map(|other| match &other.action {
        Action::Write(of, value) if *of == key => Some((value, other)),
        _ => None,
    });
    let is_newer = |other: &LogicalOperation| match other.ending {
        Some(OperationEnding::Written(_)) => logical.shown(other, key) > returned,
        Some(OperationEnding::Unknown) | None => true,
        Some(OperationEnding::Read(_) | OperationEnding::Failed) => false,
    };
    let newer = writes.into_iter().find(|(_, other)| is_newer(other));
    match newer {
        Some((newer, LogicalOperation { ending: Some(OperationEnding::Written(_)), .. })) => {
            format!("the write of {newer} had not been acknowledged when this read began")
        }
        Some((newer, _)) if newer.to_string() != value => {
            format!("the write of {newer} was never acknowledged")
        }
        _ => format!("nothing newer than {value} had been acknowledged when this read began"),
    }
}
