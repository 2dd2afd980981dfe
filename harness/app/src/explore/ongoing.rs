//! The course of one execution.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use futures::stream::FuturesUnordered;
use quarrel_checkers::{History, Index, Key, Op, Process, Site, Time, Value};
use quarrel_faultproxy::Decision;
use quarrel_strategy::stores::StoreError;
use tokio::time::Instant;

use super::{
    executor::{Ended, Execution, Executor, Lost, Role, Taken, Warmth},
    mishap::Deed,
    tree::{Choice, Next},
};
use crate::{App, rows::number, transcript::Place, wire::Message};

/// The first moment after the row was made.
pub(super) const JUST_AFTER: Time = Time(1_000);

/// How long a client may take to give up a request that is not answered.
const GIVES_UP: Duration = Duration::from_secs(2);

/// How long a message or an answer may take to come.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long until somebody asks whether a client waits for a lock.
const BLOCKED: Duration = Duration::from_millis(25);
/// The same while somebody else is known to hold one.
const LIKELY_BLOCKED: Duration = Duration::from_millis(1);

/// Where a client stands.
#[derive(Debug, Default)]
pub(super) struct ClientState {
    /// Messages that wait, oldest first.
    pub(super) waiting: VecDeque<Waiting>,
    /// It has written what nobody sees yet, or locked it.
    pub(super) holds_row: bool,
    /// What it was let say last may wait for somebody's lock.
    pub(super) may_wait: bool,
    /// It has sent something that was let go on.
    pub(super) has_begun: bool,
    /// Its operation has ended.
    pub(super) ended: Option<Ended>,
    /// It waits for somebody else's lock.
    is_blocked: bool,
}

/// A message that waits for its turn.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    /// The number of what waits: of the request, or of its reply.
    pub(super) id: u64,
    /// The request.
    pub(super) message: Message,
    /// Where it came from.
    pub(super) place: Place,
    /// What its turn means.
    pub(super) turn: Deed,
}

pub(super) struct Ongoing<'a, N> {
    pub(super) executor: &'a mut Executor,
    pub(super) warmth: Warmth,
    pub(super) key: Key,
    pub(super) row: u64,
    pub(super) parts: Vec<ClientState>,
    next: N,
    pub(super) execution: Execution,
    pub(super) values: Vec<Option<Value>>,
    /// What has happened since the last message was let go.
    pub(super) ticks: u64,
    /// Faults so far.
    pub(super) struck: usize,
    /// The replica replays nothing.
    pub(super) is_behind: bool,
    /// Names of entries of the row that were heard of, and whether something
    /// was stored there.
    pub(super) entries: BTreeSet<(String, bool)>,
    /// Requests whose clients have given them up.
    pub(super) late: Vec<(usize, Waiting)>,
    /// Requests that have gone on and whose replies wait for a turn.
    pub(super) unanswered: HashMap<u64, Message>,
    /// Requests that were answered.
    pub(super) answered: BTreeSet<u64>,
    /// Nothing new can come of it any more.
    pub(super) is_old: bool,
}

impl<'a, N: FnMut(usize, &[Choice]) -> Next> Ongoing<'a, N> {
    pub(super) fn new(
        executor: &'a mut Executor,
        warmth: Warmth,
        key: Key,
        first: Value,
        next: N,
    ) -> Self {
        let row = number(&executor.app.file.rows, key);
        let mut history = History::default();
        let writer = Process::Client(u64::from(u32::MAX));
        let op = Op::write(key, first);
        history.invoke(Time::ZERO, writer, op.clone());
        history.ok(JUST_AFTER, writer, op);
        let roles = executor.roles.clone();
        let values = roles
            .iter()
            .map(|role| (*role == Role::Writer).then(|| executor.app.unused_value()))
            .collect();
        let execution = Execution {
            taken: Vec::new(),
            history,
            audited: None,
            held: None,
            is_complete: false,
            of_nobody: 0,
            silent: 0,
            given_up: 0,
            at_once: 0,
            struck: BTreeSet::new(),
        };
        let parts = roles.iter().map(|_| ClientState::default()).collect();
        Self {
            executor,
            warmth,
            key,
            row,
            parts,
            next,
            execution,
            values,
            ticks: 0,
            struck: 0,
            is_behind: false,
            entries: BTreeSet::new(),
            late: Vec::new(),
            unanswered: HashMap::new(),
            answered: BTreeSet::new(),
            is_old: false,
        }
    }

