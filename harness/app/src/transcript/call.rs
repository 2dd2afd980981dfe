//! What one message asks of a store, and what its reply says to that.

use std::borrow::Cow;

use quarrel_checkers::{Certainty, Content, Key, Object, Reply, Site, Value};
use quarrel_faultproxy::attend::{self, Outcome, Request};

use super::Names;
use crate::wire::{Effect, Message};

/// One thing that a message asks for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Asked {
    pub(super) site: Site,
    pub(super) verb: Cow<'static, str>,
    pub(super) object: Option<Object>,
    pub(super) argument: Option<Content>,
    pub(super) brings: Brings,
}

/// What its reply brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Brings {
    /// What an entry holds: the whole reply, or one of its elements.
    Entry(Option<usize>),
    /// Rows.
    Rows,
    /// Whether it was done.
    Done,
}

/// Commands that read an entry's content.
const READS: [&str; 15] = [
    "GET", "MGET", "GETEX", "GETRANGE", "HGET", "HGETALL", "HMGET", "HVALS", "LRANGE", "LINDEX",
    "SMEMBERS", "ZRANGE", "EVAL_RO", "JSON.GET", "DUMP",
];
/// Commands that tell something about an entry.
const GLANCES: [&str; 11] = [
    "WATCH",
    "EXISTS",
    "TTL",
    "PTTL",
    "TYPE",
    "STRLEN",
    "HLEN",
    "HKEYS",
    "HEXISTS",
    "LLEN",
    "SISMEMBER",
];
/// Commands that take an entry, or a part of it, away.
const REMOVES: [&str; 8] = ["DEL", "UNLINK", "GETDEL", "HDEL", "SREM", "LPOP", "JSON.DEL", "LTRIM"];
/// Commands that set a time after which the entry is gone.
const EXPIRES: [&str; 4] = ["EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT"];

/// What a value of ours is as a row; the primary's log tells its version.
fn row(value: Value) -> Content {
    Content::Row { value, version: 0 }
}

/// What a command of Redis asks for, one thing for each key.
pub(super) fn of_redis(request: &Request, names: &mut Names, asked: Option<Key>) -> Vec<Asked> {
    let name = request.name.split(' ').next().unwrap_or_default().to_owned();
    let arguments = arguments(request);
    let is_evaluated = matches!(name.as_str(), "EVAL" | "EVALSHA" | "FCALL");
    let is_pairs = matches!(name.as_str(), "MSET" | "MSETNX");
    let mut all = Vec::with_capacity(request.keys.len());
    for (at, key) in request.keys.iter().enumerate() {
        let carried = match &arguments {
            Some(arguments) if is_pairs => {
                arguments.get(2 + 2 * at).and_then(|bytes| names.first_in(bytes))
            }
            // Of several keys of a script the first is taken for the entry.
            _ if at == 0 => names.first_in(&request.raw),
            _ => None,
        };
        let is_read = READS.contains(&name.as_str());
        let stores = !is_read && !GLANCES.contains(&name.as_str()) && carried.is_some();
        let of = carried.as_ref().filter(|_| stores).map(|(key, _)| *key);
        let Some(mut object) = names.object(key, of, asked) else { continue };
        let is_entry = object.space.is_empty();
        let mut argument = carried.filter(|_| stores).map(|(_, value)| row(value));
        let (verb, brings): (Cow<'static, str>, _) = if is_read {
            let element = (name == "MGET").then_some(at);
            ("GET".into(), Brings::Entry(element))
        } else if GLANCES.contains(&name.as_str()) {
            // It says nothing about what the entry holds.
            object.space = format!("{} {}", name.to_lowercase(), object.space).into();
            (name.clone().into(), Brings::Entry(None))
        } else if REMOVES.contains(&name.as_str()) || expires_at_once(&name, arguments.as_deref()) {
            ("DEL".into(), Brings::Done)
        } else if argument.is_some() && !is_evaluated {
            ("SET".into(), Brings::Done)
        } else if matches!(name.as_str(), "SET" | "SETEX" | "PSETEX" | "SETNX" | "HSET" | "GETSET")
        {
            let text =
                arguments.as_ref().and_then(|all| all.get(if at_end(&name) { 3 } else { 2 }));
            let number = text.and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
            argument = Some(match number {
                Some(number) if !is_entry => Content::Number(number),
                _ => Content::Marker,
            });
            ("SET".into(), Brings::Done)
        } else if is_evaluated && argument.is_none() {
            // A script may read or write; its reply tells whether it read.
            (name.clone().into(), Brings::Entry(None))
        } else if is_evaluated {
            ("SET".into(), Brings::Done)
        } else {
            (name.clone().into(), Brings::Done)
        };
        all.push(Asked { site: Site::Cache, verb, object: Some(object), argument, brings });
    }
    all
}

/// Commands whose value stands behind a time.
fn at_end(name: &str) -> bool {
    matches!(name, "SETEX" | "PSETEX" | "HSET")
}

fn expires_at_once(name: &str, arguments: Option<&[Vec<u8>]>) -> bool {
    let time = || std::str::from_utf8(arguments?.get(2)?).ok()?.parse::<i64>().ok();
    EXPIRES.contains(&name) && time().is_some_and(|time| time <= 0)
}

/// The words of a command.
fn arguments(request: &Request) -> Option<Vec<Vec<u8>>> {
    let attend::Value::Array(words) = attend::Value::parse(&request.raw)? else { return None };
    words.iter().map(|word| word.bytes().map(<[u8]>::to_vec)).collect()
}

