use std::{sync::Arc, time::Duration};

use quarrel_checkers::{Kind, Op, Process};
use quarrel_sim::{Client, ClientProgress, Ended, OperationEnding, Stuck, Task};
use quarrel_strategy::{
    record::Recorder,
    stores::{Backend, Request, Response},
    strategy::{Action, Outcome, SessionParts},
};

use super::{
    Divergence, Line, RaceError,
    force::{Forcing, LineOutcome, Reply},
    letterbox::Letterbox,
    roles::{Role, clients},
    run::{STILL_OPEN, room},
};

/// Somebody who makes steps in a forced race: a client, an agent, a job.
pub(super) struct Actor {
    pub(super) client: Client,
    pub(super) process: Process,
    pub(super) stores: Option<Backend>,
    pub(super) state: State,
    pub(super) open: Option<usize>,
    pub(super) late: Vec<Request>,
    pub(super) letters: Letterbox,
}

pub(super) enum State {
    Idle,
    Calls(Request),
    Asleep(Duration),
    /// Its call waits for the replica; the stores come back with the answer.
    Waits(tokio::task::JoinHandle<(Backend, Reply)>),
}

impl Forcing<'_> {
    pub(super) fn client(&self, process: Process, recorder: Option<Arc<Recorder>>) -> Client {
        Client::new(Arc::clone(&self.strategy), |backend| SessionParts {
            process,
            backend,
            clock: self.recorder.clock().clone(),
            recorder,
            gate: None,
            seed: 0,
        })
    }

    /// Does something beside the race, to its end, over links that no fault
    /// strikes.
    pub(super) async fn aside(&mut self, task: Task) -> Result<Option<Outcome>, RaceError> {
        let mut client = self.client(quarrel_strategy::strategy::OPERATOR, None);
        let mut progress = client.start(task);
        loop {
            progress = match progress {
                ClientProgress::Calls(Request::Sleep(duration)) => {
                    tokio::time::sleep(duration).await;
                    client.answer(Ok(Response::Done))
                }
                ClientProgress::Calls(request) => client.answer(self.direct.call(&request).await),
                ClientProgress::Stuck => return Err(Stuck::Waits.into()),
                ClientProgress::Ended(Ended::Operation(outcome, ..)) => return Ok(Some(outcome)),
                ClientProgress::Ended(Ended::Work) => return Ok(None),
            };
        }
    }

    /// Lets the actor come on, wake up, or get the answer that it waits for.
    pub(super) async fn ready(&mut self, name: &str, line: &Line) -> Result<(), RaceError> {
        if !self.actors.contains_key(name) {
            self.enter(name, line)?;
        }
        loop {
            let actor = self.actors.get_mut(name).expect("it has come on");
            match std::mem::replace(&mut actor.state, State::Idle) {
                State::Asleep(duration) => {
                    tokio::time::sleep(duration).await;
                    self.answer(name, Ok(Response::Done))?;
                }
                State::Waits(call) => {
                    let (stores, answer) = call.await.map_err(|error| RaceError::Failed {
                        line: line.number,
                        what: format!("a call was lost: {error}"),
                    })?;
                    actor.stores = Some(stores);
                    self.answer(name, answer)?;
                }
                other => {
                    actor.state = other;
                    return Ok(());
                }
            }
        }
    }

    pub(super) fn enter(&mut self, name: &str, line: &Line) -> Result<(), RaceError> {
        let nobody = || RaceError::NobodyCalled {
            line: line.number,
            column: line.column,
            actor: name.to_owned(),
        };
        let (process, task) = match Role::of(name) {
            Role::Agent => {
                let known = name.strip_prefix("Agent ").unwrap_or_default();
                let agents = self.strategy.agents().iter();
                let agent = agents.enumerate().find(|(_, agent)| **agent == known);
                let (agent, _) = agent.ok_or_else(nobody)?;
                (Process::Agent(agent as u64), None)
            }
            Role::Job(number) => {
                let job = self.jobs.get_mut(number.max(1) - 1).and_then(Option::take);
                (Process::Agent(100 + number as u64), Some(Task::Job(job.ok_or_else(nobody)?)))
            }
            _ => {
                let order = clients(self.race);
                let number = order.iter().position(|known| known == name).ok_or_else(nobody)?;
                (Process::Client(number as u64), None)
            }
        };
        let actor = Actor {
            client: self.client(process, Some(Arc::clone(&self.recorder))),
            process,
            stores: Some(self.cluster.client()),
            state: State::Idle,
            open: None,
            late: Vec::new(),
            letters: Letterbox::default(),
        };
        self.actors.insert(name.to_owned(), actor);
        task.map_or(Ok(()), |task| self.begin(name, task))
    }

    /// Whether one more operation fits.
    pub(super) fn room(&self, line: &Line) -> Result<(), RaceError> {
        room(&self.logical, self.race, line)
    }

    /// That a client cannot begin an operation, as the one before is not over.
    pub(super) fn still_open(&self, line: &Line, name: &str) -> Option<Divergence> {
        let is_open = !self.is_idle(name);
        is_open.then(|| line.differs(line.what.to_string(), STILL_OPEN))
    }

    pub(super) fn begin(&mut self, name: &str, task: Task) -> Result<(), RaceError> {
        let actor = self.actors.get_mut(name).expect("it has come on");
        if let Task::Operation(action) = &task {
            let number = match actor.process {
                Process::Client(number) => usize::try_from(number).unwrap_or(usize::MAX),
                _ => usize::MAX,
            };
            actor.open = Some(self.logical.begin(number, actor.process, action.clone()));
        }
        let progress = actor.client.start(task);
        self.went_on(name, progress)
    }

    pub(super) fn answer(&mut self, name: &str, answer: Reply) -> Result<(), RaceError> {
        let actor = self.actors.get_mut(name).expect("it has come on");
        let progress = actor.client.answer(answer);
        self.went_on(name, progress)
    }

    pub(super) fn went_on(
        &mut self,
        name: &str,
        progress: ClientProgress,
    ) -> Result<(), RaceError> {
        let actor = self.actors.get_mut(name).expect("it has come on");
        actor.state = match progress {
            ClientProgress::Calls(Request::Sleep(duration)) => State::Asleep(duration),
            ClientProgress::Calls(request) => State::Calls(request),
            ClientProgress::Stuck => return Err(Stuck::Waits.into()),
            ClientProgress::Ended(Ended::Work) => State::Idle,
            ClientProgress::Ended(Ended::Operation(outcome, timeline, jobs)) => {
                self.jobs.extend(jobs.into_iter().map(Some));
                let retires = matches!(outcome, Outcome::Unknown(_));
                if let Some(operation) = actor.open.take() {
                    self.logical.end(operation, OperationEnding::of(outcome, timeline));
                }
                actor.state = State::Idle;
                if retires {
                    self.replace(name);
                }
                return Ok(());
            }
        };
        Ok(())
    }

    /// A new session with fresh connections takes over.
    pub(super) fn replace(&mut self, name: &str) {
        let count = clients(self.race).len() as u64;
        let process = match self.actors[name].process {
            Process::Client(number) => Process::Client(number + count),
            other => other,
        };
        let client = self.client(process, Some(Arc::clone(&self.recorder)));
        let stores = self.cluster.client();
        let actor = self.actors.get_mut(name).expect("it has come on");
        (actor.client, actor.process, actor.state) = (client, process, State::Idle);
        (actor.stores, actor.open) = (Some(stores), None);
        actor.letters = Letterbox::default();
    }

    pub(super) fn crash(&mut self, line: &Line, name: &str) -> LineOutcome {
        let Some(actor) = self.actors.get_mut(name).filter(|a| !matches!(a.state, State::Idle))
        else {
            return Err(line.differs(line.what.to_string(), "it has no operation open"));
        };
        if let Some(operation) = actor.open.take() {
            let op = match self.logical.action(operation) {
                Action::Read(key) => Op::read(*key),
                Action::Write(key, value) => Op::write(*key, value.clone()),
            };
            let why = "the client crashed between two steps".to_owned();
            self.recorder.complete(actor.process, Kind::Info, op, Some(why));
            self.logical.end(operation, OperationEnding::Unknown);
        }
        self.replace(name);
        Ok(None)
    }

    pub(super) fn is_idle(&self, name: &str) -> bool {
        matches!(self.actors[name].state, State::Idle)
    }

    pub(super) fn open(&self, name: &str) -> usize {
        let newest = self.logical.operations().len().saturating_sub(1);
        self.actors[name].open.unwrap_or(newest)
    }
}