    pub(super) async fn run(&mut self) -> Result<Execution, Lost> {
        let app = Arc::clone(&self.executor.app);
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
        self.begin_behind().await?;
        let everybody: Vec<usize> = (0..self.parts.len()).collect();
        self.settle(&everybody, &mut answers).await?;
        self.execution.silent = self.parts.iter().filter(|part| part.ended.is_some()).count();
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
            let at = if self.is_old {
                0
            } else {
                match (self.next)(depth, &enabled) {
                    Next::Go(at) => at,
                    Next::Enough => {
                        self.is_old = true;
                        0
                    }
                    Next::Diverged => {
                        let seen: Vec<_> = enabled.iter().map(|c| c.shape.to_string()).collect();
                        return Err(Lost::Diverged(format!("step {depth}: {}", seen.join(", "))));
                    }
                }
            };
            self.take(enabled[at].clone(), &mut answers).await?;
        }
        self.end().await?;
        self.execution.is_complete = !self.is_old;
        self.execution.history.events.sort_by_key(|event| event.time);
        for (index, event) in self.execution.history.events.iter_mut().enumerate() {
            event.index = Index(index as u64);
        }
        Ok(self.execution.clone())
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
        self.struck += usize::from(choice.deed.is_fault());
        if !choice.deed.is_of_a_message() {
            return self.beside(choice).await;
        }
        let client = choice.client;
        if choice.deed == Deed::Arrives {
            return self.arrive(choice).await;
        }
        let part = &mut self.parts[client];
        let Some(waiting) = part.waiting.pop_front() else {
            return Err(Lost::Broken("what was chosen does not wait".to_owned()));
        };
        let at = Time::from_millis(self.execution.taken.len() as u64 + 1);
        if !part.has_begun {
            part.has_begun = true;
            let op = self.op(client);
            self.execution.history.invoke(at, Process::Client(client as u64), op);
        }
        let values = waiting.message.values.clone();
        let deed = choice.deed.clone();
        self.execution.taken.push(Taken { choice, values, ended: None });
        if waiting.message.site == Site::Replica && waiting.turn == Deed::GoesOn {
            self.level().await?;
        }
        self.ticks = 0;
        let now = self.now();
        if deed != Deed::Answered {
            self.executor.scribe.goes_on(waiting.id, now);
        }
        if deed == Deed::Dawdles {
            self.dawdle(client, waiting, answers).await?;
        } else {
            self.let_go(client, &deed, &waiting)?;
            self.settle(&[client], answers).await?;
        }
        // Whoever waited for a lock may have got it.
        while let blocked @ [_, ..] = &self.blocked()[..] {
            if self.executor.locks.waiting().await.map_err(Lost::Broken)? >= blocked.len() {
                break;
            }
            self.settle_any(blocked, answers).await?;
        }
        Ok(())
    }

    /// A request is under way until its client gives it up. One that waits for
    /// ever is let go after a while, and the rest is nothing new.
    async fn dawdle<F>(
        &mut self,
        client: usize,
        waiting: Waiting,
        answers: &mut FuturesUnordered<F>,
    ) -> Result<(), Lost>
    where
        F: Future<Output = (usize, Result<Option<Value>, StoreError>)>,
    {
        self.execution.struck.insert(client);
        let start = Instant::now();
        let shape = Arc::clone(&waiting.message.shape);
        let patience = match self.executor.patient.contains(&shape) {
            true => Duration::ZERO,
            false => GIVES_UP,
        };
        while !self.is_settled(client) {
            if start.elapsed() >= patience {
                self.executor.patient.insert(shape);
                self.is_old = true;
                self.let_go(client, &Deed::GoesOn, &waiting)?;
                return self.settle(&[client], answers).await;
            }
            self.hear(BLOCKED, answers).await?;
        }
        self.late.push((client, waiting));
        Ok(())
    }

    /// The time of whatever happens now: between the message that was let go
    /// last and the end of the operation that it may bring about.
    pub(super) fn now(&mut self) -> Time {
        self.ticks = (self.ticks + 1).min(400);
        let at = Time::from_millis(self.execution.taken.len() as u64).max(JUST_AFTER);
        at + Duration::from_micros(self.ticks)
    }

    pub(super) fn decide(&self, id: u64) -> Result<(), Lost> {
        self.decide_to(id, Decision::Forward)
    }

    pub(super) fn decide_to(&self, id: u64, decision: Decision) -> Result<(), Lost> {
        let decided = self.executor.attention.decide(id, decision);
        decided.map_err(|error| Lost::Diverged(format!("a message that waited is gone: {error}")))
    }

    pub(super) fn op(&self, client: usize) -> Op {
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
        let holds = |(at, part): (usize, &ClientState)| part.holds_row && !clients.contains(&at);
        let may_wait = clients.iter().any(|client| self.parts[*client].may_wait);
        let is_likely = may_wait && self.parts.iter().enumerate().any(holds);
        let soon = if is_likely { LIKELY_BLOCKED } else { BLOCKED };
        let mut asked = Instant::now();
        while let Some(open) = clients.iter().find(|client| !self.is_settled(**client)) {
            if !self.hear(soon, answers).await? && asked.elapsed() >= soon {
                asked = Instant::now();
                let known = self.blocked().len();
                if self.executor.locks.waiting().await.map_err(Lost::Broken)? > known {
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