/// What a message to Postgres asks for.
pub(super) fn of_sql(
    request: &Request,
    message: &Message,
    names: &Names,
    asked: Option<Key>,
) -> Vec<Asked> {
    let keys = names.keys(&request.keys);
    let key = keys.first().copied().or(asked);
    let written: Vec<(Key, Value)> =
        message.values.iter().filter_map(|value| Some((names.of(value)?, value.clone()))).collect();
    let one = |verb: Cow<'static, str>, key: Option<Key>, argument, brings| Asked {
        site: message.site,
        verb,
        object: key.map(Object::of),
        argument,
        brings,
    };
    let name = || Cow::Owned(request.name.clone());
    let rows = if request.name == "SELECT" { Brings::Rows } else { Brings::Done };
    let each = |verb: &dyn Fn() -> Cow<'static, str>| -> Vec<Asked> {
        if written.is_empty() {
            return vec![one(verb(), key, None, rows)];
        }
        let one = |(key, value): &(Key, Value)| {
            one(verb(), Some(*key), Some(row(value.clone())), Brings::Done)
        };
        written.iter().map(one).collect()
    };
    match message.effect {
        Effect::Local => Vec::new(),
        Effect::Reads => {
            let keys =
                if keys.is_empty() { vec![key] } else { keys.iter().map(|k| Some(*k)).collect() };
            keys.into_iter().map(|key| one("SELECT".into(), key, None, Brings::Rows)).collect()
        }
        // Nobody sees it yet: COMMIT will be the step that wrote it.
        Effect::Hidden => vec![one(name(), key, None, rows)],
        Effect::Writes => each(&name),
        Effect::Commits => each(&|| "COMMIT".into()),
        Effect::TakesBack => vec![one("ROLLBACK".into(), key, None, Brings::Done)],
    }
}

/// What a reply of Redis says to what was asked.
pub(super) fn told_by_redis(asked: &Asked, reply: &attend::Reply, names: &Names) -> Reply {
    if let Some(error) = &reply.error {
        return failed(error);
    }
    let value = reply.value();
    let element = match (asked.brings, value) {
        (Brings::Entry(Some(at)), Some(attend::Value::Array(all))) => all.into_iter().nth(at),
        (_, value) => value,
    };
    let Some(value) = element else {
        return Reply::Failed { certainty: Certainty::Indefinite, error: "cut".to_owned() };
    };
    match asked.brings {
        Brings::Entry(_) => found(&value, names),
        _ if asked.argument.is_some() => match value {
            // A condition (NX, a script's comparison) was false.
            attend::Value::Nil | attend::Value::Boolean(false) => Reply::Refused,
            attend::Value::Integer(0) if asked.verb == "SET" && is_compared(reply) => {
                Reply::Refused
            }
            _ => Reply::Done { version: None },
        },
        _ => Reply::Done { version: None },
    }
}

/// HSET answers 0 for a field that it replaced: only what answers nothing but a
/// number, and stored nothing, says so by it. `SETNX` and scripts do.
fn is_compared(reply: &attend::Reply) -> bool {
    reply.summary.starts_with(":0")
}

fn found(value: &attend::Value, names: &Names) -> Reply {
    let mut bytes = Vec::new();
    flatten(value, &mut bytes);
    match (value, names.first_in(&bytes)) {
        (_, Some((_, value))) => Reply::Found(row(value)),
        (attend::Value::Nil, _) => Reply::Miss,
        (attend::Value::Array(all), _) if all.is_empty() => Reply::Miss,
        (attend::Value::Map(all), _) if all.is_empty() => Reply::Miss,
        (attend::Value::Integer(number), _) => {
            Reply::Found(u64::try_from(*number).map_or(Content::Marker, Content::Number))
        }
        _ => Reply::Found(Content::Marker),
    }
}

fn flatten(value: &attend::Value, into: &mut Vec<u8>) {
    match value {
        attend::Value::Array(all) => all.iter().for_each(|one| flatten(one, into)),
        attend::Value::Map(all) => {
            for (key, value) in all {
                flatten(key, into);
                flatten(value, into);
            }
        }
        attend::Value::Cut(bytes) => into.extend_from_slice(bytes),
        other => into.extend_from_slice(other.bytes().unwrap_or_default()),
    }
    into.push(b' ');
}

/// What a reply of Postgres says to what was asked.
pub(super) fn told_by_sql(asked: &Asked, outcomes: &[Outcome], names: &Names) -> Reply {
    if let Some(error) = outcomes.iter().find_map(|outcome| outcome.error.as_ref()) {
        return failed(&error.code);
    }
    let tags = || outcomes.iter().map(|outcome| outcome.tag.as_str());
    if asked.brings == Brings::Rows {
        let key = asked.object.as_ref().map(|object| object.key);
        let rows = outcomes.iter().flat_map(|outcome| &outcome.rows);
        let mut cells = rows.flat_map(|row| row.iter().flatten()).peekable();
        if cells.peek().is_none() {
            return Reply::Miss;
        }
        let mut values = cells.filter_map(|cell| names.first_in(cell));
        let of_it = values.find(|(of, _)| key.is_none_or(|key| key == *of));
        return Reply::Found(of_it.map_or(Content::Marker, |(_, value)| row(value)));
    }
    if asked.verb == "COMMIT" && tags().any(|tag| tag == "ROLLBACK") {
        return Reply::Refused;
    }
    match tags().any(touched_nothing) {
        true => Reply::Refused,
        false => Reply::Done { version: None },
    }
}

/// Whether a tag says that no row was changed: `UPDATE 0`.
pub(super) fn touched_nothing(tag: &str) -> bool {
    let writes = ["UPDATE ", "INSERT ", "DELETE ", "MERGE "];
    writes.iter().any(|word| tag.starts_with(word)) && tag.ends_with(" 0")
}

/// A store that answers with an error has done nothing.
fn failed(error: &str) -> Reply {
    Reply::Failed { certainty: Certainty::Definite, error: error.to_owned() }
}
