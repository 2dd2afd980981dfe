use std::{fmt, time::Duration};

use quarrel_checkers::{Anomaly, Value};

use super::{
    executor::{Choices, Execution, Warmth},
    race::{AppRace, actor, short},
    search::{Clients, subject},
};
use crate::AppFile;

/// What a search came to.
#[derive(Clone, Debug)]
pub struct AppReport {
    subject: String,
    choices: Choices,
    /// Each space that was searched, in order.
    pub spaces: Vec<Space>,
    /// The break, if there is one.
    pub finding: Option<AppFinding>,
}

/// One space, and how far it was searched.
#[derive(Clone, Debug)]
pub struct Space {
    /// Who took part.
    pub clients: Clients,
    /// What the cache held of the row.
    pub warmth: Warmth,
    /// How many executions there were.
    pub executions: usize,
    /// How many of them the whole space took, if it was searched.
    pub executions_of_all: usize,
    /// Whether every order was covered.
    pub exhausted: bool,
    /// Whether a limit ended the search.
    pub cut: bool,
    /// Executions that came to no end and were begun again.
    pub lost: usize,
    /// What an application that does not repeat itself did.
    pub nondeterministic: Option<String>,
    /// Messages that no request caused.
    pub of_nobody: usize,
    /// Requests that asked no store.
    pub silent: usize,
    /// Requests that clients gave up while they were held.
    pub given_up: usize,
    /// Messages of stores that nobody asked for: notifications, messages of
    /// channels, invalidations. They were delivered as they came.
    pub pushes: usize,
    /// Messages that waited beside another of the same request, on another
    /// connection. They went on as they came.
    pub at_once: usize,
    /// Complete executions in which a write was acknowledged: only in those
    /// something can be wrong.
    pub at_stake: usize,
    /// At which execution, and when, it first broke.
    pub first_break: Option<(usize, Duration)>,
    /// How long it took.
    pub took: Duration,
}

impl Space {
    pub(super) const fn new(clients: Clients, warmth: Warmth) -> Self {
        Self {
            clients,
            warmth,
            executions: 0,
            executions_of_all: 0,
            exhausted: false,
            cut: false,
            lost: 0,
            nondeterministic: None,
            of_nobody: 0,
            silent: 0,
            given_up: 0,
            pushes: 0,
            at_once: 0,
            at_stake: 0,
            first_break: None,
            took: Duration::ZERO,
        }
    }

    /// Takes an execution into account.
    pub(super) fn count(&mut self, execution: &Execution) {
        self.executions += 1;
        self.of_nobody += execution.of_nobody;
        self.silent += execution.silent;
        self.given_up += execution.given_up;
        self.at_once += execution.at_once;
        self.at_stake += usize::from(execution.is_complete && execution.has_written());
    }

    /// Whether nothing was left out that this search could have met, and there
    /// was something that could be wrong.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.exhausted
            && self.at_stake > 0
            && self.of_nobody == 0
            && self.silent == 0
            && self.given_up == 0
            && self.pushes == 0
            && self.at_once == 0
            && self.nondeterministic.is_none()
    }
}

/// An order that breaks an application.
#[derive(Clone, Debug)]
pub struct AppFinding {
    /// The order.
    pub race: AppRace,
    pub(super) audited: Option<Value>,
    pub(super) held: Option<Value>,
    /// What it broke.
    pub anomaly: Anomaly,
    /// What came of performing it again.
    pub replayed: Replayed,
}

/// What came of performing an order again.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// How often it was tried.
    pub times: usize,
    /// How often the application said the same to its stores.
    pub same: usize,
    /// How often it broke.
    pub broken: usize,
    /// What it did when it did something else.
    pub other: Option<String>,
}

impl AppFinding {
    /// What it is called: its class, and its cause.
    fn name(&self) -> String {
        let class = self.anomaly.class;
        self.anomaly.cause.map_or_else(|| class.to_string(), |cause| format!("{class}/{cause}"))
    }

    /// Why it is broken, with the names that its lines have.
    fn explanation(&self) -> String {
        let roles = self.race.clients.roles();
        let mut told = self.anomaly.explanation.clone();
        if let Some((key, rest)) = told.split_once(": ")
            && key.starts_with("key ")
        {
            told = rest.to_owned();
        }
        for client in (0..roles.len()).rev() {
            told =
                told.replace(&format!("process {client} "), &format!("{} ", actor(&roles, client)));
        }
        let others = [(roles.len(), "somebody else"), (roles.len() + 1, "the primary itself")];
        for (client, name) in others {
            told = told.replace(&format!("process {client} "), &format!("{name} "));
        }
        told
    }
}

impl AppReport {
    pub(super) fn new(file: &AppFile, choices: &Choices) -> Self {
        Self { subject: subject(file), choices: choices.clone(), spaces: Vec::new(), finding: None }
    }

