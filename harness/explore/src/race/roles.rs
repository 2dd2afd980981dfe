use quarrel_checkers::{Key, Value};
use quarrel_strategy::strategy::Action;

use super::{Line, LineEvent, Race, Shown};

/// What an actor does, by the first word of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Every operation is a write.
    Writer,
    /// Every operation is a read.
    Reader,
    /// It says what it begins.
    Client,
    /// A background agent of the strategy.
    Agent,
    /// The nth job that operations put off, counted from 1.
    Job(usize),
}

impl Role {
    pub(super) fn of(actor: &str) -> Self {
        let (first, rest) = actor.split_once(' ').unwrap_or((actor, ""));
        match (first, rest.parse()) {
            ("Writer", _) => Self::Writer,
            ("Reader", _) => Self::Reader,
            ("Agent", _) => Self::Agent,
            ("Job", Ok(number)) => Self::Job(number),
            _ => Self::Client,
        }
    }

    /// Whether it is a client of the application.
    pub(super) const fn is_client(self) -> bool {
        matches!(self, Self::Writer | Self::Reader | Self::Client)
    }
}

/// A step of an actor that has no operation open and does not say which one it
/// begins.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "line {line}, column {column}: expected what {actor} begins, as in `{actor}: read 1` or \
     `{actor}: write 1 = Alice`, or a Reader or Writer; found a step of no operation"
)]
pub struct NothingBegun {
    /// The line of the step.
    pub line: usize,
    /// Where in it.
    pub column: usize,
    /// Who makes it.
    pub actor: String,
}

/// The clients of a race, in order of appearance.
pub(super) fn clients(race: &Race) -> Vec<String> {
    let actors = race.actors().into_iter();
    actors.filter(|actor| Role::of(actor).is_client()).map(str::to_owned).collect()
}

/// The operation that an idle client begins with the step at `position` of the
/// race's flat lines.
pub(super) fn begun_by(race: &Race, position: usize) -> Result<Action, NothingBegun> {
    let lines: Vec<&Line> = race.flat().collect();
    let line = lines[position];
    let actor = line.what.actor().unwrap_or_default();
    let key = match &line.what {
        LineEvent::Step { call, .. } => call.object.as_ref().map(|object| object.key),
        _ => None,
    };
    let key = key.or_else(|| race.keys.first().map(|setup| setup.key)).unwrap_or(Key(1));
    match Role::of(actor) {
        Role::Reader => Ok(Action::Read(key)),
        Role::Writer => {
            let value = value_written(&lines[position..], actor);
            // A write that dies before it says its value needs some value.
            let value =
                value.unwrap_or_else(|| Value::from(format!("{actor} {position}").as_str()));
            Ok(Action::Write(key, value))
        }
        _ => Err(NothingBegun { line: line.number, column: line.column, actor: actor.to_owned() }),
    }
}

/// The value that the actor's next UPDATE stores, or else the first that it
/// stores at all.
fn value_written(lines: &[&Line], actor: &str) -> Option<Value> {
    let mut stored = lines.iter().filter_map(|line| match &line.what {
        LineEvent::Step { actor: of, call, .. } if of == actor => match &call.content {
            Some(Shown::Value(value)) => Some((call.verb.as_str(), value)),
            _ => None,
        },
        _ => None,
    });
    let update = stored.clone().find(|(verb, _)| *verb == "UPDATE");
    update.or_else(|| stored.next()).map(|(_, value)| value.clone())
}
