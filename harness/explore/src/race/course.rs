use std::{sync::Arc, time::Duration};

use quarrel_checkers::{History, Index, Key, Kind, Reply, Time};
use quarrel_sim::{Claim, Disturbance, Following, Happened, Move, Simulation, Stuck, linearizable};
use quarrel_strategy::{
    record::{Clock, Recorder, VirtualClock},
    strategy::{Action, Call, reply_of},
};

use super::{
    Answer, Line, LineEvent, Make, Pattern, Race, Setup, SimulatedOperation, SimulatedRace,
    StoreEvent,
    audit::{Audit, audits},
    initial::{initial, setting, world},
};

/// A race without its words: who could do what, and in which order they take
/// their turns. What comes of it is known once it is performed, so a course can
/// be cut and changed at will.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Course {
    /// What the stores hold at the beginning.
    pub keys: Vec<Setup>,
    /// Whether the replica moves by itself at the beginning.
    pub replica: Following,
    /// The clients, each with its operations in order.
    pub clients: Vec<Vec<Action>>,
    /// The turns. Those that turn out to be impossible are left out.
    pub moves: Vec<Move>,
}

/// A turn of a course, which may keep its time whatever is changed around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timed {
    /// When it is taken, if it is not later already; where this is none a
    /// millisecond after the turn before, or at once if that has no line.
    pub at: Option<Time>,
    /// What it is.
    pub turn: CourseTurn,
}

/// What is done at a turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CourseTurn {
    /// A move.
    Move(Move),
    /// This actor goes on, whatever it waits for by itself, and no time passes.
    Hurry(usize),
    /// The same, if it is in the middle of something.
    GoOn(usize),
    /// The same, at the end: what is left over from what was changed.
    Finish(usize),
}

/// What has to come true for a replay to end.
#[derive(Clone, Copy)]
pub struct Aim<'a> {
    /// What.
    pub claim: Claim,
    /// Of which operation, by its client and its number among that client's;
    /// of any if none is given.
    pub of: Option<(usize, usize)>,
    /// Whether it counts, by the history so far and the invocation of the
    /// operation that it came true of.
    pub counts: &'a dyn Fn(&History, Index) -> bool,
}

impl Aim<'_> {
    /// The claim, of any operation.
    #[must_use]
    pub fn at(claim: Claim) -> Self {
        Self { claim, of: None, counts: &|_, _| true }
    }
}

impl Course {
    /// Performs the course until `claim` comes true.
    ///
    /// # Errors
    ///
    /// When the strategy waits for something that is no store.
    pub fn perform(&self, make: &Make<'_>, claim: Claim) -> Result<SimulatedRace, Stuck> {
        self.perform_until(make, Aim::at(claim))
    }

    /// Performs the course until what `aim` says comes true.
    ///
    /// # Errors
    ///
    /// When the strategy waits for something that is no store.
    pub fn perform_until(&self, make: &Make<'_>, aim: Aim<'_>) -> Result<SimulatedRace, Stuck> {
        let timed = |a_move: &Move| Timed { at: None, turn: CourseTurn::Move(a_move.clone()) };
        let turns: Vec<Timed> = self.moves.iter().map(timed).collect();
        self.perform_timed(make, aim, &turns)
    }

    /// Performs `turns` in place of the course's own moves, each at its time,
    /// until what `aim` says comes true.
    ///
    /// # Errors
    ///
    /// When the strategy waits for something that is no store.
    pub fn perform_timed(
        &self,
        make: &Make<'_>,
        aim: Aim<'_>,
        turns: &[Timed],
    ) -> Result<SimulatedRace, Stuck> {
        let clock = VirtualClock::default();
        let recorder = Arc::new(Recorder::new(Clock::Virtual(clock.clone())));
        let mut scripts = self.clients.clone();
        // Auditors, who read every key when all is over.
        scripts.extend(self.keys.iter().map(|setup| vec![Action::Read(setup.key)]));
        let setting = setting(
            world(make, &self.keys),
            scripts,
            self.replica,
            Duration::ZERO,
            Some(Arc::clone(&recorder)),
            clock,
        );
        let mut performing = Simulating {
            course: self,
            aim,
            recorder: Arc::clone(&recorder),
            names: self.names(make().agents()),
            simulation: Simulation::new(make(), &setting),
            lines: Vec::new(),
            moves: Vec::new(),
            owners: Vec::new(),
            instants: Vec::new(),
            hurried: 0,
        };
        let victim = performing.perform(turns)?;
        let is_settled = !performing.is_busy();
        let history = recorder.history();
        let operations = performing.performed(&history);
        let race = Race { keys: self.keys.clone(), lines: performing.lines, ..Race::default() };
        let Simulating { moves, owners, instants, hurried, .. } = performing;
        Ok(SimulatedRace {
            race,
            came_true: victim.is_some(),
            moves,
            owners,
            instants,
            hurried,
            operations,
            is_settled,
            history,
            victim,
        })
    }

