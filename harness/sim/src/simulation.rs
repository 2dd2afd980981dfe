use std::{sync::Arc, time::Duration};

use quarrel_checkers::{Process, Time, Version};
use quarrel_strategy::{
    record::{Recorder, VirtualClock},
    stores::{Request, Response, StoreError},
    strategy::{Action, AnyStrategy, Outcome},
};

use super::{
    Mishap, Move, Reaction, Wait, Watcher, World,
    actor::{Actor, Late, Role, State},
    logical::{LogicalHistory, OperationEnding},
};

/// What a simulation is set up with, beside a strategy.
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
    /// The time of the run, shared with the recorder; without one nobody else reads
    /// it, and each client has a clock of its own.
    pub clock: VirtualClock,
    /// Whether [`Simulation::fingerprint`] will be asked for.
    pub memory: Fingerprints,
}

/// Whether a simulation keeps in mind what clients have seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fingerprints {
    /// It does: fingerprints tell states apart.
    Kept,
    /// It does not: fingerprints mean nothing, and every step is cheaper.
    Dropped,
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
    /// A client made a call: [`Simulation::last_call`].
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

/// A strategy that cannot be simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stuck {
    /// It waits for something other than its stores.
    #[error(
        "the strategy waits for something that is no call through its session (a timer or channel of its own?): use Session::sleep and Session::step, or the simulator cannot know when it goes on"
    )]
    Waits,
    /// It goes another way when it is run again with the same answers.
    #[error(
        "the strategy's code made another call when it was run again with the same answers: its clients share something beside the stores, or it decides by something that is not told it (a random number or clock of its own?), so that its executions cannot be searched"
    )]
    Wavers,
}

/// Clients of one strategy on simulated stores, moved by hand.
pub struct Simulation {
    /// The stores.
    pub world: World,
    pub(super) strategy: Arc<dyn AnyStrategy>,
    pub(super) setting: Arc<Setting>,
    pub(super) following: Following,
    pub(super) actors: Vec<Actor>,
    pub(super) late: Vec<Late>,
    pub(super) logical: LogicalHistory,
    pub(super) steps: usize,
    pub(super) last_call: Option<Called>,
    /// Whether a client that is gone had asked who it is.
    pub(super) has_told: bool,
}

impl Simulation {
    /// Sets the simulation.
    #[must_use]
    pub fn new(strategy: Arc<dyn AnyStrategy>, setting: &Arc<Setting>) -> Self {
        let actors = setting.scripts.len();
        let mut simulation = Self {
            world: setting.world.clone(),
            following: setting.replica,
            actors: Vec::with_capacity(actors),
            late: Vec::new(),
            logical: LogicalHistory::default(),
            steps: 0,
            last_call: None,
            has_told: false,
            strategy,
            setting: Arc::clone(setting),
        };
        simulation.move_clock_to(simulation.world.now);
        for number in 0..actors {
            simulation.enter(Role::Client, Process::Client(number as u64));
        }
        // Agents run before the first client comes on, and listen.
        if !simulation.strategy.agents().is_empty() {
            simulation.world.primary.feeds.listen();
        }
        for agent in 0..simulation.strategy.agents().len() {
            simulation.enter(Role::Agent(agent), Process::Agent(agent as u64));
        }
        simulation
    }

    /// The operations so far.
    #[must_use]
    pub const fn logical(&self) -> &LogicalHistory {
        &self.logical
    }

    /// How many steps were made: calls to a store that were not a crash.
    #[must_use]
    pub const fn steps(&self) -> usize {
        self.steps
    }

    /// How many actors there are: first the clients, then the strategy's
    /// background agents, then the jobs that operations put off.
    #[must_use]
    pub fn actors(&self) -> usize {
        self.actors.len()
    }

