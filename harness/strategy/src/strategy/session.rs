mod heard;

use std::{future::Future, sync::Arc, time::Duration};

use quarrel_checkers::{
    Certainty, Content, Index, Key, Lsn, Object, Process, Reply, Site, Step, Time, Value,
};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use tokio::sync::Notify;

use self::heard::told_as;
use super::{Cache, Call, Gate, Job, Memory, Passage, Primary, Replica};
use crate::{
    record::{Clock, Recorder, Spoils},
    stores::{Backend, Request, Response, Row, Stale, StoreError, Timer},
};

/// What a session is made of.
pub struct SessionParts {
    /// Whose it is.
    pub process: Process,
    /// The stores.
    pub backend: Backend,
    /// The time of the run.
    pub clock: Clock,
    /// Where steps are written down; none in searches that keep no history.
    pub recorder: Option<Arc<Recorder>>,
    /// What holds or strikes its steps.
    pub gate: Option<Arc<dyn Gate>>,
    /// Decides its random draws.
    pub seed: u64,
}

/// One client's access to the stores, and what the client remembers.
///
/// It belongs to one process. When an operation's outcome is unknown the
/// process retires and its session with it: the client goes on with a new
/// session, fresh connections and an empty memory.
pub struct Session {
    parts: SessionParts,
    /// What this client remembers between operations.
    pub memory: Memory,
    /// None before its first draw: few strategies draw, and searches make
    /// millions of sessions.
    random: Option<ChaCha8Rng>,
    jobs: Vec<Job>,
    operation: Option<Index>,
    /// On which of the primary's timelines the operation wrote, as far as the
    /// primary has told.
    timeline: Option<u32>,
    open: Option<Open>,
    published: Published,
    /// Who is told that the client crashed; none where no gate can strike it.
    crashed: Option<Arc<Notify>>,
    is_dead: bool,
}

/// A call that was made and has not ended.
struct Open {
    call: Call,
    /// The same call's other row, if it is about two.
    second: Option<(Object, Option<Content>)>,
    start: Time,
}

/// Whether the running operation may have made a value visible to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Published {
    /// Surely not.
    Nothing,
    /// In the cache at most, and not in the database.
    InCache,
    /// It did, or nobody knows.
    Perhaps,
}

impl Session {
    /// A session with an empty memory.
    #[must_use]
    pub fn new(parts: SessionParts) -> Self {
        let crashed = parts.gate.is_some().then(Arc::default);
        Self {
            parts,
            memory: Memory::default(),
            random: None,
            jobs: Vec::new(),
            operation: None,
            timeline: None,
            open: None,
            published: Published::Nothing,
            crashed,
            is_dead: false,
        }
    }

