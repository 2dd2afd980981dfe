use std::{collections::BTreeMap, sync::Arc, time::Duration};

use quarrel_checkers::{Key, Process, Site};
use quarrel_sim::{LogicalHistory, Mishap, Task};
use quarrel_strategy::{
    cluster::{BoxedHere, Cluster},
    record::Recorder,
    stores::{Durability, Feed, Request, Response, StoreError},
    strategy::{Action, AnyStrategy, Job, reply_of},
};

use super::{
    Answer, Cached, Divergence, Line, LineEvent, Make, Pattern, Race, RaceError, RaceRun, RaceStep,
    Told,
    actors::{Actor, State},
    claims::{Claims, Ends},
    course::answered,
    direct::DirectStores,
    held::{Acks, Hold, Replay},
    letterbox::Messages,
    roles::{Role, begun_by},
    stops::Stream,
};

/// How long a commit that waits for a paused replica is waited for before the
/// race goes on without its answer.
const PATIENCE: Duration = Duration::from_millis(200);

pub(super) type Reply = Result<Response, StoreError>;

/// Forces a race on a cluster, line by line, and compares. `tell` hears of
/// every line before and after it happens.
///
/// Each client's code runs until it is about to make a call, and waits there
/// for its line. Calls that go wrong do so at the client's end of its link:
/// the request is not sent, or its reply is thrown away, or it is sent later.
///
/// Key `k` of the race is key `first_key + k` of the cluster, so that a run
/// finds nothing of the ones before it.
///
/// # Errors
///
/// When a line makes no sense, or the cluster cannot do what it says.
pub fn force<'a>(
    race: &'a Race,
    make: &'a Make<'a>,
    cluster: &'a dyn Cluster,
    first_key: u64,
    tell: &'a mut dyn FnMut(Told<'_>),
) -> BoxedHere<'a, Result<RaceRun, RaceError>> {
    Box::pin(async move {
        let mut forcing = Forcing::new(race, make(), cluster, first_key);
        forcing.set_up().await?;
        let performed = forcing.perform(tell).await;
        let ends = match &performed {
            Ok(()) if forcing.claims.mind_the_end() => forcing.ends().await,
            _ => Ok(Ends::default()),
        };
        forcing.clean_up().await;
        performed?;
        Ok(forcing.end(&ends?))
    })
}

pub(super) struct Forcing<'a> {
    pub(super) race: &'a Race,
    pub(super) strategy: Arc<dyn AnyStrategy>,
    pub(super) cluster: &'a dyn Cluster,
    pub(super) direct: DirectStores,
    pub(super) recorder: Arc<Recorder>,
    pub(super) actors: BTreeMap<String, Actor>,
    pub(super) jobs: Vec<Option<Job>>,
    pub(super) logical: LogicalHistory,
    pub(super) replica: Replay,
    pub(super) acks: Acks,
    pub(super) hold: Hold,
    pub(super) stream: Stream,
    pub(super) messages: Messages,
    pub(super) claims: Claims,
    pub(super) run: RaceRun,
}

impl<'a> Forcing<'a> {
    fn new(
        race: &'a Race,
        strategy: Arc<dyn AnyStrategy>,
        cluster: &'a dyn Cluster,
        first_key: u64,
    ) -> Self {
        Self {
            race,
            strategy,
            cluster,
            direct: DirectStores::new(cluster, first_key),
            recorder: Arc::new(Recorder::new(cluster.clock())),
            actors: BTreeMap::new(),
            jobs: Vec::new(),
            logical: LogicalHistory::default(),
            replica: Replay::Runs,
            acks: Acks::Flow,
            hold: Hold::of(race),
            stream: Stream::Flows,
            messages: Messages::Arrive,
            claims: Claims::default(),
            run: RaceRun::default(),
        }
    }

    async fn set_up(&mut self) -> Result<(), RaceError> {
        self.listen().await?;
        for setup in &self.race.keys {
            let key = self.direct.real(setup.key);
            if let Some(value) = &setup.value {
                let (value, durability) = (value.clone(), Durability::Local);
                self.direct.ask(0, Request::PrimaryWrite { key, value, durability }).await?;
            }
            if let Cached::As(value, version) = &setup.cached {
                self.direct.cache_row(key, value.clone(), *version).await?;
            }
        }
        // After the rows are there: a slot tells of everything from now on.
        self.aside(Task::Prepare).await?;
        self.follow(0).await?;
        for setup in self.race.keys.iter().filter(|s| s.cached == Cached::ByStrategy) {
            let key = self.direct.real(setup.key);
            self.aside(Task::Operation(Action::Read(key))).await?;
        }
        Ok(())
    }