    /// Writers, then readers, each with a letter, in the order in which they
    /// take their first turn.
    fn names(&self, agents: &[&str]) -> Vec<String> {
        let mut order: Vec<usize> = Vec::new();
        for a_move in &self.moves {
            let actor = match a_move {
                Move::Step { actor, .. } | Move::Crash { actor } => *actor,
                _ => continue,
            };
            if actor < self.clients.len() && !order.contains(&actor) {
                order.push(actor);
            }
        }
        order.extend(
            (0..self.clients.len()).filter(|actor| !order.contains(actor)).collect::<Vec<_>>(),
        );
        let mut names = vec![String::new(); self.clients.len()];
        for (place, actor) in order.into_iter().enumerate() {
            let is_write = |action: &Action| matches!(action, Action::Write(..));
            let operations = &self.clients[actor];
            let part = if operations.iter().all(is_write) {
                "Writer"
            } else if operations.iter().any(is_write) {
                "Client"
            } else {
                "Reader"
            };
            let letter = char::from(b'A' + u8::try_from(place % 26).unwrap_or(0));
            names[actor] = format!("{part} {letter}");
        }
        names.extend(self.keys.iter().map(|setup| format!("Auditor {}", setup.key)));
        names.extend(agents.iter().map(|agent| format!("Agent {agent}")));
        names
    }
}

struct Simulating<'a> {
    course: &'a Course,
    aim: Aim<'a>,
    recorder: Arc<Recorder>,
    names: Vec<String>,
    simulation: Simulation,
    lines: Vec<Line>,
    moves: Vec<Move>,
    owners: Vec<Option<(usize, usize)>>,
    instants: Vec<Time>,
    hurried: usize,
}