    /// The primary.
    pub const fn primary(&mut self) -> Primary<'_> {
        Primary(self)
    }

    /// The replica.
    pub const fn replica(&mut self) -> Replica<'_> {
        Replica(self)
    }

    /// The cache.
    pub const fn cache(&mut self) -> Cache<'_> {
        Cache(self)
    }

    /// Whose session it is. A search takes clients that do the same for
    /// interchangeable as long as none of them asks.
    #[must_use]
    pub fn process(&self) -> Process {
        self.parts.backend.identified();
        self.parts.process
    }

    /// The same, for whoever runs the session.
    pub(super) const fn runs_for(&self) -> Process {
        self.parts.process
    }

    /// The time of the run: real or simulated.
    #[must_use]
    pub fn now(&self) -> Time {
        self.parts.clock.now()
    }

    /// This client's own random numbers, decided by the run's seed.
    pub fn random(&mut self) -> &mut ChaCha8Rng {
        self.parts.backend.identified();
        let seed = self.parts.seed;
        self.random.get_or_insert_with(|| ChaCha8Rng::seed_from_u64(seed))
    }

    /// Waits, in real or simulated time.
    ///
    /// # Errors
    ///
    /// When the simulated client is gone.
    pub async fn sleep(&mut self, duration: Duration) -> Result<(), StoreError> {
        // Waiting is no step: it is not recorded and takes no turn at a gate.
        self.parts.backend.call(&Request::Sleep(duration)).await.map(drop)
    }

    /// The row that this client keeps of `key` in its own memory
    /// ([`Memory::keep`]), as a step: without it a stale read would have come
    /// from nowhere.
    ///
    /// # Errors
    ///
    /// When the simulated client is gone.
    pub async fn near(&mut self, key: Key) -> Result<Option<Row>, StoreError> {
        self.memory.expire(key, self.parts.clock.now());
        let Some(row) = self.memory.kept(key).cloned() else { return Ok(None) };
        self.call(Request::Near { key, row: row.clone() }).await?;
        Ok(Some(row))
    }

    /// Puts a job off until after the operation has answered, and at least
    /// `delay` from now. It is done by [`Strategy::work`](super::Strategy::work)
    /// in a session of its own, unless the client's process crashes before.
    pub fn later(&mut self, delay: Duration, name: &'static str, key: Key, value: Option<Value>) {
        let due = self.now() + delay;
        self.jobs.push(Job { name, key, value, due });
    }

    /// The jobs put off since the last call, for whoever runs the client.
    pub fn take_jobs(&mut self) -> Vec<Job> {
        std::mem::take(&mut self.jobs)
    }

    /// Whether the client crashed: everything that was only in its memory is
    /// gone.
    #[must_use]
    pub const fn has_crashed(&self) -> bool {
        self.is_dead
    }

    /// Makes one call as a step.
    ///
    /// # Errors
    ///
    /// When no answer came in time, or the answer was an error.
    pub async fn call(&mut self, request: Request) -> Result<Response, StoreError> {
        let publishes = request.publishes();
        // Nothing is described where nobody looks: searches make millions of
        // steps a second.
        if self.parts.recorder.is_none() && self.parts.gate.is_none() {
            let result = self.parts.backend.call(&request).await;
            if publishes && result != Ok(Response::Refused) {
                self.published_unless(request.site(), &result);
            }
            self.keep_timeline(&result);
            return result;
        }
        let call = Call::from(&request);
        let (start, patience) = self.enter(&call).await;
        let second = request.second();
        self.open = Some(Open { call, second, start });
        let site = request.site();
        let patience = self.patience(patience);
        let answer = self.parts.backend.call(&request);
        let result = patiently(site, patience, answer).await;
        if publishes && result != Ok(Response::Refused) {
            self.published_unless(site, &result);
        }
        self.keep_timeline(&result);
        self.own_want(&result);
        self.tell_what_was_heard(&result);
        let (reply, lsn) = reply_of(&result);
        self.leave_with(reply, lsn, || second_reply_of(&result));
        result
    }

    /// Wraps a call that an application makes with its own client library, so
    /// that it is a step like any other: recorded, held at gates, struck by
    /// faults.
    ///
    /// `reply` says what came back in the history's terms.
    ///
    /// # Errors
    ///
    /// What `future` returns.
    pub async fn step<T>(
        &mut self,
        call: Call,
        future: impl Future<Output = Result<T, StoreError>>,
        reply: impl FnOnce(&T) -> Reply,
    ) -> Result<T, StoreError> {
        let publishes = matches!(call.argument, Some(Content::Row { .. }));
        let site = call.site;
        let (start, patience) = self.enter(&call).await;
        self.open = Some(Open { call, second: None, start });
        let patience = self.patience(patience);
        let result = patiently(site, patience, future).await;
        if publishes {
            self.published_unless(site, &result);
        }
        let reply = match &result {
            Ok(answer) => reply(answer),
            Err(error) => failed(error),
        };
        self.leave(reply, None);
        result
    }

    /// Waits for the gate; when the step begins, and how long the client
    /// waits for its answer if not as usual.
    async fn enter(&mut self, call: &Call) -> (Time, Option<Duration>) {
        let mut patience = None;
        let passage = match &self.parts.gate {
            Some(gate) => gate.enter(self.parts.process, call).await,
            None => Passage::Proceed,
        };
        match passage {
            Passage::Proceed => {}
            Passage::Delay(duration) => drop(self.sleep(duration).await),
            Passage::GiveUpAfter(limit) => patience = Some(limit),
            Passage::Crash => {
                self.is_dead = true;
                self.jobs.clear();
                let crashed = self.crashed.as_ref();
                crashed.expect("only a gate lets a client crash").notify_one();
                // The operation is dropped by whoever runs it; no code of the
                // strategy may run any more.
                std::future::pending::<()>().await;
            }
        }
        (self.now(), patience)
    }

    fn leave(&mut self, reply: Reply, lsn: Option<Lsn>) {
        let again = reply.clone();
        self.leave_with(reply, lsn, || again);
    }

    /// Ends the call that is open. One about two rows is recorded as two steps
    /// at once, so that whoever follows a key finds it.
    fn leave_with(&mut self, reply: Reply, lsn: Option<Lsn>, second: impl FnOnce() -> Reply) {
        let Some(Open { call, second: other, start }) = self.open.take() else { return };
        if let Some(gate) = &self.parts.gate {
            gate.leave(self.parts.process, &call, &reply);
        }
        let Some(recorder) = &self.parts.recorder else { return };
        let end = (reply != Reply::Pending).then(|| recorder.now());
        let step = Step {
            operation: self.operation,
            process: self.parts.process,
            start,
            end,
            site: call.site,
            verb: call.verb,
            object: call.object,
            argument: call.argument,
            reply,
            lsn,
        };
        if let Some((object, argument)) = other {
            let (object, reply) = (Some(object), second());
            recorder.step(Step { object, argument, reply, ..step.clone() });
        }
        recorder.step(step);
    }

    /// Keeps in mind that a publishing step was made, unless its error proves
    /// that nothing happened.
    fn published_unless<T>(&mut self, site: Site, result: &Result<T, StoreError>) {
        let error = result.as_ref().err();
        if error.is_none_or(|error| error.certainty == Certainty::Indefinite) {
            let where_to =
                if site == Site::Cache { Published::InCache } else { Published::Perhaps };
            self.published = self.published.max(where_to);
        }
    }

    const fn keep_timeline(&mut self, result: &Result<Response, StoreError>) {
        if let Ok(Response::Written { timeline, .. } | Response::WrittenPair { timeline, .. }) =
            result
        {
            self.timeline = Some(*timeline);
        }
    }

    /// On which of the primary's timelines the last operation wrote, if the
    /// primary has told.
    #[must_use]
    pub const fn timeline(&self) -> Option<u32> {
        self.timeline
    }

    /// The error of an answer that can be no evidence, as it is none of this run:
    /// the run is lost.
    pub fn spoiled(&self, site: Site, why: &str) -> StoreError {
        if let Some(recorder) = &self.parts.recorder {
            recorder.fail(why, Spoils::Evidence);
        }
        StoreError::unknown(site, why)
    }

    /// What we lack ourselves, or were not given, says nothing about the
    /// strategy.
    fn own_want<T>(&self, result: &Result<T, StoreError>) {
        if let (Some(recorder), Err(error)) = (&self.parts.recorder, result)
            && let Some(what) = error.lack()
        {
            recorder.fail(what, Spoils::Evidence);
        }
    }

    pub(super) fn begin(&mut self, operation: Option<Index>) {
        self.operation = operation;
        self.timeline = None;
        self.open = None;
        self.published = Published::Nothing;
    }

    /// Ends the operation: a step that was cut off is recorded as pending.
    pub(super) fn end(&mut self) -> Published {
        if self.open.is_some() {
            // Whatever was under way may still happen.
            self.published = Published::Perhaps;
            self.leave(Reply::Pending, None);
        }
        if self.published == Published::InCache && !self.jobs.is_empty() {
            // What was put off may still bring it to the database.
            self.published = Published::Perhaps;
        }
        if let Some(gate) = &self.parts.gate {
            gate.finished(self.parts.process);
        }
        self.operation = None;
        self.published
    }

    fn patience(&mut self, limit: Option<Duration>) -> Patience {
        limit.map(|limit| (limit, self.parts.backend.timer(limit)))
    }

    pub(super) fn crash_signal(&self) -> Option<Arc<Notify>> {
        self.crashed.clone()
    }

    /// The invocation of the running operation, if it is recorded.
    #[must_use]
    pub const fn operation(&self) -> Option<Index> {
        self.operation
    }

    /// The time of the run.
    #[must_use]
    pub const fn clock(&self) -> &Clock {
        &self.parts.clock
    }

    /// Where its steps are written down.
    #[must_use]
    pub const fn recorder(&self) -> Option<&Arc<Recorder>> {
        self.parts.recorder.as_ref()
    }
}