    /// Agents run before the first client comes on. A connection hears only
    /// what is said while it listens.
    async fn listen(&mut self) -> Result<(), RaceError> {
        let line = Line::of(LineEvent::Nothing);
        for agent in self.strategy.agents() {
            let name = format!("Agent {agent}");
            self.enter(&name, &line)?;
            let listens = Request::FeedPoll { feed: Feed::Notify, limit: 1, wait: Duration::ZERO };
            let stores = self.actors.get_mut(&name).and_then(|actor| actor.stores.as_mut());
            let stores = stores.expect("it has just come on");
            let failed = |error: StoreError| RaceError::Failed { line: 0, what: error.to_string() };
            stores.call(&listens).await.map_err(failed)?;
        }
        Ok(())
    }

    async fn clean_up(&mut self) {
        self.undo_holds().await;
        drop(self.aside(Task::Finish).await);
    }

    async fn perform(&mut self, tell: &mut dyn FnMut(Told<'_>)) -> Result<(), RaceError> {
        let start = self.recorder.now();
        for (position, line) in self.race.flat().enumerate() {
            tell(Told::Next(line));
            if let Some(at) = line.at {
                let wait = (start + at).since(self.recorder.now());
                tokio::time::sleep(wait).await;
            }
            let outcome = self.line(position, line).await?;
            if line.what.commits() {
                self.stop_before_the_next(position, line.number).await?;
            }
            let happening = RaceStep::of(line, self.recorder.now(), outcome);
            tell(Told::Happened(&happening));
            let divergence = happening.divergence.clone();
            self.run.happened.push(happening);
            if divergence.is_some() {
                self.run.divergence = divergence;
                return Ok(());
            }
        }
        Ok(())
    }

    async fn line(&mut self, position: usize, line: &Line) -> Result<LineOutcome, RaceError> {
        match &line.what {
            LineEvent::Step { actor, call, mishap, reply } => {
                self.ready(actor, line).await?;
                if self.is_idle(actor) && Role::of(actor).is_client() {
                    let action = begun_by(self.race, position)?;
                    self.room(line)?;
                    self.begin(actor, Task::Operation(self.direct.real_action(action)))?;
                }
                self.claims.note(line, self.open(actor));
                self.step(line, actor, call, *mishap, reply.as_ref()).await
            }
            LineEvent::Read { actor, key } => {
                self.ready(actor, line).await?;
                if let Some(open) = self.still_open(line, actor) {
                    return Ok(Err(open));
                }
                self.room(line)?;
                self.begin(actor, Task::Operation(Action::Read(self.direct.real(*key))))?;
                self.claims.note(line, self.open(actor));
                Ok(Ok(None))
            }
            LineEvent::Write { actor, key, value } => {
                self.ready(actor, line).await?;
                if let Some(open) = self.still_open(line, actor) {
                    return Ok(Err(open));
                }
                self.room(line)?;
                let action = Action::Write(self.direct.real(*key), value.clone());
                self.begin(actor, Task::Operation(action))?;
                self.claims.note(line, self.open(actor));
                Ok(Ok(None))
            }
            LineEvent::Crash { actor } => Ok(self.crash(line, actor)),
            LineEvent::Deliver { actor, .. } => {
                let late = self.actors.get_mut(actor).filter(|actor| !actor.late.is_empty());
                let Some(request) = late.map(|actor| actor.late.remove(0)) else {
                    return Ok(Err(
                        line.differs(line.what.to_string(), "none of its calls is delayed")
                    ));
                };
                self.direct.ask(line.number, request).await?;
                Ok(Ok(None))
            }
            LineEvent::Event(event) => self.event(position, line, event).await,
            LineEvent::Check { site, object, reply } => {
                let found = self.direct.look(line.number, *site, object).await?;
                Ok(if found == *reply {
                    Ok(Some(found))
                } else {
                    Err(line.answers_differ(reply, &found))
                })
            }
            LineEvent::Nothing => {
                self.claims.note_for_the_end(line);
                Ok(Ok(None))
            }
            LineEvent::Group(_) => Ok(Ok(None)),
        }
    }

    async fn step(
        &mut self,
        line: &Line,
        name: &str,
        pattern: &Pattern,
        mishap: Option<Mishap>,
        wanted: Option<&Answer>,
    ) -> Result<LineOutcome, RaceError> {
        if self.is_idle(name) && Role::of(name) == Role::Agent {
            let agent = match self.actors[name].process {
                Process::Agent(number) => usize::try_from(number).unwrap_or(0),
                _ => 0,
            };
            self.begin(name, Task::Turn(agent))?;
        }
        let actor = self.actors.get_mut(name).expect("it has come on");
        let State::Calls(request) = &actor.state else {
            return Ok(Err(line.differs(pattern.to_string(), "its operation is over")));
        };
        let request = request.clone();
        let call = self.direct.described(&request);
        if !pattern.fits(&call) {
            return Ok(Err(line.differs(pattern.to_string(), Pattern::of(&call).to_string())));
        }
        self.direct.touches(&request);
        let Some(answer) = self.execute(name, &request, mishap).await else {
            // It waits for the replica's word, not for the replica.
            self.follow(line.number).await?;
            return Ok(Ok(None));
        };
        let found = answered(&answer);
        let position = reply_of(&answer).1;
        self.answer(name, answer)?;
        if request.site() == Site::Primary {
            self.follow(line.number).await?;
        }
        Ok(match (wanted, &found) {
            (Some(wanted), Some(found)) if wanted != found => {
                let why = match request.site() {
                    Site::Replica => {
                        position.map(|position| format!("the replica had replayed {position}"))
                    }
                    Site::Cache => self.run.origin(line),
                    Site::Primary | Site::Client => None,
                };
                Err(Divergence { why, ..line.answers_differ(wanted, found) })
            }
            _ => Ok(found),
        })
    }

    /// Makes the call; none while it waits for a replica that does not move.
    async fn execute(
        &mut self,
        name: &str,
        request: &Request,
        mishap: Option<Mishap>,
    ) -> Option<Reply> {
        let site = request.site();
        let must_wait = self.commits_wait();
        let actor = self.actors.get_mut(name).expect("it has come on");
        let lost = || Err(StoreError::unknown(site, "no answer in time"));
        match mishap {
            Some(Mishap::Fails) => {
                return Some(Err(StoreError::unreachable(site, "connection refused")));
            }
            Some(Mishap::RequestLost) => return Some(lost()),
            Some(Mishap::Delayed) => {
                actor.late.push(request.clone());
                return Some(lost());
            }
            Some(Mishap::ReplyLost) | None => {}
        }
        let mut stores = actor.stores.take().expect("a client makes one call at a time");
        if request.listens() {
            let answer = actor.letters.look(&mut stores, request, self.messages).await;
            actor.stores = Some(stores);
            return Some(answer);
        }
        let waits =
            matches!(request, Request::PrimaryWrite { durability: Durability::RemoteApply, .. });
        let answer = if waits && must_wait {
            let request = request.clone();
            let mut call = tokio::spawn(async move {
                let answer = stores.call(&request).await;
                (stores, answer)
            });
            match tokio::time::timeout(PATIENCE, &mut call).await {
                Ok(Ok((stores, answer))) => {
                    actor.stores = Some(stores);
                    answer
                }
                Ok(Err(_)) => lost(),
                Err(_) => {
                    actor.state = State::Waits(call);
                    return None;
                }
            }
        } else {
            let answer = stores.call(request).await;
            actor.stores = Some(stores);
            answer
        };
        Some(if mishap == Some(Mishap::ReplyLost) { lost() } else { answer })
    }

    fn end(mut self, ends: &Ends) -> RaceRun {
        let initial = |key: Key| self.direct.initial(&self.race.keys, key);
        self.run.claims = self.claims.judged(&self.logical, initial, ends);
        self.run.history = self.recorder.history();
        self.run
    }
}

pub(super) type LineOutcome = Result<Option<Answer>, Divergence>;
