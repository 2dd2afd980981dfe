use std::fmt;

use quarrel_checkers::{History, Time};
use quarrel_sim::{LogicalHistory, Stuck};

use super::{Answer, Judged, Line, LineEvent, Race, roles::NothingBegun};

/// What came of one performance of a race.
#[derive(Clone, Debug, Default)]
pub struct RaceRun {
    /// The lines that happened, in order.
    pub happened: Vec<RaceStep>,
    /// The first line that went differently; nothing happened after it.
    pub divergence: Option<Divergence>,
    /// The claims that were reached, in the order of their lines.
    pub claims: Vec<Judged>,
    /// What clients saw.
    pub history: History,
}

/// What a replay tells while it goes on.
#[derive(Clone, Copy, Debug)]
pub enum Told<'a> {
    /// This line is about to happen. Whoever hears it may take their time: the
    /// performance waits.
    Next(&'a Line),
    /// This has happened.
    Happened(&'a RaceStep),
}

/// One line, and what came of it.
#[derive(Clone, Debug)]
pub struct RaceStep {
    /// The line, with the reply that really came.
    pub line: Line,
    /// When it was over.
    pub at: Time,
    /// How it differed, if it did.
    pub divergence: Option<Divergence>,
}

/// A line that went differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// The line, counted from 1; 0 in a race that comes from no file.
    pub line: usize,
    /// What stands there.
    pub expected: String,
    /// What happened instead.
    pub found: String,
    /// How that came about, where it can be told.
    pub why: Option<String>,
    /// The reply that came, if another one was expected.
    pub reply: Option<Answer>,
}

/// A race that cannot be performed at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RaceError {
    /// It is not said what an actor does.
    #[error(transparent)]
    NothingBegun(NothingBegun),
    /// An agent or job that the strategy does not have.
    #[error(
        "line {line}, column {column}: expected an agent or job that the strategy has, found \
         `{actor}`"
    )]
    NobodyCalled {
        /// The line.
        line: usize,
        /// Where in it.
        column: usize,
        /// Who.
        actor: String,
    },
    /// It has more operations than can be judged.
    #[error(
        "line {line}, column {column}: expected at most {} operations, with one read of every key \
         in the end, found one more; make two races of it",
        LogicalHistory::MAX_OPERATIONS
    )]
    TooMany {
        /// The line that begins the first that is too many.
        line: usize,
        /// Where in it.
        column: usize,
    },
    /// The strategy cannot be simulated.
    #[error(transparent)]
    Stuck(#[from] Stuck),
    /// The cluster cannot do what a line wants.
    #[error("line {line}: {what}\n  try: {advice}")]
    Unsupported {
        /// The line.
        line: usize,
        /// What it cannot do, and why.
        what: String,
        /// What would work.
        advice: String,
    },
    /// The cluster failed to do what a line wants.
    #[error("line {line}: {what}")]
    Failed {
        /// The line.
        line: usize,
        /// What went wrong.
        what: String,
    },
}

/// Why a client cannot begin an operation.
pub(super) const STILL_OPEN: &str = "its operation before is not over";

/// Whether one more operation fits into the history, and in the end a read of
/// every key of the race.
pub(super) fn room(logical: &LogicalHistory, race: &Race, line: &Line) -> Result<(), RaceError> {
    let taken = logical.operations().len() + race.keys.len();
    let (line, column) = (line.number, line.column);
    if taken < LogicalHistory::MAX_OPERATIONS {
        Ok(())
    } else {
        Err(RaceError::TooMany { line, column })
    }
}

impl RaceRun {
    /// Who changed last what the step of `line` found in the cache; none if
    /// that is not clear.
    pub(super) fn origin(&self, line: &Line) -> Option<String> {
        let LineEvent::Step { call: asked, .. } = &line.what else { return None };
        for happening in self.happened.iter().rev() {
            let (actor, call, reply) = match &happening.line.what {
                LineEvent::Step { actor, call, reply, .. } if call.object == asked.object => {
                    (actor, call, reply)
                }
                LineEvent::Step { .. }
                | LineEvent::Read { .. }
                | LineEvent::Write { .. }
                | LineEvent::Crash { .. } => {
                    continue;
                }
                LineEvent::Nothing | LineEvent::Check { .. } => continue,
                LineEvent::Event(event) if !event.is_about_the_cache() => continue,
                LineEvent::Event(_) | LineEvent::Deliver { .. } | LineEvent::Group(_) => {
                    return None;
                }
            };
            match (&*call.verb, reply) {
                ("GET" | "PTTL" | "SELECT" | "UPDATE" | "LSN", _) => {}
                ("SET" | "SETNX" | "DEL", Some(Answer::Ok)) => {
                    return Some(format!("{actor}'s {call} was the last to change it"));
                }
                _ => return None,
            }
        }
        None
    }

    /// Whether everything went as written and every claim is true.
    #[must_use]
    pub fn is_met(&self) -> bool {
        self.divergence.is_none() && self.claims.iter().all(Judged::is_true)
    }

    /// Everything for which it is not met, in a line; none if it is.
    #[must_use]
    pub fn complaint(&self) -> Option<String> {
        if let Some(divergence) = &self.divergence {
            return Some(divergence.to_string());
        }
        let complaints: Vec<_> = self.claims.iter().filter_map(Judged::complaint).collect();
        (!complaints.is_empty()).then(|| complaints.join("; "))
    }
}

impl RaceStep {
    pub(super) fn of(line: &Line, at: Time, outcome: Result<Option<Answer>, Divergence>) -> Self {
        let mut line = line.clone();
        let (answer, divergence) = match outcome {
            Ok(answer) => (answer, None),
            Err(divergence) => (divergence.reply.clone(), Some(divergence)),
        };
        match (&mut line.what, answer) {
            (LineEvent::Step { reply, .. }, Some(answer)) => *reply = Some(answer),
            (LineEvent::Check { reply, .. }, Some(answer)) => *reply = answer,
            _ => {}
        }
        Self { line, at, divergence }
    }
}

impl Line {
    pub(super) fn differs(
        &self,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Divergence {
        let (expected, found) = (expected.into(), found.into());
        Divergence { line: self.number, expected, found, why: None, reply: None }
    }

    /// That another reply came than `wanted`.
    pub(super) fn answers_differ(&self, wanted: &Answer, came: &Answer) -> Divergence {
        Divergence {
            reply: Some(came.clone()),
            ..self.differs(wanted.to_string(), came.to_string())
        }
    }
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: expected {}, got {}", self.line, self.expected, self.found)?;
        self.why.as_ref().map_or(Ok(()), |why| write!(f, ": {why}"))
    }
}
