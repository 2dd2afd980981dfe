use std::{
    fmt::{self, Write as _},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use quarrel_checkers::{Anomaly, Site, Value};

use super::{
    search::{Clients, subject},
    stage::{Ended, Execution, Role, Warmth},
    tree::Choice,
};
use crate::{AppFile, token::token};

/// What a search came to.
#[derive(Clone, Debug)]
pub struct AppReport {
    subject: String,
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
            at_stake: 0,
            first_break: None,
            took: Duration::ZERO,
        }
    }

    /// Whether nothing was left out that this search could have met, and there
    /// was something that could be wrong.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.exhausted
            && self.at_stake > 0
            && self.of_nobody == 0
            && self.silent == 0
            && self.nondeterministic.is_none()
    }
}

/// An order in which messages of an application go on.
#[derive(Clone, Debug, PartialEq)]
pub struct AppRace {
    /// The application's file.
    pub app: PathBuf,
    /// Who takes part.
    pub clients: Clients,
    /// What the cache held of the row.
    pub warmth: Warmth,
    /// What goes on, in order.
    pub lines: Vec<Line>,
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

/// One message that went on.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    actor: String,
    client: usize,
    site: Site,
    shape: Arc<str>,
    values: Vec<Value>,
    ended: Option<Ended>,
}

impl Line {
    pub(super) fn of(execution: &Execution, roles: &[Role]) -> Vec<Self> {
        let lines = execution.taken.iter().map(|taken| Self {
            actor: actor(roles, taken.choice.client),
            client: taken.choice.client,
            site: taken.choice.site,
            shape: Arc::clone(&taken.choice.shape),
            values: taken.values.clone(),
            ended: taken.ended.clone(),
        });
        lines.collect()
    }

    pub(super) fn is(&self, choice: &Choice) -> bool {
        self.client == choice.client && self.site == choice.site && self.shape == choice.shape
    }

    /// A line of a race: `Writer A: cache "DEL profile:{key}"`.
    fn parse(text: &str, roles: &[Role]) -> Result<Self, String> {
        let wanted = "expected ACTOR: STORE \"MESSAGE\"";
        let (name, rest) = text.split_once(": ").ok_or(wanted)?;
        let client = (0..roles.len()).find(|client| actor(roles, *client) == name);
        let client = client.ok_or_else(|| format!("`{name}` takes no part here"))?;
        let (store, shape) = rest.split_once(" \"").ok_or(wanted)?;
        let site = [Site::Primary, Site::Replica, Site::Cache]
            .into_iter()
            .find(|site| site.to_string() == store)
            .ok_or_else(|| format!("`{store}` is no store: expected primary, replica or cache"))?;
        let shape = shape.rsplit_once('"').ok_or(wanted)?.0;
        Ok(Self {
            actor: name.to_owned(),
            client,
            site,
            shape: shape.into(),
            values: Vec::new(),
            ended: None,
        })
    }
}

/// `Writer A`, `Reader B`: letters go on from role to role.
fn actor(roles: &[Role], client: usize) -> String {
    let letter = char::from(b'A' + u8::try_from(client).unwrap_or(25).min(25));
    match roles[client] {
        Role::Writer => format!("Writer {letter}"),
        Role::Reader => format!("Reader {letter}"),
    }
}

/// The first line of a race of an application.
const HEADER: &str = "app ";

