use std::fmt::{self, Display, Formatter};

use quarrel_checkers::Value;

use super::{Answer, Line, LineEvent, Pattern, Race, Setup, Shown, StoreEvent, ast::Cached};

/// Words that mean something else where a value could stand.
const RESERVED: [&str; 8] =
    ["miss", "ok", "refused", "gap", "failed", "unknown", "tombstone", "nil"];

impl Display for Race {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if !self.strategy.is_empty() {
            write!(f, "strategy {}", self.strategy)?;
            for (name, value) in &self.options {
                write!(f, " --{name} {}", Word(value))?;
            }
            writeln!(f)?;
        }
        for setup in &self.keys {
            writeln!(f, "{setup}")?;
        }
        let columns = Columns::of(self);
        for line in &self.lines {
            match &line.what {
                LineEvent::Group(lines) => {
                    columns.write(f, line, "", "{")?;
                    for line in lines {
                        columns.write(f, line, "  ", &line.what.to_string())?;
                    }
                    writeln!(f, "}}")?;
                }
                what => columns.write(f, line, "", &what.to_string())?,
            }
        }
        Ok(())
    }
}

impl Display for Line {
    /// As it stands in a file of its own, without the end of the line.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let alone = Race { lines: vec![self.clone()], ..Race::default() };
        f.write_str(alone.to_string().trim_end())
    }
}

/// Where `->` and `!` stand, so that a timeline can be read down.
struct Columns {
    time: usize,
    what: usize,
    reply: usize,
}

impl Columns {
    fn of(race: &Race) -> Self {
        let mut columns = Self { time: 0, what: 0, reply: 0 };
        for line in race.flat() {
            columns.time = columns.time.max(time(line).len());
            if let Some(reply) = reply(&line.what) {
                columns.what = columns.what.max(line.what.to_string().chars().count());
                columns.reply = columns.reply.max(reply.to_string().chars().count());
            }
        }
        columns
    }

    fn write(&self, f: &mut Formatter<'_>, line: &Line, indent: &str, what: &str) -> fmt::Result {
        let mut text = indent.to_owned();
        let time = time(line);
        if !time.is_empty() {
            text.push_str(&format!("{time:<width$} ", width = self.time));
        }
        match reply(&line.what) {
            Some(reply) => {
                text.push_str(&format!("{what:<width$} -> ", width = self.what));
                text.push_str(&format!("{:<width$}", reply.to_string(), width = self.reply));
            }
            None => text.push_str(what),
        }
        let claim = line.claim.map(|claim| claim.to_string());
        let comment = line.comment.as_ref().map(|comment| format!("# {}", comment.trim()));
        for more in claim.into_iter().chain(comment) {
            if !text.trim().is_empty() {
                text.push(' ');
            }
            text.push_str(&more);
        }
        writeln!(f, "{}", text.trim_end())
    }
}

fn time(line: &Line) -> String {
    let Some(at) = line.at else { return String::new() };
    let nanos = at.as_nanos();
    if nanos.is_multiple_of(1_000_000) {
        format!("t={}ms", nanos / 1_000_000)
    } else if nanos.is_multiple_of(1_000) {
        format!("t={}us", nanos / 1_000)
    } else {
        format!("t={nanos}ns")
    }
}

fn reply(what: &LineEvent) -> Option<&Answer> {
    match what {
        LineEvent::Step { reply, .. } => reply.as_ref(),
        LineEvent::Check { reply, .. } => Some(reply),
        _ => None,
    }
}

impl Display for LineEvent {
    /// Without the reply.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing | Self::Group(_) => Ok(()),
            Self::Step { actor, call, mishap, .. } => {
                write!(f, "{actor}: {call}")?;
                mishap.map_or(Ok(()), |mishap| write!(f, ", {mishap}"))
            }
            Self::Read { actor, key } => write!(f, "{actor}: read {key}"),
            Self::Write { actor, key, value } => {
                write!(f, "{actor}: write {key} = {}", Quoted(value))
            }
            Self::Crash { actor } => write!(f, "{actor}: crashes"),
            Self::Deliver { actor, call: None } => write!(f, "deliver {actor}"),
            Self::Deliver { actor, call: Some(call) } => write!(f, "deliver {actor}: {call}"),
            Self::Event(event) => event.fmt(f),
            Self::Check { site, object, .. } => write!(f, "check {site} {object}"),
        }
    }
}

impl Display for StoreEvent {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::PauseReplica => f.write_str("pause replica"),
            Self::ResumeReplica => f.write_str("resume replica"),
            Self::ReplayReplica => f.write_str("replay replica"),
            Self::ReplayTo(key, version) => write!(f, "replay replica to {key} v{version}"),
            Self::PauseAcks => f.write_str("pause acks"),
            Self::ResumeAcks => f.write_str("resume acks"),
            Self::HoldMessages => f.write_str("hold messages"),
            Self::ReleaseMessages => f.write_str("release messages"),
            Self::LoseMessages => f.write_str("lose messages"),
            Self::ReorderMessages => f.write_str("reorder messages"),
            Self::WipeCache => f.write_str("wipe cache"),
            Self::SaveCache => f.write_str("save cache"),
            Self::RestoreCache => f.write_str("restore cache"),
            Self::Evict(object) => write!(f, "evict {object}"),
            Self::Expire(object) => write!(f, "expire {object}"),
            Self::ManualUpdate(key, value) => {
                write!(f, "manual UPDATE {key} = {}", Quoted(value))
            }
            Self::Failover => f.write_str("failover"),
        }
    }
}

impl Display for Pattern {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.verb)?;
        self.site.map_or(Ok(()), |site| write!(f, " {site}"))?;
        if let Some(object) = &self.object {
            write!(f, " {object}")?;
        }
        self.content.as_ref().map_or(Ok(()), |content| write!(f, " = {content}"))
    }
}

impl Display for Shown {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => Quoted(value).fmt(f),
            Self::Tombstone(version) => write!(f, "tombstone v{version}"),
        }
    }
}

impl Display for Answer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Miss => f.write_str("miss"),
            Self::Ok => f.write_str("ok"),
            Self::Refused => f.write_str("refused"),
            Self::Gap => f.write_str("gap"),
            Self::Failed => f.write_str("failed"),
            Self::Unknown => f.write_str("unknown"),
            Self::Found(shown) => shown.fmt(f),
        }
    }
}

impl Display for Setup {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "key {}", self.key)?;
        match &self.value {
            None => return f.write_str(" absent"),
            Some(value) => write!(f, " = {}", Quoted(value))?,
        }
        match &self.cached {
            Cached::Nowhere => f.write_str(", cached nowhere"),
            Cached::ByStrategy => f.write_str(", cached"),
            Cached::As(value, version) => write!(f, ", cached = {} v{version}", Quoted(value)),
        }
    }
}

/// A value, in quotes if it would be read as something else.
struct Quoted<'a>(&'a Value);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Text(text) if text.parse::<i64>().is_ok() => quote(f, text),
            Value::Text(text) => Word(text).fmt(f),
            other => other.fmt(f),
        }
    }
}

/// A word, in quotes if it is none.
struct Word<'a>(&'a str);

impl Display for Word<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if is_word(self.0) && !RESERVED.contains(&self.0) {
            f.write_str(self.0)
        } else {
            quote(f, self.0)
        }
    }
}

/// Whether a text can stand without quotes.
pub(super) fn is_word(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('-')
        && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '@'))
}

fn quote(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            c => write!(f, "{c}")?,
        }
    }
    f.write_str("\"")
}
