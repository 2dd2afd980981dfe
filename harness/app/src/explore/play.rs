//! The course of one execution.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures::{StreamExt as _, stream::FuturesUnordered};
use quarrel_checkers::{Certainty, History, Index, Key, Kind, Op, Process, Time, Value};
use quarrel_faultproxy::{
    Decision,
    attend::{Waits, What},
};
use quarrel_strategy::stores::StoreError;
use tokio::time::{Instant, sleep};

use super::{
    stage::{Ended, Execution, Lost, Role, Stage, Taken},
    tree::{Choice, Next},
};
use crate::{
    App,
    rows::number,
    wire::{Effect, Message, fits},
};

/// The first moment after the row was made.
const JUST_AFTER: Time = Time(1_000);

/// How long a message or an answer may take to come.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long until somebody asks whether a client waits for a lock.
const BLOCKED: Duration = Duration::from_millis(25);

/// Where a client stands.
#[derive(Debug, Default)]
struct Part {
    /// Messages that wait, oldest first.
    waiting: VecDeque<Message>,
    /// It has sent something that was let go on.
    has_begun: bool,
    /// Its operation has ended.
    ended: Option<Ended>,
    /// It waits for somebody else's lock.
    is_blocked: bool,
}

pub(super) struct Play<'a, N> {
    stage: &'a mut Stage,
    key: Key,
    row: u64,
    parts: Vec<Part>,
    next: N,
    execution: Execution,
    values: Vec<Option<Value>>,
}

impl<'a, N: FnMut(usize, &[Choice]) -> Next> Play<'a, N> {
    pub(super) fn new(stage: &'a mut Stage, key: Key, first: Value, next: N) -> Self {
        let row = number(&stage.app.file.rows, key);
        let mut history = History::default();
        let writer = Process::Client(u64::from(u32::MAX));
        let op = Op::write(key, first);
        history.invoke(Time::ZERO, writer, op.clone());
        history.ok(JUST_AFTER, writer, op);
        let roles = stage.roles.clone();
        let values = roles
            .iter()
            .map(|role| (*role == Role::Writer).then(|| stage.app.unused_value()))
            .collect();
        let execution = Execution {
            taken: Vec::new(),
            history,
            audited: None,
            held: None,
            is_complete: false,
            of_nobody: 0,
            silent: 0,
        };
        let parts = roles.iter().map(|_| Part::default()).collect();
        Self { stage, key, row, parts, next, execution, values }
    }

    pub(super) async fn run(&mut self) -> Result<Execution, Lost> {
        let app = Arc::clone(&self.stage.app);
        let key = self.key;
        let mut answers: FuturesUnordered<_> = self
            .values
            .iter()
            .cloned()
            .enumerate()
            .map(|(client, value)| {
                let app = Arc::clone(&app);
                async move { (client, operate(&app, client as u64, key, value).await) }
            })
            .collect();
        let everybody: Vec<usize> = (0..self.parts.len()).collect();
        self.settle(&everybody, &mut answers).await?;
        self.execution.silent = self.parts.iter().filter(|part| part.ended.is_some()).count();
        let mut is_new = true;
        loop {
            let enabled = self.enabled();
            if enabled.is_empty() {
                if self.parts.iter().all(|part| part.ended.is_some()) {
                    break;
                }
                // The database ends a deadlock by itself.
                let open: Vec<usize> =
                    (0..self.parts.len()).filter(|client| !self.is_settled(*client)).collect();
                self.settle_any(&open, &mut answers).await?;
                continue;
            }
            let depth = self.execution.taken.len();
            let at = if is_new {
                match (self.next)(depth, &enabled) {
                    Next::Go(at) => at,
                    Next::Enough => {
                        is_new = false;
                        0
                    }
                    Next::Diverged => {
                        let seen: Vec<_> = enabled.iter().map(|c| c.shape.to_string()).collect();
                        return Err(Lost::Diverged(format!("step {depth}: {}", seen.join(", "))));
                    }
                }
            } else {
                0
            };
            self.take(enabled[at].clone(), &mut answers).await?;
        }
        self.execution.is_complete = is_new;
        self.execution.history.events.sort_by_key(|event| event.time);
        for (index, event) in self.execution.history.events.iter_mut().enumerate() {
            event.index = Index(index as u64);
        }
        Ok(self.execution.clone())
    }

