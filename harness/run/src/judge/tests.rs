//! The cause of what was read, in histories of a few calls.

use quarrel_checkers::{
    Anomaly, Cause, Certainty, Class, Content, History, Index, JudgeOptions, Key, Kind, Object, Op,
    Process, Reply, Site, Step, Time, Value, judge,
};

use super::{CauseEvidence, find_causes};

const KEY: Key = Key(1);
const WRITER: Process = Process::Client(0);
const READER: Process = Process::Client(1);
const DONE: Reply = Reply::Done { version: None };

/// A history in which one thing happens at a time.
#[derive(Default)]
struct FewCalls {
    history: History,
    now: u64,
}

impl FewCalls {
    fn tick(&mut self) -> Time {
        self.now += 1;
        Time::from_millis(self.now)
    }

    fn begin(&mut self, process: Process, op: Op) -> Index {
        let time = self.tick();
        self.history.invoke(time, process, op)
    }

    fn end(&mut self, process: Process, op: Op, version: u64) {
        let time = self.tick();
        self.history.push(time, process, Kind::Ok, op.at_version(version), None);
    }

    fn step(
        &mut self,
        operation: Index,
        site: Site,
        verb: &'static str,
        key: Option<Key>,
        argument: Option<Content>,
        reply: Reply,
    ) {
        let (start, end) = (self.tick(), Some(self.tick()));
        let process = self.history.events[operation.position()].process;
        self.history.steps.push(Step {
            operation: Some(operation),
            process,
            start,
            end,
            site,
            verb: verb.into(),
            object: key.map(Object::of),
            argument,
            reply,
            lsn: None,
        });
    }

    /// A call to the cache about the key.
    fn cache(
        &mut self,
        operation: Index,
        verb: &'static str,
        argument: Option<Content>,
        reply: Reply,
    ) {
        self.step(operation, Site::Cache, verb, Some(KEY), argument, reply);
    }

    /// The same of something else that is kept for the key.
    fn names(&mut self, operation: Index, verb: &'static str, version: u64) {
        let number = Content::Number(version);
        let (argument, reply) = match verb {
            "SET" => (Some(number), DONE),
            _ => (None, Reply::Found(number)),
        };
        self.step(operation, Site::Cache, verb, Some(KEY), argument, reply);
        let step = self.history.steps.last_mut().unwrap();
        step.object = Some(Object { space: "pointer".into(), ..Object::of(KEY) });
    }

    /// A call to the cache about the entry of one version.
    fn entry(&mut self, operation: Index, verb: &'static str, value: &str, version: u64) {
        let row = row(value, version);
        let (argument, reply) = match verb {
            "SET" => (Some(row), DONE),
            _ => (None, Reply::Found(row)),
        };
        self.cache(operation, verb, argument, reply);
        let step = self.history.steps.last_mut().unwrap();
        step.object = Some(Object { version: Some(version), ..Object::of(KEY) });
    }

    fn update(&mut self, operation: Index, value: &str, version: u64) {
        let (row, reply) = (Some(row(value, 0)), Reply::Done { version: Some(version) });
        self.step(operation, Site::Primary, "UPDATE", Some(KEY), row, reply);
    }

    /// The first value is written, and put into the cache.
    fn first_value(&mut self) {
        let write = self.begin(WRITER, Op::write(KEY, "Alex"));
        self.update(write, "Alex", 1);
        self.cache(write, "SET", Some(row("Alex", 1)), DONE);
        self.end(WRITER, Op::write(KEY, "Alex"), 1);
    }

    /// A reader looks at what it was told, and finds its copy of the first value.
    fn finds_its_copy(&mut self, look: Reply) {
        let read = self.begin(READER, Op::read(KEY));
        self.step(read, Site::Cache, "HEAR", None, None, look);
        self.step(read, Site::Client, "NEAR", Some(KEY), None, Reply::Found(row("Alex", 1)));
        self.end(READER, Op::read(KEY).returning("Alex"), 1);
    }

