//! What an instance says to its stores, as steps: which store, what kind of
//! call, about which row, with which value.

use std::{collections::HashMap, sync::Arc};

use quarrel_checkers::{Site, Value};
use quarrel_faultproxy::{
    Ends, Strength, TransactionStatus,
    attend::{Detail, WireRequest},
};

use super::{
    habits::{asks_to_be_told, begins_a_transaction, does_something, names_its_keys, strongest_of},
    saying::{Saying, Sayings},
    shape::{command, sql},
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
pub(super) struct Connections {
    open: HashMap<(Arc<str>, u64), Open>,
    sayings: Sayings,
}

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
        request: &WireRequest,
        row: Option<u64>,
    ) -> Message {
        let open = self.open.entry((Arc::clone(proxy), connection)).or_default();
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
                    Some(block) if block != TransactionStatus::Idle => block,
                    _ if names.any(begins_a_transaction) => TransactionStatus::Open,
                    _ => TransactionStatus::Idle,
                };
                // What was not waited for to its end may be anything.
                let own = match ends {
                    Ends::Open => (*strongest).max(Strength::Write),
                    _ => *strongest,
                };
                let strongest = strongest_of(own, *settles, block);
                open.group(strongest, request.statements.iter().map(|one| one.strength));
                open.sql(strongest, block, &self.sayings.of(request, *ends), &mut values)
            }
            _ => open.redis(&request.name, &mut keys, &mut values),
        };
        values.dedup();
        let shape: Arc<str> = row.map_or_else(Arc::default, |row| match site {
            Site::Cache => command(&request.name, &keys, row).into(),
            _ => sql(&request.text, row).into(),
        });
        let executes_unnamed = open.queues_unnamed && request.name == "EXEC";
        if site == Site::Cache && (!names_its_keys(&request.name) || executes_unnamed) {
            keys.clear();
        }
        Message { id: request.id, site, shape, effect, keys, values }
    }

    /// A connection that is over.
    pub(super) fn closed(&mut self, proxy: &Arc<str>, connection: u64) {
        self.open.remove(&(Arc::clone(proxy), connection));
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
        block: TransactionStatus,
        said: &[Saying],
        values: &mut Vec<Value>,
    ) -> Effect {
        let is_open = block == TransactionStatus::Open;
        let says = |saying| said.contains(&saying);
        let only =
            |sayings: &[Saying]| !said.is_empty() && said.iter().all(|s| sayings.contains(s));
        let resets = only(&[Saying::Reset]);
        let locks = says(Saying::Locks);
        self.locked |= locks;
        match strongest {
            _ if resets && !self.locked => Effect::Local,
            // Who gets a lock first matters, and when it is let go; and from when
            // on somebody is told of what others do.
            Strength::Session | Strength::Read if resets || locks || says(Saying::Listens) => {
                self.wrote |= is_open;
                Effect::Writes
            }
            Strength::Nothing | Strength::Session => Effect::Local,
            Strength::Read if only(&[Saying::AboutNothing]) => Effect::Local,
            Strength::Read if says(Saying::CallsTheUnknown) || said.is_empty() => {
                self.wrote |= is_open;
                Effect::Writes
            }
            Strength::Read => Effect::Reads,
            Strength::Lock => {
                self.wrote |= is_open;
                if says(Saying::CallsTheUnknown) { Effect::Writes } else { Effect::Hidden }
            }
            Strength::Write if is_open => {
                self.wrote = true;
                self.pending.extend(values.iter().cloned());
                // What is done to whole tables stops everybody who reads them.
                let rows = [Saying::ChangesRows, Saying::Plain, Saying::AboutNothing];
                if only(&rows) { Effect::Hidden } else { Effect::Writes }
            }
            // What was written before the savepoint stands.
            Strength::Rollback if says(Saying::ToSavepoint) => {
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
                self.queues_unnamed |= !names_its_keys(first);
                Effect::Local
            }
            ("WATCH", None) => {
                self.watched.extend_from_slice(keys);
                Effect::Reads
            }
            (_, None) if asks_to_be_told(name) => Effect::Writes,
            (first, None) if SILENT.contains(&first) => Effect::Local,
            (first, None) if READING.contains(&first) => Effect::Reads,
            _ => Effect::Writes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Saying {
        let name = text.trim().split(' ').next().unwrap_or_default();
        Saying::of(&name.to_uppercase(), text)
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
        let mut sql = |strength, block| {
            let said = match strength {
                Strength::Write => Saying::ChangesRows,
                _ => Saying::Plain,
            };
            open.sql(strength, block, &[said], &mut Vec::new())
        };
        let (within, without) = (TransactionStatus::Open, TransactionStatus::Idle);
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
            open.sql(strongest, TransactionStatus::Idle, &[Saying::Plain], &mut Vec::new())
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
        let mut sql = |strength, text| {
            open.sql(strength, TransactionStatus::Open, &[said(text)], &mut Vec::new())
        };
        assert_eq!(sql(Strength::Rollback, "ROLLBACK TO SAVEPOINT a"), Effect::Local);
        assert_eq!(sql(Strength::Write, "UPDATE t SET n = 1"), Effect::Hidden);
        assert_eq!(sql(Strength::Rollback, "rollback work to a"), Effect::Hidden);
        assert_eq!(sql(Strength::Commit, "COMMIT"), Effect::Commits);
        assert_eq!(sql(Strength::Write, "UPDATE t SET n = 1"), Effect::Hidden);
        assert_eq!(sql(Strength::Rollback, "ROLLBACK WORK"), Effect::TakesBack);
    }

    #[test]
    fn the_reset_of_a_connection_is_local_until_it_lets_locks_go() {
        let reset = "SELECT pg_advisory_unlock_all();\nCLOSE ALL;\nUNLISTEN *;\nRESET ALL";
        let mut open = Open::default();
        let mut sql = |strength, text: &str| {
            let said: Vec<_> = text.split(';').map(said).collect();
            open.sql(strength, TransactionStatus::Idle, &said, &mut Vec::new())
        };
        assert_eq!(sql(Strength::Read, reset), Effect::Local);
        assert_eq!(sql(Strength::Session, "DISCARD ALL"), Effect::Local);
        assert_eq!(sql(Strength::Write, "RESET ALL; DELETE FROM t"), Effect::Writes);
        assert_eq!(sql(Strength::Read, "SELECT pg_advisory_lock(3)"), Effect::Writes);
        assert_eq!(sql(Strength::Read, reset), Effect::Writes);
        assert_eq!(sql(Strength::Session, "DISCARD ALL"), Effect::Writes);
    }

    #[test]
    fn only_changes_of_rows_are_hidden_until_they_are_committed() {
        let effect = |text: &str| {
            let (mut open, said) = (Open::default(), [said(text)]);
            open.sql(Strength::Write, TransactionStatus::Open, &said, &mut Vec::new())
        };
        for text in
            ["UPDATE t SET n = 1", "insert into t values (1)", "WITH a AS (DELETE FROM t) x"]
        {
            assert_eq!(effect(text), Effect::Hidden, "{text}");
        }
        for text in
            ["TRUNCATE t", "LOCK TABLE t", "ALTER TABLE t ADD n int", "DO $$ x $$", "EXECUTE p"]
        {
            assert_eq!(effect(text), Effect::Writes, "{text}");
        }
        // A group of which more may come.
        let more = [Saying::ChangesRows, Saying::CallsTheUnknown];
        let effect =
            Open::default().sql(Strength::Write, TransactionStatus::Open, &more, &mut Vec::new());
        assert_eq!(effect, Effect::Writes);
    }

    #[test]
    fn to_begin_to_listen_is_a_step() {
        let mut open = Open::default();
        let said = [said("LISTEN changes")];
        let effect = open.sql(Strength::Session, TransactionStatus::Idle, &said, &mut Vec::new());
        assert_eq!(effect, Effect::Writes);
        let mut redis = |name: &str| open.redis(name, &mut Vec::new(), &mut Vec::new());
        assert_eq!(redis("CLIENT TRACKING"), Effect::Writes);
        assert_eq!(redis("SUBSCRIBE"), Effect::Writes);
        assert_eq!(redis("CLIENT SETINFO"), Effect::Local);
    }
}
