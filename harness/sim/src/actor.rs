use std::{collections::VecDeque, sync::Arc};

use quarrel_checkers::{Kind, Op, Process, Time};
use quarrel_strategy::{
    record::{Clock, VirtualClock},
    stores::Request,
    strategy::{Action, Job, Outcome, SessionParts},
};

use super::{
    Fingerprint, Happened, OperationEnding, Setting, Simulation, Stuck, Wait, Watcher,
    client::{Client, ClientProgress, Ended, Task},
    life::Life,
};

/// Jobs are processes after the agents, far from their numbers.
const FIRST_JOB: u64 = 100;

/// What an actor does.
#[derive(Clone)]
pub(super) enum Role {
    /// Operations.
    Client,
    /// Turns, by its position in the strategy's list.
    Agent(usize),
    /// One thing that an operation put off.
    Job {
        /// Whose memory it waits in.
        owner: usize,
        /// None once it has begun, or was lost.
        job: Option<Job>,
    },
}

#[derive(Clone)]
pub(super) enum State {
    Idle,
    Calls(Request),
    Asleep(Time),
    Waits(Wait, Request),
}

pub(super) struct Actor {
    /// None until it begins something, and on a [fork](Simulation::fork) until it goes
    /// on.
    pub(super) client: Option<Client>,
    /// What its client has lived through, where stages are forked.
    pub(super) life: Life,
    pub(super) role: Role,
    pub(super) process: Process,
    /// How much of its script it has begun.
    pub(super) begun: usize,
    /// What it was given to do beyond its script.
    pub(super) added: VecDeque<Action>,
    pub(super) state: State,
    pub(super) open: Option<usize>,
    /// Everything its code has seen: with the strategy, it decides its state.
    pub(super) seen: Fingerprint,
}

#[derive(Clone)]
pub(super) struct Late {
    pub(super) actor: usize,
    pub(super) request: Request,
    /// Stands for the request in fingerprints: what its client had seen.
    pub(super) print: u128,
}

impl Actor {
    /// Whether it is a client whose operations are all begun.
    fn is_done(&self, setting: &Setting, number: usize) -> bool {
        matches!(self.role, Role::Client)
            && self.added.is_empty()
            && self.begun >= setting.scripts[number].len()
    }

    /// Whether it has nothing under way.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }
}

impl Simulation {
    /// Whether `actor` could begin an operation, a turn or a job. An agent
    /// begins a turn only when a feed has news, as its other turns change
    /// nothing.
    #[must_use]
    pub fn could_begin(&self, actor: usize) -> bool {
        let a = &self.actors[actor];
        a.is_idle()
            && match &a.role {
                Role::Client => a.begun < self.setting.scripts[actor].len() || !a.added.is_empty(),
                Role::Agent(_) => self.world.primary.feeds.have_news(),
                Role::Job { job, .. } => job.is_some(),
            }
    }

    /// Whether the client that listens as `who` has anything left to do.
    #[must_use]
    pub fn may_go_on(&self, who: Watcher) -> bool {
        self.actors.iter().enumerate().any(|(number, actor)| {
            Watcher::of(actor.process) == who
                && !(actor.is_idle() && actor.is_done(&self.setting, number))
        })
    }

    /// Whether `actor` would be told something if it looked now, as it perhaps
    /// does next, and nothing were held.
    #[must_use]
    pub fn would_hear(&self, actor: usize) -> bool {
        let me = Watcher::of(self.actors[actor].process);
        let looks = self.next_call(actor).is_some_and(Request::listens);
        (looks || self.could_begin(actor))
            && self.world.cache.has_news(self.world.now, |who| who == me)
    }

    /// Whether `actor` has nothing under way.
    #[must_use]
    pub fn idle(&self, actor: usize) -> bool {
        self.actors[actor].is_idle()
    }