    fn causes(&self) -> Vec<Option<Cause>> {
        let mut found = judge(&self.history, &[], &JudgeOptions::default()).anomalies;
        find_causes(&self.history, None, &mut found);
        found.iter().map(|anomaly| anomaly.cause).collect()
    }
}

fn row(value: &str, version: u64) -> Content {
    Content::Row { value: Value::from(value), version }
}

fn are_all(causes: &[Option<Cause>], cause: Cause) -> bool {
    !causes.is_empty() && causes.iter().all(|named| *named == Some(cause))
}

/// A deletion failed, and the old entry was found. That the new row was
/// published, before the commit or without a version, changes nothing in the
/// cache: it was not there too early, and nothing old came back.
#[test]
fn what_is_published_is_not_in_the_cache() {
    for (version, is_published_first) in [(0, false), (2, true)] {
        let mut told = FewCalls::default();
        told.first_value();
        let published = Some(row("Alice", version));
        let write = told.begin(WRITER, Op::write(KEY, "Alice"));
        if is_published_first {
            told.cache(write, "PUBLISH", published.clone(), DONE);
        }
        told.update(write, "Alice", 2);
        let error = "connection reset".to_owned();
        let failed = Reply::Failed { certainty: Certainty::Definite, error };
        told.cache(write, "DEL", None, failed);
        if !is_published_first {
            told.cache(write, "PUBLISH", published, DONE);
        }
        told.end(WRITER, Op::write(KEY, "Alice"), 2);
        let read = told.begin(READER, Op::read(KEY));
        told.cache(read, "GET", None, Reply::Found(row("Alex", 1)));
        told.end(READER, Op::read(KEY).returning("Alex"), 1);
        let causes = told.causes();
        let is_right = are_all(&causes, Cause::FailedInvalidation);
        assert!(is_right, "published first: {is_published_first}, {causes:?}");
    }
}

/// A message is lost on a client that was not listening when it was sent. One
/// that was sent after the client listened again is on its way.
#[test]
fn only_what_was_told_before_a_gap_is_lost_in_it() {
    for is_told_before in [true, false] {
        let mut told = FewCalls::default();
        told.first_value();
        let read = told.begin(READER, Op::read(KEY));
        told.step(read, Site::Cache, "HEAR", None, None, Reply::Gap);
        told.cache(read, "GET", None, Reply::Found(row("Alex", 1)));
        told.end(READER, Op::read(KEY).returning("Alex"), 1);
        if !is_told_before {
            told.finds_its_copy(Reply::Gap);
        }
        let write = told.begin(WRITER, Op::write(KEY, "Alice"));
        told.update(write, "Alice", 2);
        told.cache(write, "DEL", None, DONE);
        told.cache(write, "PUBLISH", None, DONE);
        told.end(WRITER, Op::write(KEY, "Alice"), 2);
        if is_told_before {
            told.finds_its_copy(Reply::Gap);
        }
        told.finds_its_copy(Reply::Miss);
        if !is_told_before {
            let read = told.begin(READER, Op::read(KEY));
            told.cache(read, "HEAR", None, DONE);
            told.cache(read, "GET", None, Reply::Found(row("Alice", 2)));
            told.end(READER, Op::read(KEY).returning("Alice"), 2);
        }
        let cause = match is_told_before {
            true => Cause::LostInvalidation,
            false => Cause::PendingInvalidation,
        };
        let causes = told.causes();
        assert!(are_all(&causes, cause), "{causes:?}");
    }
}

