use std::{collections::VecDeque, sync::Arc, time::Duration};

use quarrel_checkers::{Kind, Op, Process, Time};

use super::{
    Fingerprint, Mishap, Move, Reaction, Wait, World,
    client::{Client, Progress},
    play::{Ending, Play},
};
use crate::{
    record::{Clock, Recorder, VirtualClock},
    stores::{Request, Response, StoreError},
    strategy::{Action, AnyStrategy, Outcome, SessionParts},
};

/// What a stage is set up with, beside a strategy.
#[derive(Clone)]
pub struct Setting {
    /// The stores as they are at the beginning.
    pub world: World,
    /// What each client does, in order.
    pub scripts: Vec<Vec<Action>>,
    /// Whether the replica follows every commit at once, or only moves when
    /// told.
    pub replica: Following,
    /// How much time passes at each move.
    pub tick: Duration,
    /// Where the history is written; none in searches.
    pub recorder: Option<Arc<Recorder>>,
    /// The time of the run, shared with the recorder.
    pub clock: VirtualClock,
}

/// Whether the replica moves by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Following {
    /// It shows every commit at once.
    AtOnce,
    /// It stands still until it is told to replay.
    WhenTold,
}

/// What a move did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// A client made a call: [`Stage::last_call`].
    Called,
    /// Something else happened.
    Other,
    /// The move was not possible here and nothing happened.
    Impossible,
}

/// A call that was made, and what its client saw.
#[derive(Clone, Debug, PartialEq)]
pub struct Called {
    /// The call.
    pub request: Request,
    /// The answer; none while it waits for the replica or a lock, and for a
    /// delayed call whose client has gone on.
    pub answer: Option<Result<Response, StoreError>>,
}

/// A strategy that waits for something other than its stores.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the strategy waits for something that is no call through its session (a timer or channel of its own?): use Session::sleep and Session::step, or the simulator cannot know when it goes on"
)]
pub struct Stuck;

enum State {
    Idle,
    Calls(Request),
    Asleep(Time),
    Waits(Wait, Request),
}

struct Actor {
    client: Client,
    process: u64,
    /// How much of its script it has begun.
    begun: usize,
    /// What it was given to do beyond its script.
    cued: VecDeque<Action>,
    state: State,
    open: Option<usize>,
    /// Everything its code has seen: with the strategy, it decides its state.
    seen: Fingerprint,
}

struct Late {
    actor: usize,
    request: Request,
    /// Stands for the request in fingerprints: what its client had seen.
    print: u128,
}

/// Clients of one strategy on simulated stores, moved by hand.
pub struct Stage {
    /// The stores.
    pub world: World,
    strategy: Arc<dyn AnyStrategy>,
    pub(super) setting: Arc<Setting>,
    pub(super) following: Following,
    actors: Vec<Actor>,
    late: Vec<Late>,
    pub(super) play: Play,
    steps: usize,
    last_call: Option<Called>,
}

impl Stage {
    /// Sets the stage.
    #[must_use]
    pub fn new(strategy: Arc<dyn AnyStrategy>, setting: &Arc<Setting>) -> Self {
        let actors = setting.scripts.len();
        let mut stage = Self {
            world: setting.world.clone(),
            following: setting.replica,
            actors: Vec::with_capacity(actors),
            late: Vec::new(),
            play: Play::default(),
            steps: 0,
            last_call: None,
            strategy,
            setting: Arc::clone(setting),
        };
        for number in 0..actors {
            let actor = Actor {
                client: stage.client(number as u64),
                process: number as u64,
                begun: 0,
                cued: VecDeque::new(),
                state: State::Idle,
                open: None,
                seen: Fingerprint::default(),
            };
            stage.actors.push(actor);
        }
        stage
    }

    /// The operations so far.
    #[must_use]
    pub const fn play(&self) -> &Play {
        &self.play
    }

    /// How many steps were made: calls to a store that were not a crash.
    #[must_use]
    pub const fn steps(&self) -> usize {
        self.steps
    }

    /// How many clients there are.
    #[must_use]
    pub fn actors(&self) -> usize {
        self.actors.len()
    }

