//! What an instance says to its stores, as steps: which store, what kind of
//! call, about which row, with which value.

use std::{collections::HashMap, sync::Arc};

use quarrel_checkers::{Site, Value};
use quarrel_faultproxy::{
    Ends, Strength, Transaction,
    attend::{Detail, Request},
};

use super::{
    habits::{
        begins_a_transaction, calls_the_unknown, does_something, is_a_reset, is_about_nothing,
        returns_to_a_savepoint, runs_a_script, strongest_of,
    },
    literals::{Piece, pieces},
    token::values_in,
};

/// What a message can change, as far as others can see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Effect {
    /// Nothing that anybody else sees, and nothing that anybody else does
    /// changes what it brings.
    Local,
    /// Reads what others write.
    Reads,
    /// Writes what nobody sees before it is committed, or locks rows.
    Hidden,
    /// Writes, or may write.
    Writes,
    /// Makes hidden writes seen.
    Commits,
    /// Takes hidden writes back.
    TakesBack,
}

/// One message to a store.
#[derive(Clone, Debug)]
pub(super) struct Message {
    /// The number that the fault proxy gave it.
    pub(super) id: u64,
    pub(super) site: Site,
    /// Its text, with the row's number and what varies left out; empty if no row
    /// was named.
    pub(super) shape: Arc<str>,
    pub(super) effect: Effect,
    /// Keys of a Redis command; none of one that may touch others as well.
    pub(super) keys: Vec<String>,
    /// Values that stand in it.
    pub(super) values: Vec<Value>,
}

/// What is known of each connection.
#[derive(Debug, Default)]
pub(super) struct Connections(HashMap<(Arc<str>, u64), Open>);

#[derive(Debug, Default)]
struct Open {
    /// The transaction has written or locked.
    wrote: bool,
    /// The session may hold advisory locks, which its reset lets go.
    locked: bool,
    /// What a MULTI has queued; none outside of one.
    queued: Option<(Vec<String>, Vec<Value>)>,
    /// Keys on which the next EXEC depends.
    watched: Vec<String>,
    /// What is queued may touch keys that it does not name.
    queues_unnamed: bool,
    /// Values that the transaction has written.
    pending: Vec<Value>,
}

/// Commands of Redis that say nothing to others and hear nothing from them.
const SILENT: [&str; 12] = [
    "PING", "HELLO", "CLIENT", "AUTH", "SELECT", "COMMAND", "ECHO", "INFO", "READONLY", "QUIT",
    "SCRIPT", "CONFIG",
];

/// Commands of Redis that only read. What is in neither list writes.
const READING: [&str; 25] = [
    "GET",
    "MGET",
    "HGET",
    "HGETALL",
    "HMGET",
    "HVALS",
    "HKEYS",
    "HLEN",
    "HEXISTS",
    "EXISTS",
    "TTL",
    "PTTL",
    "STRLEN",
    "SMEMBERS",
    "SISMEMBER",
    "SCARD",
    "LRANGE",
    "LLEN",
    "ZRANGE",
    "ZSCORE",
    "ZCARD",
    "TYPE",
    "GETRANGE",
    "DUMP",
    "EVAL_RO",
];

impl Connections {
    /// What a request is; its shape, too, if the number of a row is given.
    pub(super) fn message(
        &mut self,
        proxy: &Arc<str>,
        connection: u64,
        site: Site,
        request: &Request,
        row: Option<u64>,
    ) -> Message {
        let open = self.0.entry((Arc::clone(proxy), connection)).or_default();
        let mut values: Vec<Value> = values_in(&request.raw).collect();
        let mut keys = request.keys.clone();
        let effect = match &request.detail {
            _ if request.handshake => Effect::Local,
            Detail::Postgres { strongest, settles, transaction, ends, .. } => {
                keys.clear();
                values.extend(
                    request
                        .keys
                        .iter()
                        .flat_map(|key| values_in(key.as_bytes()).collect::<Vec<_>>()),
                );
                let mut names = request.statements.iter().map(|one| one.name.as_str());
                let block = match *transaction {
                    Some(block) if block != Transaction::Idle => block,
                    _ if names.any(begins_a_transaction) => Transaction::Open,
                    _ => Transaction::Idle,
                };
                // What was not waited for to its end may be anything.
                let own = match ends {
                    Ends::Open => (*strongest).max(Strength::Write),
                    _ => *strongest,
                };
                let strongest = strongest_of(own, *settles, block);
                open.group(strongest, request.statements.iter().map(|one| one.strength));
                open.sql(strongest, block, &request.text, &mut values)
            }
            _ => open.redis(&request.name, &mut keys, &mut values),
        };
        values.dedup();
        let shape: Arc<str> = row.map_or_else(Arc::default, |row| match site {
            Site::Cache => command(&request.name, &keys, row).into(),
            _ => sql(&request.text, row).into(),
        });
        let executes_unnamed = open.queues_unnamed && request.name == "EXEC";
        if runs_a_script(&request.name) || executes_unnamed {
            keys.clear();
        }
        Message { id: request.id, site, shape, effect, keys, values }
    }