impl AppRace {
    /// The race as a file that `quarrel replay` performs.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut race = format!("{HEADER}{}\n", self.app.display());
        let Clients { writers, readers } = self.clients;
        let _ = writeln!(race, "clients {writers} writing, {readers} reading");
        let _ = writeln!(race, "row {}", self.warmth);
        for line in &self.lines {
            let _ = write!(race, "{}: {} \"{}\"", line.actor, line.site, line.shape);
            if let Some(said) = line.said() {
                let _ = write!(race, "  # {said}");
            }
            race.push('\n');
        }
        race + "!not-linearizable\n"
    }

    /// Whether a text is a race of an application.
    #[must_use]
    pub fn is_race(text: &str) -> bool {
        let first = text.lines().find(|line| !line.trim().is_empty() && !line.starts_with('#'));
        first.is_some_and(|line| line.starts_with(HEADER))
    }

    /// Reads what [`AppRace::to_text`] wrote.
    ///
    /// # Errors
    ///
    /// The line, counted from 1, and what was expected in it.
    pub fn parse(text: &str) -> Result<Self, (usize, String)> {
        let mut app = None;
        let mut clients = None;
        let mut warmth = Warmth::Cold;
        let mut lines = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let fail = |why: &str| (at + 1, why.to_owned());
            // A comment begins behind the message, which may have the sign.
            let line = match line.rfind('"') {
                Some(quote) => &line[..=quote],
                None => line.split('#').next().unwrap_or_default(),
            };
            let line = line.trim();
            if line.is_empty() || line == "!not-linearizable" {
                continue;
            }
            if let Some(path) = line.strip_prefix(HEADER) {
                app = Some(PathBuf::from(path));
            } else if let Some(counts) = line.strip_prefix("clients ") {
                let wanted = "expected clients 1 writing, 1 reading";
                let (writers, readers) =
                    counts.split_once(" writing, ").ok_or_else(|| fail(wanted))?;
                let readers = readers.strip_suffix(" reading").ok_or_else(|| fail(wanted))?;
                let count = |text: &str| match text.parse() {
                    Ok(count @ 0..=8) => Ok(count),
                    _ => Err(fail(wanted)),
                };
                clients = Some(Clients { writers: count(writers)?, readers: count(readers)? });
            } else if let Some(how) = line.strip_prefix("row ") {
                warmth = match how {
                    "cached" => Warmth::Warm,
                    "cached nowhere" => Warmth::Cold,
                    _ => return Err(fail("expected row cached or row cached nowhere")),
                };
            } else {
                let clients: Clients =
                    clients.ok_or_else(|| fail("expected first: clients N writing, N reading"))?;
                let roles: Vec<_> = std::iter::repeat_n(Role::Writer, clients.writers)
                    .chain(std::iter::repeat_n(Role::Reader, clients.readers))
                    .collect();
                lines.push(Line::parse(line, &roles).map_err(|why| (at + 1, why))?);
            }
        }
        let missing = |what: &str| (1, format!("it has no line `{what}`"));
        Ok(Self {
            app: app.ok_or_else(|| missing("app FILE"))?,
            clients: clients.ok_or_else(|| missing("clients N writing, N reading"))?,
            warmth,
            lines,
        })
    }
}

impl AppFinding {
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

impl Line {
    /// What it carried, and what its operation ended with.
    fn said(&self) -> Option<String> {
        let mut said: Vec<String> = self.values.iter().map(short).collect();
        match &self.ended {
            None => {}
            Some(Ended::Read(value)) => {
                let value = value.as_ref().map_or_else(|| "absent".to_owned(), short);
                said.push(format!("answers {value}"));
            }
            Some(Ended::Written) => said.push("acknowledged".to_owned()),
            Some(Ended::Refused(why)) => said.push(format!("failed: {why}")),
            Some(Ended::Unknown(why)) => said.push(format!("unknown outcome: {why}")),
        }
        (!said.is_empty()).then(|| said.join(", "))
    }
}

/// A value as people know it from storms: a plain number.
fn short(value: &Value) -> String {
    value.to_string()
}

impl AppReport {
    pub(super) fn new(file: &AppFile) -> Self {
        Self { subject: subject(file), spaces: Vec::new(), finding: None }
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
                writeln!(f, "broken: {}: {}", finding.anomaly.class, finding.explanation())?;
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
        writeln!(
            f,
            "  = within: one row, one request each, an instance for each; requests to the stores held, \
             their replies not; no faults; no timers or background work of the application"
        )
    }
}

impl Line {
    fn text(&self) -> String {
        let values: Vec<_> = self.values.iter().map(token).collect();
        let shape = match values.as_slice() {
            [value] => self.shape.replace("{value}", value),
            _ => self.shape.to_string(),
        };
        format!("{}: {} {shape}", self.actor, self.site)
    }
}