    /// Whether nothing was found, and nothing was left out.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.finding.is_none()
            && !self.spaces.is_empty()
            && self.spaces.iter().all(Space::is_complete)
            && self.spaces.iter().any(|space| space.executions_of_all > 1)
    }

    /// For programs.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let spaces: Vec<_> = self
            .spaces
            .iter()
            .map(|space| {
                serde_json::json!({
                    "writers": space.clients.writers,
                    "readers": space.clients.readers,
                    "cached_before": space.warmth == Warmth::Warm,
                    "executions": space.executions,
                    "orders": space.executions_of_all,
                    "exhausted": space.exhausted,
                    "begun_again": space.lost,
                    "messages_of_nobody": space.of_nobody,
                    "requests_without_messages": space.silent,
                    "requests_given_up": space.given_up,
                    "pushes": space.pushes,
                    "messages_at_once": space.at_once,
                    "with_an_acknowledged_write": space.at_stake,
                    "nondeterministic": space.nondeterministic,
                    "ms": space.took.as_millis() as u64,
                })
            })
            .collect();
        let finding = self.finding.as_ref().map(|finding| {
            serde_json::json!({
                "anomaly": finding.anomaly,
                "race": finding.race.to_text(),
                "replayed": finding.replayed.times,
                "broken_again": finding.replayed.broken,
            })
        });
        serde_json::json!({ "holds": self.holds(), "spaces": spaces, "finding": finding })
    }
}

impl fmt::Display for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Clients { writers, readers } = self.clients;
        let seconds = self.took.as_secs_f64();
        write!(
            f,
            "{writers} writing, {readers} reading, {}: {} executions in {seconds:.1} s",
            self.warmth, self.executions
        )?;
        if let Some((execution, when)) = self.first_break {
            return write!(f, ", broken at execution {execution}, {:.2} s", when.as_secs_f64());
        }
        if self.exhausted {
            write!(f, ", every order ({})", self.executions_of_all)?;
        }
        if self.cut {
            write!(f, ", ended by a limit")?;
        }
        if self.lost > 0 {
            write!(f, ", {} begun again", self.lost)?;
        }
        if let Some(why) = &self.nondeterministic {
            write!(f, ", nondeterministic: {why}")?;
        }
        if self.of_nobody > 0 {
            write!(f, ", {} messages of nobody were let go", self.of_nobody)?;
        }
        if self.exhausted && self.at_stake == 0 {
            write!(f, ", no write was acknowledged")?;
        }
        if self.given_up > 0 {
            write!(f, ", {} requests were given up while they were held", self.given_up)?;
        }
        if self.pushes > 0 {
            write!(f, ", {} pushes of the stores came in between as they did", self.pushes)?;
        }
        if self.at_once > 0 {
            write!(f, ", {} messages went on beside others of their request", self.at_once)?;
        }
        if self.silent > 0 {
            write!(f, ", {} requests asked no store", self.silent)?;
        }
        Ok(())
    }
}

impl fmt::Display for AppReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.finding {
            Some(finding) => {
                writeln!(f, "broken: {}: {}", finding.name(), finding.explanation())?;
                writeln!(f, "  --> application {}", self.subject)?;
                let width = finding.race.lines.iter().map(|line| line.text().chars().count()).max();
                for line in &finding.race.lines {
                    let text = line.text();
                    let said = line.said().map(|said| format!("  -> {said}")).unwrap_or_default();
                    writeln!(
                        f,
                        "  {}",
                        format!("{text:<w$}{said}", w = width.unwrap_or(0)).trim_end()
                    )?;
                }
                let value = |value: &Option<Value>| {
                    value.as_ref().map_or_else(|| "absent".to_owned(), short)
                };
                writeln!(
                    f,
                    "  then somebody else reads {}, and the primary holds {}",
                    value(&finding.audited),
                    value(&finding.held)
                )?;
                let Replayed { times, same, broken, other } = &finding.replayed;
                writeln!(
                    f,
                    "  = replayed: broken {broken} of {times} times, the same messages {same} times"
                )?;
                if let Some(other) = other {
                    writeln!(f, "  = nondeterministic: {other}")?;
                }
            }
            None if self.holds() => {
                writeln!(f, "holds: no order of its messages breaks it, within what was tried")?;
                writeln!(f, "  --> application {}", self.subject)?;
            }
            None => {
                writeln!(f, "undecided: nothing broke, and not every order was tried")?;
                writeln!(f, "  --> application {}", self.subject)?;
            }
        }
        for space in &self.spaces {
            writeln!(f, "  = tried: {space}")?;
        }
        writeln!(f, "  = within: {}", self.choices.within())
    }
}