impl Simulating<'_> {
    /// The operation that the claim came true of.
    fn perform(&mut self, turns: &[Timed]) -> Result<Option<Index>, Stuck> {
        if self.course.replica == Following::WhenTold {
            self.event(StoreEvent::PauseReplica);
        }
        let mut has_said = true;
        for Timed { at, turn } in turns {
            let now = self.simulation.world.now;
            // A millisecond for each line: what is printed and simulated again
            // shows the same times. Of replays in a row only the last has one.
            let takes = if has_said { Duration::from_millis(1) } else { Duration::ZERO };
            let wait = at.map_or(takes, |at| at.since(now));
            self.simulation.perform(&Move::Disturb(Disturbance::Wait(wait)))?;
            let a_move = &match turn {
                CourseTurn::Move(a_move) => a_move.clone(),
                CourseTurn::GoOn(actor) if self.simulation.idle(*actor) => continue,
                CourseTurn::Hurry(actor) | CourseTurn::GoOn(actor) | CourseTurn::Finish(actor) => {
                    self.simulation.hurry(*actor)
                }
            };
            let judged = self.simulation.logical().operations().len();
            let open = self.open();
            let begins = self.begins(a_move);
            let instant = self.simulation.world.now;
            let happened = self.simulation.perform(a_move)?;
            if happened == Happened::Impossible {
                has_said = false;
                continue;
            }
            let lines = self.lines.len();
            self.hurried += usize::from(matches!(turn, CourseTurn::Hurry(_)));
            self.moves.push(a_move.clone());
            self.owners.push(self.owner(a_move));
            self.instants.push(instant);
            if let Some(line) = begins
                && (happened == Happened::Other
                    || line.actor().is_some_and(|actor| actor.starts_with("Client")))
            {
                self.say(line);
            }
            self.describe(a_move, happened);
            has_said = self.lines.len() > lines;
            let ended =
                open.into_iter().chain(judged..self.simulation.logical().operations().len());
            if let Some(victim) = self.is_true_of(ended.collect()) {
                if let Some(last) = self.lines.iter_mut().rev().find(|l| l.what.actor().is_some()) {
                    last.claim = Some(self.aim.claim);
                }
                return Ok(Some(victim));
            }
        }
        self.is_true_in_the_end()
    }

    fn owner(&self, a_move: &Move) -> Option<(usize, usize)> {
        let (Move::Step { actor, .. } | Move::Crash { actor } | Move::Wake { actor }) = a_move
        else {
            return None;
        };
        let operations = self.simulation.logical().operations().iter();
        let begun = operations.filter(|played| played.actor == *actor).count();
        begun.checked_sub(1).map(|ordinal| (*actor, ordinal))
    }

    fn open(&self) -> Vec<usize> {
        let operations = self.simulation.logical().operations().iter().enumerate();
        operations.filter(|(_, played)| played.ending.is_none()).map(|(place, _)| place).collect()
    }

    /// The line that says which operation a client begins. It is needed where
    /// the client's name does not say it, or the operation makes no calls.
    fn begins(&self, a_move: &Move) -> Option<LineEvent> {
        let Move::Step { actor, .. } = a_move else { return None };
        if *actor >= self.course.clients.len() || !self.simulation.could_begin(*actor) {
            return None;
        }
        let begun =
            self.simulation.logical().operations().iter().filter(|o| o.actor == *actor).count();
        let actor_name = self.names[*actor].clone();
        Some(match &self.course.clients[*actor][begun] {
            Action::Read(key) => LineEvent::Read { actor: actor_name, key: *key },
            Action::Write(key, value) => {
                LineEvent::Write { actor: actor_name, key: *key, value: value.clone() }
            }
        })
    }

    fn describe(&mut self, a_move: &Move, happened: Happened) {
        let called = self.simulation.last_call().filter(|_| happened == Happened::Called).cloned();
        match a_move {
            Move::Step { actor, mishap } => {
                let Some(called) = called else { return };
                let reply = called.answer.as_ref().and_then(answered);
                let call = Pattern::of(&Call::from(&called.request));
                let actor = self.name(*actor);
                self.say(LineEvent::Step { actor, call, mishap: *mishap, reply });
            }
            Move::Crash { actor } => {
                let actor = self.name(*actor);
                self.say(LineEvent::Crash { actor });
            }
            Move::Deliver { actor } => {
                let call = called.map(|called| Pattern::of(&Call::from(&called.request)));
                let actor = self.name(*actor);
                self.say(LineEvent::Deliver { actor, call });
            }
            Move::Wake { .. } => {}
            Move::Replay => self.describe_replay(),
            Move::Disturb(disturbance) => {
                if let Some(event) = event_of(disturbance) {
                    self.event(event);
                }
            }
        }
    }

    fn describe_replay(&mut self) {
        // Of several replays in a row the last one says it all.
        let again = matches!(
            self.lines.last(),
            Some(Line {
                what: LineEvent::Event(StoreEvent::ReplayTo(..) | StoreEvent::ReplayReplica),
                ..
            })
        );
        if again {
            self.lines.pop();
        }
        let shown = self.newest_on_replica();
        match shown {
            Some((key, version)) if self.simulation.world.behind() > 0 => {
                self.event(StoreEvent::ReplayTo(key, version));
            }
            _ => self.event(StoreEvent::ReplayReplica),
        }
    }

    /// The row that the replica replayed last.
    fn newest_on_replica(&self) -> Option<(Key, u64)> {
        let keys = self.course.keys.iter().map(|setup| setup.key);
        keys.filter_map(|key| self.simulation.world.replica_row(key).map(|row| (key, row.version)))
            .max_by_key(|(_, version)| *version)
    }

    fn name(&mut self, actor: usize) -> String {
        while self.names.len() <= actor {
            let clients = self.course.clients.len() + self.course.keys.len();
            let agents = self.names.iter().filter(|name| name.starts_with("Agent ")).count();
            self.names.push(format!("Job {}", self.names.len() + 1 - clients - agents));
        }
        self.names[actor].clone()
    }

    fn event(&mut self, event: StoreEvent) {
        self.say(LineEvent::Event(event));
    }

    fn say(&mut self, what: LineEvent) {
        let at = self.simulation.world.now.since(Time::ZERO);
        let at = what.actor().is_some().then(|| at.saturating_sub(Duration::from_millis(1)));
        self.lines.push(Line { at, ..Line::of(what) });
    }

    /// Which of the operations that have just ended the claim is true of.
    fn is_true_of(&self, ended: Vec<usize>) -> Option<Index> {
        let claim = self.aim.claim;
        let logical = self.simulation.logical();
        let asked = |place: &usize| {
            let played = &logical.operations()[*place];
            let is_meant = |of| of == (played.actor, played.ordinal);
            played.ending.is_some() && self.aim.of.is_none_or(is_meant)
        };
        let is_true = |place: &usize| match (claim, logical.action(*place)) {
            (Claim::NotLinearizable, Action::Read(key)) => {
                let row = initial(&self.course.keys, *key);
                !linearizable(logical, *key, row.as_ref())
            }
            _ => claim.is_made_by(logical, *place),
        };
        let truth = ended.into_iter().filter(asked).filter(is_true);
        truth.into_iter().find_map(|place| self.counted(place))
    }

    /// The invocation of the operation at `place` of the history, if it counts.
    fn counted(&self, place: usize) -> Option<Index> {
        let history = self.recorder.history();
        let mut begun = history.events.iter().filter(|event| event.kind == Kind::Invoke);
        let victim = begun.nth(place).expect("what began was recorded").index;
        (self.aim.counts)(&history, victim).then_some(victim)
    }

    /// Whether somebody is in the middle of something: then this is no end,
    /// and what is wrong now may be put right by what is still to come.
    fn is_pending(&self) -> bool {
        self.is_busy() || self.simulation.delayed().next().is_some()
    }

    fn is_busy(&self) -> bool {
        let clients = self.course.clients.len();
        let auditors = clients..clients + self.course.keys.len();
        let mut others = (0..self.simulation.actors()).filter(|actor| !auditors.contains(actor));
        let pending = |actor: usize| {
            !self.simulation.idle(actor) || (actor >= clients && self.simulation.could_begin(actor))
        };
        others.any(pending)
    }

    fn performed(&self, history: &History) -> Vec<SimulatedOperation> {
        let begun = history.events.iter().filter(|event| event.kind == Kind::Invoke);
        let operations = self.simulation.logical().operations().iter().zip(begun);
        let performed = operations.map(|(played, invoked)| SimulatedOperation {
            owner: (played.actor, played.ordinal),
            invoke: invoked.index,
            has_ended: played.ending.is_some(),
        });
        performed.collect()
    }

    fn is_true_in_the_end(&mut self) -> Result<Option<Index>, Stuck> {
        let claim = self.aim.claim;
        if !claim.is_about_the_end() || self.is_pending() {
            return Ok(None);
        }
        if self.simulation.following() == Following::WhenTold {
            self.event(StoreEvent::ResumeReplica);
        }
        self.simulation.world.release_acknowledgements();
        let audits = audits(&mut self.simulation, &self.course.keys, self.course.clients.len())?;
        let shows = |audit: &&Audit| {
            let (logical, world) = (self.simulation.logical(), &self.simulation.world);
            claim.is_true_in_the_end(logical, world, audit.key, audit.read.as_ref())
        };
        let place = audits.iter().find(shows).map(|audit| audit.place);
        let victim = place.and_then(|place| self.counted(place));
        if victim.is_some() {
            self.lines.push(Line { claim: Some(claim), ..Line::of(LineEvent::Nothing) });
        }
        Ok(victim)
    }
}

