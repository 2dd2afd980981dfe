use std::{sync::Arc, time::Duration};

use quarrel_checkers::{Content, History, Site, Time};
use quarrel_sim::{Claim, Disturbance, Following, Happened, Move, Simulation};
use quarrel_strategy::{
    record::{Clock, Recorder, VirtualClock},
    stores::Item,
    strategy::{Action, AnyStrategy, Call},
};

use super::{
    Answer, Line, LineEvent, Make, Pattern, Race, Shown, StoreEvent,
    audit::audits,
    claims::{Claims, Ends},
    course::{Course, answered},
    initial::{initial, setting, world},
    roles::{NothingBegun, Role, begun_by, clients},
    run::{Divergence, RaceError, RaceRun, RaceStep, STILL_OPEN, Told, room},
};

/// Between two lines that say no time.
const PACE: Duration = Duration::from_millis(1);

/// Performs a race on simulated stores, line by line, and compares. `tell`
/// hears of every line before and after it happens.
///
/// # Errors
///
/// When a line makes no sense on any cluster.
pub fn simulate(
    race: &Race,
    make: &Make<'_>,
    tell: &mut dyn FnMut(Told<'_>),
) -> Result<RaceRun, RaceError> {
    let mut running = Running::new(race, make);
    running.perform(tell)?;
    Ok(running.end()?.0)
}

/// A race as a course, to shrink or to experiment with.
#[derive(Clone, Debug)]
pub struct ClaimedCourse {
    /// What happens when the race is simulated.
    pub course: Course,
    /// The first claim of the race.
    pub claim: Option<Claim>,
    /// The operation that it is about, by its client and its number among that
    /// client's; none for a claim about the end, or one that was not reached.
    pub of: Option<(usize, usize)>,
}

/// Makes a course of what happens when `race` is simulated.
///
/// # Errors
///
/// When a line makes no sense on any cluster.
pub fn course_of(race: &Race, make: &Make<'_>) -> Result<ClaimedCourse, RaceError> {
    let mut running = Running::new(race, make);
    running.perform(&mut |_| {})?;
    let claim = race.flat().find_map(|line| line.claim);
    let is_about_the_end = claim.is_some_and(Claim::is_about_the_end);
    let first = running.claims.first().filter(|_| !is_about_the_end);
    let of = first.map(|place| {
        let played = &running.simulation.logical().operations()[place];
        (played.actor, played.ordinal)
    });
    let mut course = running.end()?.1;
    if course.moves.first() == Some(&Move::Disturb(Disturbance::PauseReplica)) {
        course.moves.remove(0);
        course.replica = Following::WhenTold;
    }
    Ok(ClaimedCourse { course, claim, of })
}

struct Running<'a> {
    race: &'a Race,
    names: Vec<String>,
    strategy: Arc<dyn AnyStrategy>,
    simulation: Simulation,
    claims: Claims,
    run: RaceRun,
    recorder: Arc<Recorder>,
    /// What really happened.
    course: Course,
}

impl<'a> Running<'a> {
    fn new(race: &'a Race, make: &Make<'_>) -> Self {
        let clock = VirtualClock::default();
        let recorder = Arc::new(Recorder::new(Clock::Virtual(clock.clone())));
        let names = clients(race);
        let mut scripts = vec![Vec::new(); names.len()];
        scripts.extend(race.keys.iter().map(|setup| vec![Action::Read(setup.key)]));
        let strategy = make();
        let setting = setting(
            world(make, &race.keys),
            scripts,
            Following::AtOnce,
            Duration::ZERO,
            Some(Arc::clone(&recorder)),
            clock,
        );
        let course = Course {
            keys: race.keys.clone(),
            replica: Following::AtOnce,
            clients: vec![Vec::new(); names.len()],
            moves: Vec::new(),
        };
        Self {
            race,
            names,
            simulation: Simulation::new(Arc::clone(&strategy), &setting),
            strategy,
            claims: Claims::default(),
            run: RaceRun::default(),
            recorder,
            course,
        }
    }