    /// The oldest message of each client that waits.
    fn enabled(&self) -> Vec<Choice> {
        let parts = self.parts.iter().enumerate();
        let waiting = parts.filter_map(|(client, part)| {
            let message = part.waiting.front()?;
            Some(Choice {
                client,
                site: message.site,
                shape: Arc::clone(&message.shape),
                effect: message.effect,
                keys: message.keys.clone(),
                is_first: !part.has_begun,
            })
        });
        waiting.collect()
    }

    fn blocked(&self) -> Vec<usize> {
        let parts = self.parts.iter().enumerate();
        parts.filter(|(_, part)| part.is_blocked).map(|(client, _)| client).collect()
    }

    async fn take<F>(
        &mut self,
        choice: Choice,
        answers: &mut FuturesUnordered<F>,
    ) -> Result<(), Lost>
    where
        F: Future<Output = (usize, Result<Option<Value>, StoreError>)>,
    {
        let client = choice.client;
        let part = &mut self.parts[client];
        let Some(message) = part.waiting.pop_front() else {
            return Err(Lost::Broken("what was chosen does not wait".to_owned()));
        };
        let at = Time::from_millis(self.execution.taken.len() as u64 + 1);
        if !part.has_begun {
            part.has_begun = true;
            let op = self.op(client);
            self.execution.history.invoke(at, Process::Client(client as u64), op);
        }
        self.execution.taken.push(Taken { choice, values: message.values, ended: None });
        self.decide(message.id)?;
        self.settle(&[client], answers).await?;
        // Whoever waited for a lock may have got it.
        while let blocked @ [_, ..] = &self.blocked()[..] {
            if self.stage.locks.waiting().await.map_err(Lost::Broken)? >= blocked.len() {
                break;
            }
            self.settle_any(blocked, answers).await?;
        }
        Ok(())
    }

    fn decide(&self, id: u64) -> Result<(), Lost> {
        let decided = self.stage.attention.decide(id, Decision::Forward);
        decided.map_err(|error| Lost::Diverged(format!("a message that waited is gone: {error}")))
    }

    fn op(&self, client: usize) -> Op {
        match &self.values[client] {
            Some(value) => Op::write(self.key, value.clone()),
            None => Op::read(self.key),
        }
    }

    fn is_settled(&self, client: usize) -> bool {
        let part = &self.parts[client];
        part.ended.is_some() || !part.waiting.is_empty()
    }

    /// Waits until each of these clients has said the next thing to a store, or
    /// has ended, or waits for a lock.
    async fn settle<F>(
        &mut self,
        clients: &[usize],
        answers: &mut FuturesUnordered<F>,
    ) -> Result<(), Lost>
    where
        F: Future<Output = (usize, Result<Option<Value>, StoreError>)>,
    {
        let start = Instant::now();
        for client in clients {
            self.parts[*client].is_blocked = false;
        }
        let mut asked = Instant::now();
        while let Some(open) = clients.iter().find(|client| !self.is_settled(**client)) {
            if !self.hear(BLOCKED, answers).await? && asked.elapsed() >= BLOCKED {
                asked = Instant::now();
                let known = self.blocked().len();
                if self.stage.locks.waiting().await.map_err(Lost::Broken)? > known {
                    self.parts[*open].is_blocked = true;
                    return Ok(());
                }
            }
            if start.elapsed() > PATIENCE {
                return Err(Lost::Stuck(PATIENCE));
            }
        }
        Ok(())
    }

    /// Waits until one of these, who waited for locks, goes on.
    async fn settle_any<F>(
        &mut self,
        clients: &[usize],
        answers: &mut FuturesUnordered<F>,
    ) -> Result<(), Lost>
    where
        F: Future<Output = (usize, Result<Option<Value>, StoreError>)>,
    {
        let start = Instant::now();
        while !clients.iter().any(|client| self.is_settled(*client)) {
            self.hear(BLOCKED, answers).await?;
            if start.elapsed() > PATIENCE {
                return Err(Lost::Stuck(PATIENCE));
            }
        }
        for client in clients {
            if self.is_settled(*client) {
                self.parts[*client].is_blocked = false;
            }
        }
        Ok(())
    }