/// What a client saw, as it is written.
pub(super) fn answered(
    answer: &Result<quarrel_strategy::stores::Response, quarrel_strategy::stores::StoreError>,
) -> Option<Answer> {
    let reply: Reply = reply_of(answer).0;
    Answer::of(&reply)
}

fn event_of(disturbance: &Disturbance) -> Option<StoreEvent> {
    Some(match disturbance {
        Disturbance::PauseReplica => StoreEvent::PauseReplica,
        Disturbance::ResumeReplica => StoreEvent::ResumeReplica,
        Disturbance::CatchUp => StoreEvent::ReplayReplica,
        Disturbance::ReplayTo { key, version } => StoreEvent::ReplayTo(*key, *version),
        Disturbance::PauseAcknowledgements => StoreEvent::PauseAcks,
        Disturbance::ResumeAcknowledgements => StoreEvent::ResumeAcks,
        Disturbance::HoldMessages => StoreEvent::HoldMessages,
        Disturbance::ReleaseMessages => StoreEvent::ReleaseMessages,
        Disturbance::LoseMessages => StoreEvent::LoseMessages,
        Disturbance::ReorderMessages => StoreEvent::ReorderMessages,
        Disturbance::WipeCache => StoreEvent::WipeCache,
        Disturbance::SaveCache => StoreEvent::SaveCache,
        Disturbance::RestoreCache => StoreEvent::RestoreCache,
        Disturbance::Evict(item) => StoreEvent::Evict((*item).into()),
        Disturbance::Expire(item) => StoreEvent::Expire((*item).into()),
        Disturbance::ManualUpdate { key, value } => StoreEvent::ManualUpdate(*key, value.clone()),
        Disturbance::FailOver => StoreEvent::Failover,
        Disturbance::Wait(_) => return None,
    })
}
