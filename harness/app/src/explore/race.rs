//! An order of an application's messages, as a file that can be performed again.

use std::{fmt::Write as _, path::PathBuf, sync::Arc};

use quarrel_checkers::{Site, Value};

use super::{
    executor::{Choices, Ended, Execution, Role, Warmth},
    mishap::{AppFault, Deed},
    search::Clients,
    tree::Choice,
};
use crate::{file::Replies, token::token};

/// An order in which messages of an application go on.
#[derive(Clone, Debug, PartialEq)]
pub struct AppRace {
    /// The application's file.
    pub app: PathBuf,
    /// Who takes part.
    pub clients: Clients,
    /// What the cache held of the row.
    pub warmth: Warmth,
    /// What became of replies.
    pub replies: Replies,
    /// What goes on, in order.
    pub lines: Vec<MessageLine>,
}

/// One message that went on.
#[derive(Clone, Debug, PartialEq)]
pub struct MessageLine {
    actor: String,
    client: usize,
    site: Site,
    shape: Arc<str>,
    deed: Deed,
    values: Vec<Value>,
    ended: Option<Ended>,
}

impl MessageLine {
    pub(super) fn of(execution: &Execution, roles: &[Role]) -> Vec<Self> {
        let lines = execution.taken.iter().map(|taken| Self {
            actor: actor(roles, taken.choice.client),
            client: taken.choice.client,
            site: taken.choice.site,
            shape: Arc::clone(&taken.choice.shape),
            deed: taken.choice.deed.clone(),
            values: taken.values.clone(),
            ended: taken.ended.clone(),
        });
        lines.collect()
    }

    pub(super) fn is(&self, choice: &Choice) -> bool {
        self.client == choice.client
            && self.site == choice.site
            && self.shape == choice.shape
            && self.deed == choice.deed
    }

    /// A line of a race: `Writer A: cache "DEL profile:{key}"`.
    fn parse(text: &str, roles: &[Role]) -> Result<Self, String> {
        let wanted = "expected ACTOR: STORE \"MESSAGE\"";
        let (name, rest) = text.split_once(": ").ok_or(wanted)?;
        let client = (0..=roles.len()).find(|client| actor(roles, *client) == name);
        let client = client.ok_or_else(|| format!("`{name}` takes no part here"))?;
        let (store, shape) = rest.split_once(" \"").ok_or(wanted)?;
        let site = [Site::Primary, Site::Replica, Site::Cache]
            .into_iter()
            .find(|site| site.to_string() == store)
            .ok_or_else(|| format!("`{store}` is no store: expected primary, replica or cache"))?;
        let (shape, words) = shape.rsplit_once('"').ok_or(wanted)?;
        let deed = match client == roles.len() {
            true => Deed::of_shape(site, shape),
            false => Deed::of_words(words.trim()),
        };
        let deed = deed.ok_or_else(|| format!("`{text}` says something that cannot happen"))?;
        Ok(Self {
            actor: name.to_owned(),
            client,
            site,
            shape: shape.into(),
            deed,
            values: Vec::new(),
            ended: None,
        })
    }
}

/// `Writer A`, `Reader B`: letters go on from role to role.
pub(super) fn actor(roles: &[Role], client: usize) -> String {
    let letter = char::from(b'A' + u8::try_from(client).unwrap_or(25).min(25));
    match roles.get(client) {
        Some(Role::Writer) => format!("Writer {letter}"),
        Some(Role::Reader) => format!("Reader {letter}"),
        None => BESIDE.to_owned(),
    }
}

/// Who does what no client asked for.
const BESIDE: &str = "Beside them";

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
        if self.replies == Replies::Held {
            race.push_str("replies held\n");
        }
        for line in &self.lines {
            let _ = write!(race, "{}: {} \"{}\"", line.actor, line.site, line.shape);
            if !line.deed.words().is_empty() {
                let _ = write!(race, " {}", line.deed.words());
            }
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
        let mut replies = Replies::GoOn;
        let mut lines = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let fail = |why: &str| (at + 1, why.to_owned());
            // A comment begins behind the message, which may have the sign, and
            // has no quote itself.
            let quoted = line.rfind('"').map_or(0, |quote| quote + 1);
            let end = line[quoted..].find('#').map_or(line.len(), |sign| quoted + sign);
            let line = &line[..end];
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
            } else if line == "replies held" {
                replies = Replies::Held;
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
                lines.push(MessageLine::parse(line, &roles).map_err(|why| (at + 1, why))?);
            }
        }
        let missing = |what: &str| (1, format!("it has no line `{what}`"));
        Ok(Self {
            app: app.ok_or_else(|| missing("app FILE"))?,
            clients: clients.ok_or_else(|| missing("clients N writing, N reading"))?,
            warmth,
            replies,
            lines,
        })
    }

    /// What must be possible for it to be performed.
    pub(super) fn choices(&self) -> Choices {
        let faults = AppFault::names().filter_map(|name| name.parse().ok());
        let is_needed =
            |fault: &AppFault| self.lines.iter().any(|line| fault.brings(&line.deed, line.site));
        let mut faults: Vec<AppFault> = faults.filter(is_needed).collect();
        faults.dedup();
        let strikes = self.lines.iter().filter(|line| line.deed.is_fault()).count();
        Choices { faults, strikes, replies: self.replies }
    }
}

impl MessageLine {
    /// What it carried, and what its operation ended with.
    pub(super) fn said(&self) -> Option<String> {
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
        // It stands in a comment behind a quoted message.
        (!said.is_empty()).then(|| said.join(", ").replace('"', "'").replace(['\n', '\t'], " "))
    }
}

/// A value as people know it from storms: a plain number.
pub(super) fn short(value: &Value) -> String {
    value.to_string()
}

impl MessageLine {
    pub(super) fn text(&self) -> String {
        let values: Vec<_> = self.values.iter().map(token).collect();
        let shape = match values.as_slice() {
            [value] => self.shape.replace("{value}", value),
            _ => self.shape.to_string(),
        };
        format!("{}: {} {shape} {}", self.actor, self.site, self.deed.words()).trim_end().to_owned()
    }
}
