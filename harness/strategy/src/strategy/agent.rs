use quarrel_checkers::{Key, Process, Time, Value};

use super::{
    AnyStrategy, Session,
    operation::{Cut, uncut},
};
use crate::stores::StoreError;

/// Who changes rows by hand, beside the application: not a client, so the
/// promises made to sessions are not made to it.
pub const OPERATOR: Process = Process::Agent(900);

/// Something that an application does after it has answered, as data.
///
/// A session takes jobs with [`Session::later`]. They wait in the memory of
/// the application's process: one that crashes takes them along.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Job {
    /// What is to be done, in the strategy's own word.
    pub name: &'static str,
    /// About which key.
    pub key: Key,
    /// With which value, if it needs one.
    pub value: Option<Value>,
    /// Not before this time of the run.
    pub due: Time,
}

/// What a background agent found to do in its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentTurn {
    /// Something; there may be more.
    Worked,
    /// Nothing for now.
    Idle,
}

/// How a piece of background work ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkEnd {
    /// It is done, or there was nothing to do.
    Done(AgentTurn),
    /// A store did not answer, or refused.
    Failed(StoreError),
    /// The agent died between two steps. Its session must not be used again.
    Crashed,
}

impl WorkEnd {
    fn of(result: Result<Result<AgentTurn, StoreError>, Cut>) -> Self {
        match result {
            Ok(Ok(turn)) => Self::Done(turn),
            Ok(Err(error)) => Self::Failed(error),
            // Background work has no time limit.
            Err(Cut::Crashed | Cut::TimedOut(_)) => Self::Crashed,
        }
    }
}

/// Lets agent number `agent` of the strategy take one turn. Its steps are
/// recorded without an operation.
pub async fn take_turn(strategy: &dyn AnyStrategy, session: &mut Session, agent: usize) -> WorkEnd {
    let crashed = session.crash_signal();
    session.begin(None);
    let result = uncut(crashed, None, strategy.turn(session, agent)).await;
    session.end();
    WorkEnd::of(result)
}

/// Does a job that was put off. Its steps are recorded without an operation.
pub async fn do_job(strategy: &dyn AnyStrategy, session: &mut Session, job: Job) -> WorkEnd {
    let crashed = session.crash_signal();
    session.begin(None);
    let result = uncut(crashed, None, strategy.work(session, job)).await;
    session.end();
    WorkEnd::of(result.map(|done| done.map(|()| AgentTurn::Worked)))
}
