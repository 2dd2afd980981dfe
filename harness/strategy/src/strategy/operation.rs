use std::{sync::Arc, time::Duration};

use quarrel_checkers::{Certainty, Key, Kind, Op, Process, Site, Value};
use tokio::{sync::Notify, time::timeout};

use super::{AnyStrategy, Session, session::Published};
use crate::{
    record::Recorder,
    stores::{Row, StoreError},
};

/// What a client does once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Reads a key.
    Read(Key),
    /// Writes a value that no other write of the key uses.
    Write(Key, Value),
}

/// How an operation ended, for the client that made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A read returned.
    Read(Option<Row>),
    /// A write was acknowledged with this version; 0 if the primary has not
    /// given it one yet.
    Written(u64),
    /// It certainly changed nothing.
    Failed(StoreError),
    /// Nobody knows. The process must retire.
    Unknown(String),
}

/// Performs one operation and records it: the invocation before the first
/// step, the completion after the last.
///
/// A failed read is `fail`: it changed no value, though its steps, which stay
/// in the history, may have filled the cache. A failed write is `fail` only if
/// its error is definite *and* no earlier step of it may have brought the value
/// to the database; else it is `info`.
///
/// `deadline` bounds the whole operation in real time; simulated clients have
/// none, as the simulator ends every call.
pub async fn perform(
    strategy: &dyn AnyStrategy,
    session: &mut Session,
    action: Action,
    deadline: Option<Duration>,
) -> Outcome {
    let process = session.runs_for();
    let invoked = session.recorder().map(|recorder| recorder.invoke(process, op_of(&action)));
    session.begin(invoked);
    let ended = run(strategy, session, &action, deadline).await;
    let published = session.end();
    let outcome = judge(&action, ended, published);
    if let Some(recorder) = session.recorder() {
        complete(recorder, process, session.timeline(), op_of(&action), &outcome);
    }
    outcome
}

fn op_of(action: &Action) -> Op {
    match action {
        Action::Read(key) => Op::read(*key),
        Action::Write(key, value) => Op::write(*key, value.clone()),
    }
}

fn complete(
    recorder: &Recorder,
    process: Process,
    timeline: Option<u32>,
    op: Op,
    outcome: &Outcome,
) {
    let (kind, op, error) = match outcome {
        Outcome::Read(None) => (Kind::Ok, op.returning(Value::Nil).at_version(0), None),
        // Version 0 of a value that is there: the primary has not given it one
        // yet.
        Outcome::Read(Some(row)) if row.version == 0 && !row.value.is_nil() => {
            (Kind::Ok, op.returning(row.value.clone()), None)
        }
        Outcome::Read(Some(row)) => {
            (Kind::Ok, op.returning(row.value.clone()).at_version(row.version), None)
        }
        Outcome::Written(0) => (Kind::Ok, op, None),
        Outcome::Written(version) => (Kind::Ok, op.at_version(*version), None),
        Outcome::Failed(error) => (Kind::Fail, op, Some(error.to_string())),
        Outcome::Unknown(why) => (Kind::Info, op, Some(why.clone())),
    };
    recorder.complete_on(timeline, process, kind, op, error);
}

enum Ended {
    Read(Result<Option<Row>, StoreError>),
    Written(Result<u64, StoreError>),
}

/// Why an operation did not come to its end.
pub(super) enum Cut {
    Crashed,
    TimedOut(Duration),
}

impl Cut {
    /// In words; `what` was cut.
    pub(super) fn why(&self, what: &str) -> String {
        match self {
            Self::Crashed => "the client crashed between two steps".to_owned(),
            Self::TimedOut(limit) => {
                format!("the {what} did not end within {} ms", limit.as_millis())
            }
        }
    }
}

/// Does the work of an operation, unless its client crashes or its time is up.
pub(super) async fn uncut<T>(
    crashed: Option<Arc<Notify>>,
    deadline: Option<Duration>,
    work: impl Future<Output = T>,
) -> Result<T, Cut> {
    let Some(crashed) = crashed else { return in_time(deadline, async { Ok(work.await) }).await };
    let work = async {
        tokio::select! {
            biased;
            () = crashed.notified() => Err(Cut::Crashed),
            ended = work => Ok(ended),
        }
    };
    in_time(deadline, work).await
}

async fn in_time<T>(
    deadline: Option<Duration>,
    work: impl Future<Output = Result<T, Cut>>,
) -> Result<T, Cut> {
    match deadline {
        None => work.await,
        Some(limit) => timeout(limit, work).await.unwrap_or(Err(Cut::TimedOut(limit))),
    }
}

async fn run(
    strategy: &dyn AnyStrategy,
    session: &mut Session,
    action: &Action,
    deadline: Option<Duration>,
) -> Result<Ended, Cut> {
    let crashed = session.crash_signal();
    let work = async {
        match action {
            Action::Read(key) => Ended::Read(strategy.read(session, *key).await),
            Action::Write(key, value) => {
                Ended::Written(strategy.write(session, *key, value.clone()).await)
            }
        }
    };
    uncut(crashed, deadline, work).await
}

/// Whether a write that ended with `error` surely never was in the database. A
/// value that it had put into the cache before the database refused it is there
/// for others to read all the same: a dirty read.
pub(super) fn failed_for_certain(error: &StoreError, published: Published) -> bool {
    error.certainty == Certainty::Definite
        && match published {
            Published::Nothing => true,
            Published::InCache => error.site == Site::Primary,
            Published::Perhaps => false,
        }
}

fn judge(action: &Action, ended: Result<Ended, Cut>, published: Published) -> Outcome {
    let read = matches!(action, Action::Read(_));
    match ended {
        Ok(Ended::Read(Ok(row))) => Outcome::Read(row),
        Ok(Ended::Written(Ok(version))) => Outcome::Written(version),
        Ok(Ended::Read(Err(error))) => Outcome::Failed(error),
        Ok(Ended::Written(Err(error))) => {
            if failed_for_certain(&error, published) {
                Outcome::Failed(error)
            } else {
                Outcome::Unknown(error.to_string())
            }
        }
        // A read that ran out of time is over for its client, whose connection
        // may have a reply under way: it retires like a write.
        Err(cut) => Outcome::Unknown(cut.why(if read { "read" } else { "write" })),
    }
}