    /// The last call that was made.
    #[must_use]
    pub const fn last_call(&self) -> Option<&Called> {
        self.last_call.as_ref()
    }

    /// Whether every client has done all it had to.
    #[must_use]
    pub fn finished(&self) -> bool {
        (0..self.actors.len())
            .all(|actor| self.actors[actor].open.is_none() && self.next_action(actor).is_none())
    }

    /// Whether the replica follows by itself at the moment.
    #[must_use]
    pub const fn following(&self) -> Following {
        self.following
    }

    /// Whose delayed calls have not been executed yet.
    pub fn delayed(&self) -> impl Iterator<Item = usize> {
        self.late.iter().map(|late| late.actor)
    }

    /// Whether `actor` has no operation open.
    #[must_use]
    pub fn idle(&self, actor: usize) -> bool {
        self.actors[actor].open.is_none()
    }

    /// Whether `actor` could begin an operation.
    #[must_use]
    pub fn could_begin(&self, actor: usize) -> bool {
        matches!(self.actors[actor].state, State::Idle) && self.next_action(actor).is_some()
    }

    fn next_action(&self, actor: usize) -> Option<&Action> {
        let a = &self.actors[actor];
        self.setting.scripts[actor].get(a.begun).or_else(|| a.cued.front())
    }

    /// Whether `actor` waits by itself.
    #[must_use]
    pub fn asleep(&self, actor: usize) -> bool {
        matches!(self.actors[actor].state, State::Asleep(_))
    }

    /// The call that `actor` is about to make.
    #[must_use]
    pub fn next_call(&self, actor: usize) -> Option<&Request> {
        match &self.actors[actor].state {
            State::Calls(request) => Some(request),
            _ => None,
        }
    }

    /// The operation that `actor` has open, by its place in the play.
    #[must_use]
    pub fn open(&self, actor: usize) -> Option<usize> {
        self.actors[actor].open
    }

    /// Gives `actor` one more operation to do.
    pub fn cue(&mut self, actor: usize, action: Action) {
        self.actors[actor].cued.push_back(action);
    }

    /// Begins the next operation of an idle client without making its first
    /// step. An operation that makes no calls ends here.
    ///
    /// # Errors
    ///
    /// When the strategy waits for something that is no store.
    pub fn begin(&mut self, actor: usize) -> Result<(), Stuck> {
        if !self.could_begin(actor) {
            return Ok(());
        }
        self.look_at_the_clock(actor);
        let a = &mut self.actors[actor];
        let action = match self.setting.scripts[actor].get(a.begun) {
            Some(action) => {
                a.begun += 1;
                action.clone()
            }
            None => a.cued.pop_front().expect("something is there to begin"),
        };
        a.open = Some(self.play.begin(actor, a.process, action.clone()));
        let progress = a.client.start(action);
        self.went_on(actor, progress)
    }