    /// A connection that is over.
    pub(super) fn closed(&mut self, proxy: &Arc<str>, connection: u64) {
        self.0.remove(&(Arc::clone(proxy), connection));
    }
}

impl Open {
    /// A group of statements that ends its transaction itself, as a single one
    /// does outside of a block, does at once what is in it.
    fn group(&mut self, strongest: Strength, mut all: impl Iterator<Item = Strength>) {
        let ends = matches!(strongest, Strength::Commit | Strength::Rollback);
        self.wrote |= ends && all.any(does_something);
    }

    fn sql(
        &mut self,
        strongest: Strength,
        block: Transaction,
        text: &str,
        values: &mut Vec<Value>,
    ) -> Effect {
        let is_open = block == Transaction::Open;
        let resets = is_a_reset(text);
        let locks = !resets && text.to_lowercase().contains("advisory");
        self.locked |= locks;
        match strongest {
            _ if resets && !self.locked => Effect::Local,
            // Who gets a lock first matters, and when it is let go.
            Strength::Session | Strength::Read if resets || locks => {
                self.wrote |= is_open;
                Effect::Writes
            }
            Strength::Nothing | Strength::Session => Effect::Local,
            Strength::Read if is_about_nothing(text) => Effect::Local,
            Strength::Read if calls_the_unknown(text) => {
                self.wrote |= is_open;
                Effect::Writes
            }
            Strength::Read => Effect::Reads,
            Strength::Lock => {
                self.wrote |= is_open;
                Effect::Hidden
            }
            Strength::Write if is_open => {
                self.wrote = true;
                self.pending.append(&mut values.clone());
                Effect::Hidden
            }
            // What was written before the savepoint stands.
            Strength::Rollback if returns_to_a_savepoint(text) => {
                if self.wrote {
                    Effect::Hidden
                } else {
                    Effect::Local
                }
            }
            Strength::Rollback => {
                self.pending.clear();
                if std::mem::take(&mut self.wrote) { Effect::TakesBack } else { Effect::Local }
            }
            Strength::Commit => {
                values.append(&mut self.pending);
                if std::mem::take(&mut self.wrote) || !values.is_empty() {
                    Effect::Commits
                } else {
                    Effect::Local
                }
            }
            // Whatever else there is may write.
            _ => Effect::Writes,
        }
    }

    fn redis(&mut self, name: &str, keys: &mut Vec<String>, values: &mut Vec<Value>) -> Effect {
        let first = name.split(' ').next().unwrap_or_default();
        match (first, &mut self.queued) {
            ("MULTI", _) => {
                self.queued = Some((Vec::new(), Vec::new()));
                self.queues_unnamed = false;
                Effect::Local
            }
            ("EXEC", queued) => {
                let (mut all, mut written) = queued.take().unwrap_or_default();
                keys.append(&mut all);
                values.append(&mut written);
                // Whoever changes one of these before it, undoes it.
                self.watched.retain(|key| !keys.contains(key));
                keys.append(&mut self.watched);
                Effect::Writes
            }
            ("DISCARD", queued) => {
                *queued = None;
                self.watched.clear();
                Effect::Local
            }
            ("UNWATCH", None) => {
                self.watched.clear();
                Effect::Local
            }
            // What is queued happens with EXEC.
            (_, Some((all, written))) => {
                all.append(&mut keys.clone());
                written.append(&mut values.clone());
                self.queues_unnamed |= runs_a_script(first) || first.starts_with("FLUSH");
                Effect::Local
            }
            ("WATCH", None) => {
                self.watched.extend_from_slice(keys);
                Effect::Reads
            }
            (first, None) if SILENT.contains(&first) => Effect::Local,
            (first, None) if READING.contains(&first) => Effect::Reads,
            _ => Effect::Writes,
        }
    }
}