    /// The last call that was made; none where neither a history nor states
    /// are kept.
    #[must_use]
    pub const fn last_call(&self) -> Option<&Called> {
        self.last_call.as_ref()
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

    /// Whether `actor` waits by itself.
    #[must_use]
    pub fn asleep(&self, actor: usize) -> bool {
        matches!(self.actors[actor].state, State::Asleep(_))
    }

    /// Whether somebody's call waits for a lock or for the replica.
    #[must_use]
    pub fn anyone_waits(&self) -> bool {
        self.actors.iter().any(|actor| matches!(actor.state, State::Waits(..)))
    }

    /// The call that `actor` is about to make.
    #[must_use]
    pub fn next_call(&self, actor: usize) -> Option<&Request> {
        match &self.actors[actor].state {
            State::Calls(request) => Some(request),
            _ => None,
        }
    }

    /// The operation that `actor` has open, by its place in the history.
    #[must_use]
    pub fn open(&self, actor: usize) -> Option<usize> {
        self.actors[actor].open
    }

    /// Gives `actor` one more operation to do.
    pub fn add_action(&mut self, actor: usize, action: Action) {
        self.actors[actor].added.push_back(action);
    }

    /// Runs the next operation of `actor` to its end with nobody between its
    /// steps; its place in the history, or none if it did not end (it waits for a
    /// replica that does not move).
    ///
    /// # Errors
    ///
    /// When the strategy waits for something that is no store.
    pub fn run_alone(&mut self, actor: usize) -> Result<Option<usize>, Stuck> {
        let place = self.logical.operations().len();
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
            let played = self.logical.operations().get(place);
            if played.is_some_and(|played| played.ending.is_some()) {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }

    /// Ends whatever `actor` waits for by itself, at this instant, and returns
    /// the move by which it goes on.
    pub fn hurry(&mut self, actor: usize) -> Move {
        let now = self.world.now;
        let Some(a) = self.actors.get_mut(actor) else { return Move::Wake { actor } };
        if let Role::Job { job: Some(job), .. } = &mut a.role {
            job.due = job.due.min(now);
        }
        if let State::Asleep(until) = &mut a.state {
            *until = now.min(*until);
            return Move::Wake { actor };
        }
        Move::Step { actor, mishap: None }
    }

    /// Makes a move.
    ///
    /// # Errors
    ///
    /// When the strategy waits for something that is no store.
    pub fn perform(&mut self, a_move: &Move) -> Result<Happened, Stuck> {
        self.pass(self.setting.tick);
        let happened = match a_move {
            // Somebody who has not come on yet, such as a job nobody put off.
            Move::Step { actor, .. } | Move::Crash { actor } | Move::Wake { actor }
                if *actor >= self.actors.len() =>
            {
                Happened::Impossible
            }
            Move::Step { actor, mishap } => self.step(*actor, *mishap)?,
            Move::Crash { actor } => self.crash(*actor),
            Move::Wake { actor } => self.wake(*actor)?,
            Move::Deliver { actor } => self.deliver(*actor)?,
            Move::Replay => {
                if self.world.replay() {
                    Happened::Other
                } else {
                    Happened::Impossible
                }
            }
            Move::Disturb(disturbance) => self.disturb(disturbance)?,
        };
        if self.following == Following::AtOnce && self.world.behind() > 0 {
            self.world.catch_up();
        }
        self.settle()?;
        Ok(happened)
    }

    fn step(&mut self, actor: usize, mishap: Option<Mishap>) -> Result<Happened, Stuck> {
        let begins = self.could_begin(actor);
        self.begin(actor)?;
        if !matches!(self.actors[actor].state, State::Calls(_)) {
            // It may have been an operation without calls, or one that begins
            // by waiting.
            return Ok(if begins { Happened::Other } else { Happened::Impossible });
        }
        self.revive(actor)?;
        let state = std::mem::replace(&mut self.actors[actor].state, State::Idle);
        let State::Calls(request) = state else { unreachable!("it was a call a line ago") };
        self.steps += 1;
        let answer = match mishap {
            None => match self.world.apply_for(Watcher::of(self.actors[actor].process), &request) {
                Reaction::Answer(answer) => answer,
                Reaction::Waits(wait) => {
                    self.actors[actor].state = State::Waits(wait, request.clone());
                    self.last_call = Some(Called { request, answer: None });
                    return Ok(Happened::Called);
                }
            },
            Some(mishap) => self.go_wrong(actor, &request, mishap),
        };
        self.last_call = self.is_watched().then(|| {
            let answer = Some(answer.clone());
            Called { request, answer }
        });
        self.deliver_answer(actor, answer)?;
        Ok(Happened::Called)
    }

    fn is_watched(&self) -> bool {
        self.setting.memory == Fingerprints::Kept || self.setting.recorder.is_some()
    }

    fn go_wrong(
        &mut self,
        actor: usize,
        request: &Request,
        mishap: Mishap,
    ) -> Result<Response, StoreError> {
        let site = request.site();
        let executed = mishap == Mishap::ReplyLost
            && match self.world.apply_for(Watcher::of(self.actors[actor].process), request) {
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
        if self.setting.memory == Fingerprints::Kept {
            self.actors[actor].seen.add(&answer);
        }
        let progress = self.answer(actor, answer);
        self.went_on(actor, progress)
    }

    /// A client's code may read the clock whenever it runs.
    pub(super) fn look_at_the_clock(&mut self, actor: usize) {
        if self.setting.memory == Fingerprints::Kept {
            let now = self.world.now;
            self.actors[actor].seen.add(&now);
        }
    }

    fn wake(&mut self, actor: usize) -> Result<Happened, Stuck> {
        let State::Asleep(until) = self.actors[actor].state else {
            return Ok(Happened::Impossible);
        };
        self.revive(actor)?;
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
        if self.setting.recorder.is_some() {
            self.setting.clock.advance_to(self.world.now);
        }
    }

    /// Answers the calls whose wait is over, until nothing changes.
    fn settle(&mut self) -> Result<(), Stuck> {
        loop {
            let ready = self.actors.iter().position(
                |actor| matches!(&actor.state, State::Waits(wait, _) if self.world.ready(wait)),
            );
            let Some(actor) = ready else { return Ok(()) };
            self.revive(actor)?;
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

impl OperationEnding {
    /// Of an operation that wrote on `timeline`, if that is known.
    pub fn of(outcome: Outcome, timeline: Option<u32>) -> Self {
        let timeline = timeline.unwrap_or(1);
        match outcome {
            Outcome::Read(row) => Self::Read(row),
            Outcome::Written(number) => Self::Written(Version { timeline, number }),
            Outcome::Failed(_) => Self::Failed,
            Outcome::Unknown(_) => Self::Unknown,
        }
    }
}