    /// Whether `actor` is one of the clients.
    #[must_use]
    pub fn is_client(&self, actor: usize) -> bool {
        matches!(self.actors[actor].role, Role::Client)
    }

    /// Begins the next operation of an idle client, the next turn of an idle
    /// agent or a job, without making its first step. What makes no calls ends
    /// here.
    ///
    /// # Errors
    ///
    /// When the strategy waits for something that is no store.
    pub fn begin(&mut self, actor: usize) -> Result<(), Stuck> {
        if !self.could_begin(actor) {
            return Ok(());
        }
        if let Role::Job { job: Some(job), .. } = &self.actors[actor].role {
            self.move_clock_to(job.due);
        }
        self.look_at_the_clock(actor);
        self.revive(actor)?;
        let a = &mut self.actors[actor];
        let task = match &mut a.role {
            Role::Agent(agent) => Task::Turn(*agent),
            Role::Job { job, .. } => Task::Job(job.take().expect("it could begin")),
            Role::Client => {
                let action = match self.setting.scripts[actor].get(a.begun) {
                    Some(action) => {
                        a.begun += 1;
                        action.clone()
                    }
                    None => a.added.pop_front().expect("it could begin"),
                };
                a.open = Some(self.logical.begin(actor, a.process, action.clone()));
                Task::Operation(action)
            }
        };
        let progress = self.start(actor, task);
        self.went_on(actor, progress)
    }

    /// Adds everything that later moves and verdicts depend on.
    pub fn fingerprint(&self, print: &mut Fingerprint) {
        let names: Vec<usize> = (0..self.setting.scripts.len()).collect();
        self.fingerprint_as(print, &names);
    }

    /// The same with each client under another's number: those that do the same
    /// are interchangeable as long as their code does not ask who they are
    /// ([`Simulation::has_told_clients_apart`]).
    pub fn fingerprint_as(&self, print: &mut Fingerprint, names: &[usize]) {
        self.world.fingerprint(print, &|who| {
            self.may_go_on(who).then(|| match who.client() {
                Some(number) => Watcher::of(Process::Client(renamed(number, names))),
                None => who,
            })
        });
        print.add(&self.following);
        let place = |actor: usize| names.get(actor).copied().unwrap_or(actor);
        let mut order: Vec<usize> = (0..self.actors.len()).collect();
        order.sort_unstable_by_key(|actor| place(*actor));
        for number in order {
            let actor = &self.actors[number];
            let process = match actor.process {
                Process::Client(number) => Process::Client(renamed(number, names)),
                other => other,
            };
            if actor.is_idle() && actor.is_done(&self.setting, number) {
                // What it has seen matters to nobody any more.
                print.add(&(process, "done"));
                continue;
            }
            print.add(&(
                process,
                actor.begun,
                actor.added.len(),
                actor.is_idle(),
                actor.seen.finish(),
            ));
            if let Role::Job { owner, job } = &actor.role {
                print.add(&(place(*owner), job));
            }
        }
        // Delayed calls of one client are executed in order, those of several
        // clients in any order: only the order within a client matters.
        let mut waiting: Vec<&Late> = self.late.iter().collect();
        waiting.sort_by_key(|late| place(late.actor));
        for late in waiting {
            print.add(&(place(late.actor), late.print));
        }
        self.logical.fingerprint(print, place);
    }

    /// Whether the code of any client has asked who it is: which process, or a
    /// random number of its own.
    #[must_use]
    pub fn has_told_clients_apart(&self) -> bool {
        self.has_told
            || self
                .actors
                .iter()
                .filter(|actor| matches!(actor.role, Role::Client))
                .any(|actor| actor.client.as_ref().is_some_and(Client::has_asked_who_it_is))
    }

    /// A new actor comes on.
    pub(super) fn enter(&mut self, role: Role, process: Process) {
        self.actors.push(Actor {
            client: None,
            life: Life::default(),
            role,
            process,
            begun: 0,
            added: VecDeque::new(),
            state: State::Idle,
            open: None,
            seen: Fingerprint::default(),
        });
    }