/// A command of Redis by its keys: values, times and options vary.
fn command(name: &str, keys: &[String], row: u64) -> String {
    keys.iter().fold(name.to_owned(), |shape, key| {
        let key = blank(key, row);
        format!("{shape} {key}")
    })
}

/// The text of SQL with its literals and comments left out.
fn sql(text: &str, row: u64) -> String {
    let mut shape = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece {
            Piece::Text(literal) => {
                let is_value = values_in(literal.as_bytes()).next().is_some();
                shape.push_str(if is_value { "{value}" } else { "?" });
            }
            Piece::Number(digits) => {
                shape.push_str(if digits.parse() == Ok(row) { "{key}" } else { "?" });
            }
            Piece::Space if shape.ends_with(' ') => {}
            Piece::Space => shape.push(' '),
            Piece::Sign(sign) => shape.push(sign),
        }
    }
    // A comment may be the last.
    shape.truncate(shape.trim_end().len());
    shape
}

/// So many hexadecimal digits in a row are a hash.
const HASH: usize = 16;

/// A key with the row's number, and other numbers and hashes, left out. Bytes
/// that are no text are one thing, whatever they are.
pub(super) fn blank(key: &str, row: u64) -> String {
    if key.contains('\u{fffd}') {
        return "{bytes}".to_owned();
    }
    let mut blank = String::with_capacity(key.len());
    let mut rest = key;
    while let Some(first) = rest.chars().next() {
        let run = |is_in: fn(&char) -> bool| rest.chars().take_while(is_in).count();
        let (digits, hash) = (run(char::is_ascii_digit), run(char::is_ascii_hexdigit));
        if digits > 0 && rest[..digits].parse() == Ok(row) {
            blank.push_str("{key}");
            rest = &rest[digits..];
        } else if hash >= HASH {
            blank.push_str("{hash}");
            rest = &rest[hash..];
        } else if digits > 0 {
            blank.push('?');
            rest = &rest[digits..];
        } else {
            blank.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    blank
}

/// Whether a shape is the one that a person wrote, where `*` at the end stands
/// for anything.
pub(super) fn fits(shape: &str, pattern: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => shape.starts_with(start),
        None => shape == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_left_out_of_a_shape() {
        let text = "UPDATE  t1 SET name='v000000007', at = '2026-01-01'\n WHERE id = 12 AND n < 13";
        assert_eq!(sql(text, 12), "UPDATE t1 SET name={value}, at = ? WHERE id = {key} AND n < ?");
        assert_eq!(command("SET", &["profile:12:v3".to_owned()], 12), "SET profile:{key}:v?");
        assert_eq!(sql("SELECT $1 FROM t WHERE id = $2", 1), "SELECT $1 FROM t WHERE id = $2");
    }

    #[test]
    fn what_is_queued_happens_with_exec() {
        let mut open = Open::default();
        let (mut keys, mut values) = (vec!["a".to_owned()], vec![Value::Int(1)]);
        assert_eq!(open.redis("MULTI", &mut Vec::new(), &mut Vec::new()), Effect::Local);
        assert_eq!(open.redis("SET", &mut keys, &mut values), Effect::Local);
        let (mut keys, mut values) = (Vec::new(), Vec::new());
        assert_eq!(open.redis("EXEC", &mut keys, &mut values), Effect::Writes);
        assert_eq!((keys, values), (vec!["a".to_owned()], vec![Value::Int(1)]));
        assert_eq!(open.redis("SETEX", &mut Vec::new(), &mut Vec::new()), Effect::Writes);
    }

    #[test]
    fn exec_depends_on_what_was_watched_and_on_what_scripts_touch() {
        let mut open = Open::default();
        let mut redis = |name: &str, keys: &[&str]| {
            let mut keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
            let effect = open.redis(name, &mut keys, &mut Vec::new());
            (effect, keys, open.queues_unnamed)
        };
        assert_eq!(redis("WATCH", &["version"]).0, Effect::Reads);
        redis("MULTI", &[]);
        assert!(!redis("SET", &["entry"]).2);
        assert_eq!(redis("EXEC", &[]).1, ["entry", "version"]);
        redis("WATCH", &["version"]);
        redis("UNWATCH", &[]);
        redis("MULTI", &[]);
        assert!(redis("EVALSHA", &["entry"]).2);
        assert_eq!(redis("EXEC", &[]).1, ["entry"]);
        redis("MULTI", &[]);
        assert!(!redis("DISCARD", &[]).2);
    }

    #[test]
    fn a_commit_counts_only_behind_a_write_and_a_write_alone_is_seen_at_once() {
        let mut open = Open::default();
        let mut sql = |strength, block| open.sql(strength, block, "x FROM t", &mut Vec::new());
        let (within, without) = (Transaction::Open, Transaction::Idle);
        assert_eq!(sql(Strength::Commit, within), Effect::Local);
        assert_eq!(sql(Strength::Write, without), Effect::Writes);
        assert_eq!(sql(Strength::Write, within), Effect::Hidden);
        assert_eq!(sql(Strength::Read, within), Effect::Reads);
        assert_eq!(sql(Strength::Commit, within), Effect::Commits);
        assert_eq!(sql(Strength::Rollback, within), Effect::Local);
    }

    #[test]
    fn a_group_that_ends_its_transaction_does_what_is_in_it() {
        let effect = |all: &[Strength]| {
            let (mut open, strongest) = (Open::default(), *all.iter().max().unwrap());
            open.group(strongest, all.iter().copied());
            open.sql(strongest, Transaction::Idle, "x FROM t", &mut Vec::new())
        };
        assert_eq!(
            effect(&[Strength::Session, Strength::Write, Strength::Commit]),
            Effect::Commits
        );
        assert_eq!(effect(&[Strength::Session, Strength::Read, Strength::Commit]), Effect::Commits);
        assert_eq!(effect(&[Strength::Session, Strength::Commit]), Effect::Local);
        assert_eq!(
            effect(&[Strength::Session, Strength::Read, Strength::Rollback]),
            Effect::TakesBack
        );
    }

    #[test]
    fn a_savepoint_takes_back_only_what_came_behind_it() {
        let mut open = Open::default();
        let mut sql = |strength, text| open.sql(strength, Transaction::Open, text, &mut Vec::new());
        assert_eq!(sql(Strength::Rollback, "ROLLBACK TO SAVEPOINT a"), Effect::Local);
        assert_eq!(sql(Strength::Write, "UPDATE t SET n = 1"), Effect::Hidden);
        assert_eq!(sql(Strength::Rollback, "rollback work to a"), Effect::Hidden);
        assert_eq!(sql(Strength::Commit, "COMMIT"), Effect::Commits);
        assert_eq!(sql(Strength::Write, "UPDATE t SET n = 1"), Effect::Hidden);
        assert_eq!(sql(Strength::Rollback, "ROLLBACK WORK"), Effect::TakesBack);
    }

    #[test]
    fn the_reset_of_a_connection_is_local_until_it_lets_locks_go() {
        let reset = "SELECT pg_advisory_unlock_all();\nCLOSE ALL;\nUNLISTEN *;\nRESET ALL;";
        let mut open = Open::default();
        let mut sql = |strength, text| open.sql(strength, Transaction::Idle, text, &mut Vec::new());
        assert_eq!(sql(Strength::Read, reset), Effect::Local);
        assert_eq!(sql(Strength::Session, "DISCARD ALL"), Effect::Local);
        assert_eq!(sql(Strength::Write, "RESET ALL; DELETE FROM t"), Effect::Writes);
        assert_eq!(sql(Strength::Read, "SELECT pg_advisory_lock(3)"), Effect::Writes);
        assert_eq!(sql(Strength::Read, reset), Effect::Writes);
        assert_eq!(sql(Strength::Session, "DISCARD ALL"), Effect::Writes);
    }

    #[test]
    fn hashes_are_left_out_of_a_shape() {
        let key = |text: &str| command("GET", &[text.to_owned()], 1_000_001);
        assert_eq!(key("q:9b0aea2d8c31dd7e0c4f"), "GET q:{hash}");
        assert_eq!(key("profile:1000001:v2"), "GET profile:{key}:v?");
        assert_eq!(key("cafe:12"), "GET cafe:?");
    }
}