    /// Runs the next operation of `actor` to its end with nobody between its
    /// steps; its place in the play, or none if it did not end (it waits for a
    /// replica that does not move).
    ///
    /// # Errors
    ///
    /// When the strategy waits for something that is no store.
    pub fn run_alone(&mut self, actor: usize) -> Result<Option<usize>, Stuck> {
        let place = self.play.operations().len();
        // Far more steps than an operation that ends ever makes.
        for _ in 0..1_000 {
            let a_move = if self.asleep(actor) {
                Move::Wake { actor }
            } else {
                Move::Step { actor, mishap: None }
            };
            if self.perform(&a_move)? == Happened::Impossible {
                return Ok(None);
            }
            let played = self.play.operations().get(place);
            if played.is_some_and(|played| played.ending.is_some()) {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }

    /// Makes a move.
    ///
    /// # Errors
    ///
    /// When the strategy waits for something that is no store.
    pub fn perform(&mut self, a_move: &Move) -> Result<Happened, Stuck> {
        self.pass(self.setting.tick);
        let happened = match a_move {
            Move::Step { actor, mishap } => self.step(*actor, *mishap)?,
            Move::Crash { actor } => self.crash(*actor)?,
            Move::Wake { actor } => self.wake(*actor)?,
            Move::Deliver { actor } => self.deliver(*actor)?,
            Move::Replay => {
                if self.world.replay() {
                    Happened::Other
                } else {
                    Happened::Impossible
                }
            }
            Move::Disturb(disturbance) => self.disturb(disturbance),
        };
        if self.following == Following::AtOnce && self.world.behind() > 0 {
            self.world.catch_up();
        }
        self.settle()?;
        Ok(happened)
    }

    /// Adds everything that later moves and verdicts depend on.
    pub fn fingerprint(&self, print: &mut Fingerprint) {
        self.world.fingerprint(print);
        print.add(&self.following);
        for actor in &self.actors {
            print.add(&(
                actor.process,
                actor.begun,
                actor.cued.len(),
                actor.open.is_some(),
                actor.seen.finish(),
            ));
        }
        // Delayed calls of one client are executed in order, those of several
        // clients in any order: only the order within a client matters.
        for actor in 0..self.actors.len() {
            for late in self.late.iter().filter(|late| late.actor == actor) {
                print.add(&(actor, late.print));
            }
        }
        self.play.fingerprint(print);
    }

    fn client(&self, process: u64) -> Client {
        let setting = &self.setting;
        Client::new(Arc::clone(&self.strategy), |backend| SessionParts {
            process: Process::Client(process),
            backend,
            clock: Clock::Virtual(setting.clock.clone()),
            recorder: setting.recorder.clone(),
            gate: None,
            seed: process,
        })
    }

    fn step(&mut self, actor: usize, mishap: Option<Mishap>) -> Result<Happened, Stuck> {
        let before = self.play.ended();
        self.begin(actor)?;
        if !matches!(self.actors[actor].state, State::Calls(_)) {
            // It may have been an operation without calls.
            let ended = self.play.ended() != before;
            return Ok(if ended { Happened::Other } else { Happened::Impossible });
        }
        let state = std::mem::replace(&mut self.actors[actor].state, State::Idle);
        let State::Calls(request) = state else { unreachable!("it was a call a line ago") };
        self.steps += 1;
        let answer = match mishap {
            None => match self.world.apply(&request) {
                Reaction::Answer(answer) => answer,
                Reaction::Waits(wait) => {
                    self.actors[actor].state = State::Waits(wait, request.clone());
                    self.last_call = Some(Called { request, answer: None });
                    return Ok(Happened::Called);
                }
            },
            Some(mishap) => self.go_wrong(actor, &request, mishap),
        };
        self.last_call = Some(Called { request, answer: Some(answer.clone()) });
        self.deliver_answer(actor, answer)?;
        Ok(Happened::Called)
    }

    fn go_wrong(
        &mut self,
        actor: usize,
        request: &Request,
        mishap: Mishap,
    ) -> Result<Response, StoreError> {
        let site = request.site();
        let executed = mishap == Mishap::ReplyLost
            && match self.world.apply(request) {
                // A commit that waits for the replica goes on without its client.
                Reaction::Answer(_) | Reaction::Waits(Wait::Acknowledgement { .. }) => true,
                Reaction::Waits(Wait::Lock(_)) => false,
            };
        if !executed && matches!(mishap, Mishap::Delayed | Mishap::ReplyLost) {
            let print = self.actors[actor].seen.finish();
            self.late.push(Late { actor, request: request.clone(), print });
        }
        Err(match mishap {
            Mishap::Fails => StoreError::unreachable(site, "connection refused"),
            _ => StoreError::unknown(site, "no answer in time"),
        })
    }

    fn deliver_answer(
        &mut self,
        actor: usize,
        answer: Result<Response, StoreError>,
    ) -> Result<(), Stuck> {
        self.look_at_the_clock(actor);
        let a = &mut self.actors[actor];
        a.seen.add(&answer);
        let progress = a.client.answer(answer);
        self.went_on(actor, progress)
    }

    /// A client's code may read the clock whenever it runs.
    fn look_at_the_clock(&mut self, actor: usize) {
        let now = self.world.now;
        self.actors[actor].seen.add(&now);
    }

    fn went_on(&mut self, actor: usize, progress: Progress) -> Result<(), Stuck> {
        let now = self.world.now;
        let a = &mut self.actors[actor];
        match progress {
            Progress::Calls(Request::Sleep(duration)) => a.state = State::Asleep(now + duration),
            Progress::Calls(request) => a.state = State::Calls(request),
            Progress::Stuck => return Err(Stuck),
            Progress::Ended(outcome) => {
                a.state = State::Idle;
                let operation = a.open.take().expect("an operation that ends was begun");
                let retires = matches!(outcome, Outcome::Unknown(_));
                self.play.end(operation, outcome.into());
                if retires {
                    self.replace(actor);
                }
            }
        }
        Ok(())
    }

    /// A new session under a new process id takes over.
    fn replace(&mut self, actor: usize) {
        let process = self.actors[actor].process + self.actors.len() as u64;
        let client = self.client(process);
        let a = &mut self.actors[actor];
        (a.client, a.process, a.state, a.open) = (client, process, State::Idle, None);
        a.seen = Fingerprint::default();
    }

    fn crash(&mut self, actor: usize) -> Result<Happened, Stuck> {
        self.begin(actor)?;
        let Some(operation) = self.actors[actor].open else { return Ok(Happened::Impossible) };
        if let Some(recorder) = &self.setting.recorder {
            let process = Process::Client(self.actors[actor].process);
            let op = match self.play.action(operation) {
                Action::Read(key) => Op::read(*key),
                Action::Write(key, value) => Op::write(*key, value.clone()),
            };
            let why = "the client crashed between two steps".to_owned();
            recorder.complete(process, Kind::Info, op, Some(why));
        }
        self.play.end(operation, Ending::Unknown);
        self.replace(actor);
        Ok(Happened::Other)
    }

    fn wake(&mut self, actor: usize) -> Result<Happened, Stuck> {
        let State::Asleep(until) = self.actors[actor].state else {
            return Ok(Happened::Impossible);
        };
        self.move_clock_to(until);
        self.deliver_answer(actor, Ok(Response::Done))?;
        Ok(Happened::Other)
    }

    fn deliver(&mut self, actor: usize) -> Result<Happened, Stuck> {
        let Some(at) = self.late.iter().position(|late| late.actor == actor) else {
            return Ok(Happened::Impossible);
        };
        if let Reaction::Waits(Wait::Lock(_)) = self.world.apply(&self.late[at].request) {
            return Ok(Happened::Impossible);
        }
        let late = self.late.remove(at);
        self.last_call = Some(Called { request: late.request, answer: None });
        Ok(Happened::Called)
    }

    pub(super) fn pass(&mut self, duration: Duration) {
        if !duration.is_zero() {
            self.move_clock_to(self.world.now + duration);
        }
    }

    pub(super) fn move_clock_to(&mut self, time: Time) {
        self.world.now = self.world.now.max(time);
        self.setting.clock.advance_to(self.world.now);
    }

    /// Answers the calls whose wait is over, until nothing changes.
    fn settle(&mut self) -> Result<(), Stuck> {
        loop {
            let ready = self.actors.iter().position(
                |actor| matches!(&actor.state, State::Waits(wait, _) if self.world.ready(wait)),
            );
            let Some(actor) = ready else { return Ok(()) };
            let state = std::mem::replace(&mut self.actors[actor].state, State::Idle);
            let State::Waits(wait, request) = state else { unreachable!("it waits") };
            match wait {
                Wait::Acknowledgement { response, .. } => {
                    self.deliver_answer(actor, Ok(response))?;
                }
                Wait::Lock(_) => match self.world.apply(&request) {
                    Reaction::Answer(answer) => self.deliver_answer(actor, answer)?,
                    Reaction::Waits(wait) => {
                        self.actors[actor].state = State::Waits(wait, request);
                    }
                },
            }
        }
    }
}

impl From<Outcome> for Ending {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Read(row) => Self::Read(row),
            Outcome::Written(version) => Self::Written(version),
            Outcome::Failed(_) => Self::Failed,
            Outcome::Unknown(_) => Self::Unknown,
        }
    }
}