/// The write that should have been seen is the newest that was acknowledged,
/// though nobody heard of one between it and what was read.
#[test]
fn what_a_read_missed_is_the_newest_write_that_was_acknowledged() {
    let mut told = FewCalls::default();
    told.first_value();
    let unheard = Process::Client(2);
    let write = told.begin(unheard, Op::write(KEY, "Alice"));
    told.update(write, "Alice", 2);
    let time = told.tick();
    told.history.push(time, unheard, Kind::Info, Op::write(KEY, "Alice"), None);
    let mut newest = None;
    for (value, version) in [("Anna", 3), ("Alicia", 4)] {
        let write = told.begin(WRITER, Op::write(KEY, value));
        told.update(write, value, version);
        told.end(WRITER, Op::write(KEY, value), version);
        newest = Some(write);
    }
    told.finds_its_copy(Reply::Miss);
    let found = judge(&told.history, &[], &JudgeOptions::default()).anomalies;
    let stale = found.iter().find(|found| found.class == Class::StaleRead).unwrap();
    assert_eq!(stale.versions_behind, 2, "{stale:?}");
    let evidence = CauseEvidence::new(&told.history).unwrap();
    assert_eq!(evidence.due(stale).map(|write| write.invoke), newest);
}

/// Rows that wait for their version in the cache are told apart by their values.
#[test]
fn an_entry_without_a_version_was_put_there_by_who_stored_its_value() {
    let mut told = FewCalls::default();
    let mut stored = |value: &'static str| {
        let write = told.begin(WRITER, Op::write(KEY, value));
        told.cache(write, "SET", Some(row(value, 0)), DONE);
        if value == "Alice" {
            told.cache(write, "DEL", None, DONE);
        }
        told.end(WRITER, Op::write(KEY, value), 0);
    };
    stored("Alice");
    stored("Anna");
    let read = told.begin(READER, Op::read(KEY));
    told.cache(read, "GET", None, Reply::Found(row("Alice", 0)));
    told.end(READER, Op::read(KEY).returning("Alice"), 0);
    let ended = Index(told.history.events.len() as u64 - 1);
    let stale = Anomaly {
        class: Class::StaleRead,
        cause: None,
        key: Some(KEY),
        witness: vec![read, ended],
        stale_for: std::time::Duration::ZERO,
        versions_behind: 0,
        explanation: String::new(),
    };
    let evidence = CauseEvidence::new(&told.history).unwrap();
    let fill = evidence.provenance(&stale).unwrap().fill.unwrap();
    assert_eq!(fill.argument, Some(row("Alice", 0)));
    let mut found = [stale];
    find_causes(&told.history, None, &mut found);
    assert_eq!(found[0].cause, Some(Cause::ResurrectedEntry));
}

/// Entries have a name for each version, and a pointer tells the newest: an older
/// write sets it last, though its entry had been there for long.
#[test]
fn a_pointer_that_an_older_write_sets_last_is_a_race_of_writes() {
    for is_led_back in [true, false] {
        let mut told = FewCalls::default();
        told.first_value();
        let slow = Process::Client(2);
        let older = told.begin(slow, Op::write(KEY, "Alice"));
        told.update(older, "Alice", 2);
        told.entry(older, "SET", "Alice", 2);
        if !is_led_back {
            told.names(older, "SET", 2);
            told.end(slow, Op::write(KEY, "Alice"), 2);
        }
        let newer = told.begin(WRITER, Op::write(KEY, "Anna"));
        told.update(newer, "Anna", 3);
        told.entry(newer, "SET", "Anna", 3);
        if is_led_back {
            told.names(newer, "SET", 3);
        }
        told.end(WRITER, Op::write(KEY, "Anna"), 3);
        if is_led_back {
            told.names(older, "SET", 2);
            told.end(slow, Op::write(KEY, "Alice"), 2);
        }
        let read = told.begin(READER, Op::read(KEY));
        told.names(read, "GET", 2);
        told.entry(read, "GET", "Alice", 2);
        told.end(READER, Op::read(KEY).returning("Alice"), 2);
        let causes = told.causes();
        assert_eq!(are_all(&causes, Cause::WriteWriteRace), is_led_back, "{causes:?}");
    }
}