    /// Takes in the next thing that happens; whether anything did in time.
    async fn hear<F>(
        &mut self,
        limit: Duration,
        answers: &mut FuturesUnordered<F>,
    ) -> Result<bool, Lost>
    where
        F: Future<Output = (usize, Result<Option<Value>, StoreError>)>,
    {
        tokio::select! {
            biased;
            notice = self.stage.attention.next() => self.notice(notice)?,
            Some((client, answer)) = answers.next() => self.answer(client, answer),
            () = sleep(limit) => return Ok(false),
        }
        Ok(true)
    }

    fn notice(&mut self, notice: quarrel_faultproxy::Notice) -> Result<(), Lost> {
        let Some(&(client, site)) = self.stage.proxies.get(&notice.proxy) else { return Ok(()) };
        match notice.what {
            What::Request(request) => {
                let message = self.stage.connections.message(
                    &notice.proxy,
                    notice.connection,
                    site,
                    &request,
                    self.row,
                );
                if request.waits == Waits::No {
                    return Ok(());
                }
                let steps = &self.stage.app.file.steps;
                let is_local = message.effect == Effect::Local
                    || steps.local.iter().any(|pattern| fits(&message.shape, pattern));
                let is_of_nobody = self.parts[client].ended.is_some()
                    || steps.background.iter().any(|pattern| fits(&message.shape, pattern));
                if is_of_nobody && !is_local {
                    self.execution.of_nobody += 1;
                }
                if is_local || is_of_nobody {
                    return self.decide(message.id);
                }
                self.parts[client].waiting.push_back(message);
            }
            What::Closed { undecided, .. } => {
                self.stage.connections.closed(&notice.proxy, notice.connection);
                self.parts[client].waiting.retain(|message| !undecided.contains(&message.id));
            }
            What::FramingLost { reason } => {
                return Err(Lost::Broken(format!(
                    "messages of client {client} to the {site} cannot be told apart: {reason}"
                )));
            }
            What::Missed { notices } => {
                return Err(Lost::Broken(format!("{notices} messages were missed")));
            }
            _ => {}
        }
        Ok(())
    }

    fn answer(&mut self, client: usize, answer: Result<Option<Value>, StoreError>) {
        let is_writer = self.values[client].is_some();
        let ended = match answer {
            Ok(_) if is_writer => Ended::Written,
            Ok(value) => Ended::Read(value),
            Err(error) if !is_writer || error.certainty == Certainty::Definite => {
                Ended::Refused(error.message)
            }
            Err(error) => Ended::Unknown(error.message),
        };
        let steps = self.execution.taken.len() as u64;
        let process = Process::Client(client as u64);
        let op = self.op(client);
        let history = &mut self.execution.history;
        if !self.parts[client].has_begun {
            // It asked no store: it began and ended before anything happened.
            history.invoke(JUST_AFTER + Duration::from_nanos(1), process, op.clone());
        }
        let at = Time::from_millis(steps).max(JUST_AFTER) + Duration::from_micros(500);
        let (kind, op, error) = match &ended {
            Ended::Read(value) => {
                (Kind::Ok, op.returning(value.clone().unwrap_or(Value::Nil)), None)
            }
            Ended::Written => (Kind::Ok, op, None),
            Ended::Refused(why) => (Kind::Fail, op, Some(why.clone())),
            Ended::Unknown(why) => (Kind::Info, op, Some(why.clone())),
        };
        history.push(at, process, kind, op, error);
        if let Some(taken) =
            self.execution.taken.iter_mut().rev().find(|taken| taken.choice.client == client)
        {
            taken.ended = Some(ended.clone());
        }
        self.parts[client].ended = Some(ended);
    }
}

async fn operate(
    app: &App,
    client: u64,
    key: Key,
    value: Option<Value>,
) -> Result<Option<Value>, StoreError> {
    match value {
        Some(value) => app.change(client, key, &value).await.map(|()| None),
        None => app.ask(client, key).await,
    }
}
