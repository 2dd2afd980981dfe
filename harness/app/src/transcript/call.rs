//! What one message asks of a store, and what its reply says to that.

use std::borrow::Cow;

use quarrel_checkers::{Certainty, Content, Key, Object, Reply, Site, Value};
use quarrel_faultproxy::attend::{self, StatementOutcome, WireRequest};

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
    /// Which element of the reply of EXEC its own reply is, if it was queued.
    pub(super) within: Option<usize>,
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
    /// Whether it was stored.
    Stored(NotStored),
}

/// Which reply of a command says that nothing was stored: a condition was not
/// fulfilled (NX, a comparison in a script).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotStored {
    Nil,
    /// Nothing, or nought.
    NilOrZero,
    /// It tells what was there before, and stores only where nothing was.
    Something,
    /// It tells what was there before, and stores in any case.
    Never,
}

impl NotStored {
    fn of(name: &str, words: Option<&[Vec<u8>]>) -> Self {
        let has = |option: &str| {
            let options = words.unwrap_or_default().iter().skip(3);
            options.into_iter().any(|word| word.eq_ignore_ascii_case(option.as_bytes()))
        };
        match name {
            "GETSET" => Self::Never,
            "SET" if has("GET") && has("NX") => Self::Something,
            "SET" if has("GET") && !has("XX") => Self::Never,
            "SETNX" | "MSETNX" | "HSETNX" => Self::NilOrZero,
            _ if runs_a_script(name) => Self::NilOrZero,
            _ => Self::Nil,
        }
    }

    const fn says(self, value: &attend::WireValue) -> bool {
        use attend::WireValue::{Boolean, Integer, Nil};
        match self {
            Self::Nil => matches!(value, Nil | Boolean(false)),
            Self::NilOrZero => matches!(value, Nil | Boolean(false) | Integer(0)),
            Self::Something => !matches!(value, Nil),
            Self::Never => false,
        }
    }
}