    fn perform(&mut self, tell: &mut dyn FnMut(Told<'_>)) -> Result<(), RaceError> {
        let race = self.race;
        for (position, line) in race.flat().enumerate() {
            tell(Told::Next(line));
            let now = self.simulation.world.now;
            let at = line.at.map_or(now + PACE, |at| Time::ZERO + at);
            if position > 0 || line.at.is_some() {
                self.move_to(at)?;
            }
            let outcome = self.line(position, line)?;
            let happening = RaceStep::of(line, self.simulation.world.now, outcome);
            tell(Told::Happened(&happening));
            let diverged = happening.divergence.clone();
            self.run.happened.push(happening);
            if let Some(divergence) = diverged {
                self.run.divergence = Some(divergence);
                return Ok(());
            }
        }
        Ok(())
    }

    fn move_to(&mut self, at: Time) -> Result<(), RaceError> {
        let wait = at.since(self.simulation.world.now);
        self.simulation.perform(&Move::Disturb(Disturbance::Wait(wait)))?;
        Ok(())
    }

    /// Makes one line happen; what came back, or how it differed.
    fn line(&mut self, position: usize, line: &Line) -> Result<Outcome, RaceError> {
        let actor = match line.what.actor() {
            Some(name) => Some(self.actor(name, line)?),
            None => None,
        };
        match (&line.what, actor) {
            (LineEvent::Step { call, mishap, reply, .. }, Some(actor)) => {
                self.wake(actor)?;
                if self.simulation.idle(actor)
                    && Role::of(line.what.actor().unwrap_or("")).is_client()
                {
                    self.room(line)?;
                    self.add_action(actor, begun_by(self.race, position)?);
                }
                self.simulation.begin(actor)?;
                self.claim(line, actor);
                let outcome = self.call(line, actor, call)?;
                if outcome.is_err() {
                    return Ok(outcome);
                }
                let a_move = Move::Step { actor, mishap: *mishap };
                if self.make(&a_move)? == Happened::Impossible {
                    return Ok(Err(line.differs(call.to_string(), "it cannot be made now")));
                }
                Ok(self.compare(line, reply.as_ref()))
            }
            (LineEvent::Read { key, .. }, Some(actor)) => {
                self.wake(actor)?;
                if !self.simulation.idle(actor) {
                    return Ok(Err(line.differs(line.what.to_string(), STILL_OPEN)));
                }
                self.room(line)?;
                self.add_action(actor, Action::Read(*key));
                self.simulation.begin(actor)?;
                self.claim(line, actor);
                Ok(Ok(None))
            }
            (LineEvent::Write { key, value, .. }, Some(actor)) => {
                self.wake(actor)?;
                if !self.simulation.idle(actor) {
                    return Ok(Err(line.differs(line.what.to_string(), STILL_OPEN)));
                }
                self.room(line)?;
                self.add_action(actor, Action::Write(*key, value.clone()));
                self.simulation.begin(actor)?;
                self.claim(line, actor);
                Ok(Ok(None))
            }
            (LineEvent::Crash { .. }, Some(actor)) => {
                self.possible(line, &Move::Crash { actor }, "it has no operation open")
            }
            (LineEvent::Deliver { .. }, Some(actor)) => {
                self.possible(line, &Move::Deliver { actor }, "none of its calls is delayed")
            }
            (LineEvent::Event(event), _) => self.event(line, event),
            (LineEvent::Check { site, object, reply }, _) => {
                let found = self.look(*site, object);
                Ok(if found == *reply {
                    Ok(Some(found))
                } else {
                    Err(line.answers_differ(reply, &found))
                })
            }
            (LineEvent::Nothing, _) => {
                self.claims.note_for_the_end(line);
                Ok(Ok(None))
            }
            (LineEvent::Group(_), _) => Ok(Ok(None)),
            (_, None) => unreachable!("every other line has an actor"),
        }
    }

    /// Whether the actor is about to make the call that stands in the line.
    fn call(&mut self, line: &Line, actor: usize, call: &Pattern) -> Result<Outcome, RaceError> {
        let Some(next) = self.simulation.next_call(actor) else {
            let why = if self.simulation.idle(actor) {
                "its operation is over"
            } else {
                "its last call waits for the replica or for a lock"
            };
            return Ok(Err(line.differs(call.to_string(), why)));
        };
        let next = Call::from(next);
        Ok(if call.fits(&next) {
            Ok(None)
        } else {
            Err(line.differs(call.to_string(), Pattern::of(&next).to_string()))
        })
    }

    fn compare(&self, line: &Line, wanted: Option<&Answer>) -> Outcome {
        let called = self.simulation.last_call().expect("a step calls");
        let found = called.answer.as_ref().and_then(answered);
        match (wanted, &found) {
            (Some(wanted), Some(found)) if wanted != found => {
                let why = match called.request.site() {
                    Site::Replica => {
                        let position = self.simulation.world.replica.replayed();
                        Some(format!("the replica had replayed {position}"))
                    }
                    Site::Cache => self.run.origin(line),
                    Site::Primary | Site::Client => None,
                };
                Err(Divergence { why, ..line.answers_differ(wanted, found) })
            }
            _ => Ok(found),
        }
    }

    fn possible(&mut self, line: &Line, a_move: &Move, why: &str) -> Result<Outcome, RaceError> {
        Ok(match self.make(a_move)? {
            Happened::Impossible => Err(line.differs(line.what.to_string(), why)),
            _ => Ok(None),
        })
    }

    fn event(&mut self, line: &Line, event: &StoreEvent) -> Result<Outcome, RaceError> {
        let disturbance = match event {
            StoreEvent::PauseReplica => Disturbance::PauseReplica,
            StoreEvent::ResumeReplica => Disturbance::ResumeReplica,
            StoreEvent::ReplayReplica => Disturbance::CatchUp,
            StoreEvent::ReplayTo(key, version) => {
                Disturbance::ReplayTo { key: *key, version: *version }
            }
            StoreEvent::PauseAcks => Disturbance::PauseAcknowledgements,
            StoreEvent::ResumeAcks => Disturbance::ResumeAcknowledgements,
            StoreEvent::HoldMessages => Disturbance::HoldMessages,
            StoreEvent::ReleaseMessages => Disturbance::ReleaseMessages,
            StoreEvent::LoseMessages => Disturbance::LoseMessages,
            StoreEvent::ReorderMessages => Disturbance::ReorderMessages,
            StoreEvent::WipeCache => Disturbance::WipeCache,
            StoreEvent::SaveCache => Disturbance::SaveCache,
            StoreEvent::RestoreCache => Disturbance::RestoreCache,
            StoreEvent::Evict(object) | StoreEvent::Expire(object) => {
                let Some(item) = self.item(object) else {
                    return Ok(Err(line.differs(event.to_string(), "the cache does not hold it")));
                };
                match event {
                    StoreEvent::Evict(_) => Disturbance::Evict(item),
                    _ => Disturbance::Expire(item),
                }
            }
            StoreEvent::ManualUpdate(key, value) => {
                self.room(line)?;
                Disturbance::ManualUpdate { key: *key, value: value.clone() }
            }
            StoreEvent::Failover => Disturbance::FailOver,
        };
        self.possible(line, &Move::Disturb(disturbance), "it is not possible now")
    }

    fn item(&self, object: &quarrel_checkers::Object) -> Option<Item> {
        let world = &self.simulation.world;
        let mut items = world.cache.entries(world.now).map(|(item, _)| *item);
        items.find(|item| quarrel_checkers::Object::from(*item) == *object)
    }

    fn look(&self, site: Site, object: &quarrel_checkers::Object) -> Answer {
        let world = &self.simulation.world;
        let row = match site {
            Site::Replica => world.replica_row(object.key),
            Site::Primary | Site::Client => world.primary.row(object.key),
            Site::Cache => {
                let content = self.item(object).and_then(|item| world.cache.get(&item, world.now));
                return content.map_or(Answer::Miss, |content| Answer::Found(Shown::of(content)));
            }
        };
        row.map_or(Answer::Miss, |row| Answer::Found(Shown::of(&Content::from(row.clone()))))
    }

    fn claim(&mut self, line: &Line, actor: usize) {
        if line.claim.is_some() {
            // An operation without calls is over already: it is the newest.
            let newest = self.simulation.logical().operations().len().saturating_sub(1);
            let place = self.simulation.open(actor).unwrap_or(newest);
            self.claims.note(line, place);
        }
    }

    fn room(&self, line: &Line) -> Result<(), RaceError> {
        room(self.simulation.logical(), self.race, line)
    }

    fn wake(&mut self, actor: usize) -> Result<(), RaceError> {
        while self.simulation.asleep(actor) {
            self.make(&Move::Wake { actor })?;
        }
        Ok(())
    }

    fn add_action(&mut self, actor: usize, action: Action) {
        self.course.clients[actor].push(action.clone());
        self.simulation.add_action(actor, action);
    }

    fn make(&mut self, a_move: &Move) -> Result<Happened, RaceError> {
        let happened = self.simulation.perform(a_move)?;
        if happened != Happened::Impossible {
            self.course.moves.push(a_move.clone());
        }
        Ok(happened)
    }

    fn actor(&self, name: &str, line: &Line) -> Result<usize, RaceError> {
        let clients = self.names.len() + self.race.keys.len();
        let agents = self.strategy.agents();
        let found = match Role::of(name) {
            Role::Agent => {
                let agent = name.strip_prefix("Agent ").unwrap_or_default();
                agents.iter().position(|known| *known == agent).map(|at| clients + at)
            }
            Role::Job(number) => Some(clients + agents.len() + number.max(1) - 1)
                .filter(|at| *at < self.simulation.actors()),
            _ => self.names.iter().position(|known| known == name),
        };
        found.ok_or_else(|| RaceError::NobodyCalled {
            line: line.number,
            column: line.column,
            actor: name.to_owned(),
        })
    }

    fn end(mut self) -> Result<(RaceRun, Course), RaceError> {
        let keys = &self.race.keys;
        let mut ends = Ends::default();
        if self.claims.mind_the_end() && self.run.divergence.is_none() {
            for audit in audits(&mut self.simulation, keys, self.names.len())? {
                let Simulation { world, .. } = &self.simulation;
                let (logical, read) = (self.simulation.logical(), audit.read.as_ref());
                ends.push(|claim| claim.is_true_in_the_end(logical, world, audit.key, read));
            }
        }
        let initial = |key| initial(keys, key);
        self.run.claims = self.claims.judged(self.simulation.logical(), initial, &ends);
        self.run.history = self.recorder.history();
        Ok((self.run, self.course))
    }
}

type Outcome = Result<Option<Answer>, Divergence>;

impl From<NothingBegun> for RaceError {
    fn from(error: NothingBegun) -> Self {
        Self::NothingBegun(error)
    }
}

impl RaceRun {
    /// What clients saw.
    #[must_use]
    pub const fn history(&self) -> &History {
        &self.history
    }
}