/// How long a client that was struck waits before it gives up, and the timer
/// that says so.
type Patience = Option<(Duration, Timer)>;

/// What `answer` brings, or an error of unknown effect when patience is over.
async fn patiently<T>(
    site: Site,
    patience: Patience,
    answer: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let Some((limit, timer)) = patience else { return answer.await };
    tokio::select! {
        biased;
        answer = answer => answer,
        () = timer => {
            let why = format!("the client gave up after {} ms", limit.as_millis());
            Err(StoreError::unknown(site, why))
        }
    }
}

fn failed(error: &StoreError) -> Reply {
    Reply::Failed { certainty: error.certainty, error: error.message.clone() }
}

/// What a call about two rows brought for the second.
fn second_reply_of(result: &Result<Response, StoreError>) -> Reply {
    match result {
        Ok(Response::Pair([_, row])) => found(row.as_ref()),
        Ok(Response::WrittenPair { versions: [_, version], .. }) => {
            Reply::Done { version: Some(*version) }
        }
        other => reply_of(other).0,
    }
}

fn found(row: Option<&Row>) -> Reply {
    row.map_or(Reply::Miss, |row| Reply::Found(row.clone().into()))
}

/// What a call brought, in the history's terms, and where the store's log stood;
/// of two rows the first.
#[must_use]
pub fn reply_of(result: &Result<Response, StoreError>) -> (Reply, Option<Lsn>) {
    match result {
        Err(error) => (failed(error), None),
        Ok(Response::Row { row, lsn }) => (found(row.as_ref()), *lsn),
        Ok(Response::Pair([row, _])) => (found(row.as_ref()), None),
        Ok(
            Response::Written { version, lsn, .. }
            | Response::WrittenPair { versions: [version, _], lsn, .. },
        ) => (Reply::Done { version: Some(*version) }, *lsn),
        Ok(Response::Loaded { lsn, .. }) => (Reply::Done { version: None }, *lsn),
        Ok(Response::Refused) => (Reply::Refused, None),
        Ok(Response::Lsn(lsn)) => (Reply::Done { version: None }, Some(*lsn)),
        Ok(Response::Content(None) | Response::Expiry(None)) => (Reply::Miss, None),
        Ok(Response::Content(Some(content))) => (Reply::Found(content.clone()), None),
        Ok(
            Response::Expiry(Some(_))
            | Response::Done
            | Response::Contents(_)
            | Response::Changes(_),
        ) => (Reply::Done { version: None }, None),
        Ok(Response::Invalidated(told)) if told.contains(&Stale::All) => (Reply::Gap, None),
        Ok(Response::Invalidated(told)) => (told.last().map_or(Reply::Miss, told_as), None),
    }
}