fn runs_a_script(name: &str) -> bool {
    matches!(name, "EVAL" | "EVALSHA" | "FCALL")
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
pub(super) fn of_redis(request: &WireRequest, names: &mut Names, asked: Option<Key>) -> Vec<Asked> {
    let name = request.name.split(' ').next().unwrap_or_default().to_owned();
    let arguments = arguments(request);
    let is_evaluated = runs_a_script(&name);
    let stored = Brings::Stored(NotStored::of(&name, arguments.as_deref()));
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
            ("SET".into(), stored)
        } else if matches!(name.as_str(), "SET" | "SETEX" | "PSETEX" | "SETNX" | "HSET" | "GETSET")
        {
            let text =
                arguments.as_ref().and_then(|all| all.get(if at_end(&name) { 3 } else { 2 }));
            let number = text.and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
            argument = Some(match number {
                Some(number) if !is_entry => Content::Number(number),
                _ => Content::Marker,
            });
            ("SET".into(), stored)
        } else if is_evaluated && argument.is_none() {
            // A script may read or write; its reply tells whether it read.
            (name.clone().into(), Brings::Entry(None))
        } else if is_evaluated {
            ("SET".into(), stored)
        } else {
            (name.clone().into(), Brings::Done)
        };
        let object = Some(object);
        all.push(Asked { site: Site::Cache, verb, object, argument, brings, within: None });
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
fn arguments(request: &WireRequest) -> Option<Vec<Vec<u8>>> {
    let attend::WireValue::Array(words) = attend::WireValue::parse(&request.raw)? else {
        return None;
    };
    words.iter().map(|word| word.bytes().map(<[u8]>::to_vec)).collect()
}

/// What a message to Postgres asks for, of whose values these count.
pub(super) fn of_sql<'a>(
    request: &WireRequest,
    message: &Message,
    written: impl Iterator<Item = &'a Value>,
    names: &Names,
    asked: Option<Key>,
) -> Vec<Asked> {
    let keys = names.keys(&request.keys);
    let key = keys.first().copied().or(asked);
    let written: Vec<(Key, Value)> =
        written.filter_map(|value| Some((names.of(value)?, value.clone()))).collect();
    let one = |verb: Cow<'static, str>, key: Option<Key>, argument, brings| Asked {
        site: message.site,
        verb,
        object: key.map(Object::of),
        argument,
        brings,
        within: None,
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
pub(super) fn told_by_redis(asked: &Asked, reply: &attend::WireReply, names: &Names) -> Reply {
    if let Some(error) = &reply.error {
        return failed(error);
    }
    told_by_value(asked, reply.value(), names)
}

fn told_by_value(asked: &Asked, value: Option<attend::WireValue>, names: &Names) -> Reply {
    let own = match (asked.within, value) {
        (Some(at), Some(attend::WireValue::Array(all))) => all.into_iter().nth(at),
        (Some(_), _) => None,
        (None, value) => value,
    };
    if let Some(attend::WireValue::Error(error)) = &own {
        return failed(error.split(' ').next().unwrap_or_default());
    }
    let element = match (asked.brings, own) {
        (Brings::Entry(Some(at)), Some(attend::WireValue::Array(all))) => all.into_iter().nth(at),
        (_, own) => own,
    };
    let Some(value) = element else {
        return Reply::Failed { certainty: Certainty::Indefinite, error: "cut".to_owned() };
    };
    match asked.brings {
        Brings::Entry(_) => found(&value, names),
        Brings::Stored(not) if not.says(&value) => Reply::Refused,
        _ => Reply::Done { version: None },
    }
}

fn found(value: &attend::WireValue, names: &Names) -> Reply {
    let mut bytes = Vec::new();
    flatten(value, &mut bytes);
    match (value, names.first_in(&bytes)) {
        (_, Some((_, value))) => Reply::Found(row(value)),
        (attend::WireValue::Nil, _) => Reply::Miss,
        (attend::WireValue::Array(all), _) if all.is_empty() => Reply::Miss,
        (attend::WireValue::Map(all), _) if all.is_empty() => Reply::Miss,
        (attend::WireValue::Integer(number), _) => {
            Reply::Found(u64::try_from(*number).map_or(Content::Marker, Content::Number))
        }
        _ => Reply::Found(Content::Marker),
    }
}

fn flatten(value: &attend::WireValue, into: &mut Vec<u8>) {
    match value {
        attend::WireValue::Array(all) => all.iter().for_each(|one| flatten(one, into)),
        attend::WireValue::Map(all) => {
            for (key, value) in all {
                flatten(key, into);
                flatten(value, into);
            }
        }
        attend::WireValue::Cut(bytes) => into.extend_from_slice(bytes),
        other => into.extend_from_slice(other.bytes().unwrap_or_default()),
    }
    into.push(b' ');
}

/// What a reply of Postgres says to what was asked.
pub(super) fn told_by_sql(asked: &Asked, outcomes: &[StatementOutcome], names: &Names) -> Reply {
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use quarrel_checkers::Key;

    use super::*;
    use crate::{AppFile, commits::Announced, token::token};

    fn names() -> Names {
        let file = "[app]\ncommand = \"true\"\n[read]\nrequest = \"GET /{key}\"\nvalue = \"body\"\n\
                    [write]\nrequest = \"PUT /{key}\"\nbody = \"{value}\"\n[rows]\n\
                    insert = \"INSERT INTO t VALUES ({key}, {value})\"\n\
                    select = \"SELECT n FROM t WHERE id = {key}\"\n";
        let announced = Announced::default();
        announced.lock().unwrap().insert(Value::Int(28), Key(1));
        Names::new(&AppFile::parse(Path::new("app.toml"), file).unwrap(), announced.into())
    }

    fn asked(name: &str, words: &[&str], within: Option<usize>) -> Asked {
        let words: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        Asked {
            site: Site::Cache,
            verb: "SET".into(),
            object: Some(Object::of(Key(1))),
            argument: Some(row(Value::Int(28))),
            brings: Brings::Stored(NotStored::of(name, Some(&words))),
            within,
        }
    }

    fn told(asked: &Asked, reply: &str) -> Reply {
        told_by_value(asked, attend::WireValue::parse(&reply.as_bytes().to_vec().into()), &names())
    }

    const DONE: Reply = Reply::Done { version: None };

    #[test]
    fn what_a_condition_kept_from_being_stored_was_refused() {
        let set = |options: &[&str]| asked("SET", &[&["SET", "k", "v"], options].concat(), None);
        assert_eq!(told(&set(&[]), "+OK\r\n"), DONE);
        assert_eq!(told(&set(&["NX"]), "$-1\r\n"), Reply::Refused);
        assert_eq!(told(&set(&["get"]), "$-1\r\n"), DONE);
        assert_eq!(told(&set(&["NX", "GET"]), "$-1\r\n"), DONE);
        assert_eq!(told(&set(&["NX", "GET"]), "$1\r\nx\r\n"), Reply::Refused);
        assert_eq!(told(&set(&["XX", "GET"]), "_\r\n"), Reply::Refused);
        assert_eq!(told(&asked("SETNX", &[], None), ":0\r\n"), Reply::Refused);
        assert_eq!(told(&asked("GETSET", &[], None), "$-1\r\n"), DONE);
        // The field was there before.
        assert_eq!(told(&asked("HSET", &[], None), ":0\r\n"), DONE);
    }

    #[test]
    fn each_command_of_exec_has_an_answer_of_its_own() {
        let exec = format!(
            "*5\r\n$10\r\n{}\r\n$-1\r\n-WRONGTYPE of a kind\r\n+OK\r\n*2\r\n$-1\r\n$10\r\n{}\r\n",
            token(&Value::Int(28)),
            token(&Value::Int(28))
        );
        let set = |at| asked("SET", &["SET", "k", "v", "NX"], Some(at));
        assert_eq!(told(&set(1), &exec), Reply::Refused);
        let failed = Reply::Failed { certainty: Certainty::Definite, error: "WRONGTYPE".into() };
        assert_eq!(told(&set(2), &exec), failed);
        assert_eq!(told(&set(3), &exec), DONE);
        let indefinite =
            Reply::Failed { certainty: Certainty::Indefinite, error: "cut".to_owned() };
        assert_eq!(told(&set(5), &exec), indefinite);
        let get = |element, at| Asked {
            argument: None,
            brings: Brings::Entry(element),
            ..asked("GET", &[], Some(at))
        };
        let found = Reply::Found(row(Value::Int(28)));
        assert_eq!(told(&get(None, 0), &exec), found);
        assert_eq!(told(&get(Some(0), 4), &exec), Reply::Miss);
        assert_eq!(told(&get(Some(1), 4), &exec), found);
    }
}