    fn put_off(&mut self, owner: usize, job: Job) {
        let process = Process::Agent(FIRST_JOB + self.actors.len() as u64);
        self.enter(Role::Job { owner, job: Some(job) }, process);
    }

    /// A new client whose code reads `clock`.
    pub(super) fn client(&self, process: Process, clock: VirtualClock) -> Client {
        let setting = &self.setting;
        Client::new(Arc::clone(&self.strategy), |backend| SessionParts {
            process,
            backend,
            clock: Clock::Virtual(clock),
            recorder: setting.recorder.clone(),
            gate: None,
            seed: match process {
                Process::Client(number) | Process::Agent(number) => number,
                Process::Nemesis => 0,
            },
        })
    }

    pub(super) fn went_on(&mut self, actor: usize, progress: ClientProgress) -> Result<(), Stuck> {
        let now = self.world.now;
        let a = &mut self.actors[actor];
        match progress {
            ClientProgress::Calls(Request::Sleep(duration)) => {
                a.state = State::Asleep(now + duration);
            }
            ClientProgress::Calls(request) => a.state = State::Calls(request),
            ClientProgress::Stuck => return Err(Stuck::Waits),
            ClientProgress::Ended(Ended::Work) => a.state = State::Idle,
            ClientProgress::Ended(Ended::Operation(outcome, timeline, jobs)) => {
                a.state = State::Idle;
                let operation = a.open.take().expect("an operation that ends was begun");
                let retires = matches!(outcome, Outcome::Unknown(_));
                self.logical.end(operation, OperationEnding::of(outcome, timeline));
                for job in jobs {
                    self.put_off(actor, job);
                }
                if retires {
                    self.replace(actor);
                }
            }
        }
        Ok(())
    }

    /// A new session under a new process id takes over.
    fn replace(&mut self, actor: usize) {
        let process = match self.actors[actor].process {
            Process::Client(number) => Process::Client(number + self.setting.scripts.len() as u64),
            other => other,
        };
        self.world.cache.leave(Watcher::of(self.actors[actor].process));
        let client = self.actors[actor].client.as_ref();
        self.has_told |= client.is_some_and(Client::has_asked_who_it_is);
        let a = &mut self.actors[actor];
        (a.client, a.process, a.state, a.open) = (None, process, State::Idle, None);
        a.life = Life::default();
        a.seen = Fingerprint::default();
    }

    pub(super) fn crash(&mut self, actor: usize) -> Happened {
        if self.actors[actor].is_idle() {
            return Happened::Impossible;
        }
        // What was put off was only in the memory of the application.
        for other in &mut self.actors {
            if matches!(other.role, Role::Job { owner, .. } if owner == actor) && other.is_idle() {
                other.role = Role::Job { owner: actor, job: None };
            }
        }
        let Some(operation) = self.actors[actor].open else {
            self.replace(actor);
            return Happened::Other;
        };
        if let Some(recorder) = &self.setting.recorder {
            let process = self.actors[actor].process;
            let op = match self.logical.action(operation) {
                Action::Read(key) => Op::read(*key),
                Action::Write(key, value) => Op::write(*key, value.clone()),
            };
            let why = "the client crashed between two steps".to_owned();
            recorder.complete(process, Kind::Info, op, Some(why));
        }
        self.logical.end(operation, OperationEnding::Unknown);
        self.replace(actor);
        Happened::Other
    }
}

/// The number of a client's session where clients have other numbers: a session
/// that took over from one that died is as far above its client's.
fn renamed(session: u64, names: &[usize]) -> u64 {
    let clients = names.len() as u64;
    let client = usize::try_from(session % clients).unwrap_or(usize::MAX);
    let name = names.get(client).map_or(session % clients, |name| *name as u64);
    session / clients * clients + name
}
