use std::{
    collections::BTreeMap,
    fmt::{self, Display, Formatter},
    future::Future,
    pin::Pin,
    str::FromStr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use quarrel_checkers::{Process, Reply, Site, Time};
use quarrel_strategy::{
    record::Clock,
    strategy::{Call, Gate, Passage},
};
use rand::RngExt as _;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng as _};

use super::Plan;

/// Whether clients and agents of a storm now and then stand still for a few
/// milliseconds between two steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pauses {
    /// They do, where races lie. A pause is no fault: any client may be slow
    /// anywhere, and what holds only while nobody is does not hold.
    #[default]
    On,
    /// They do not: for whoever measures times.
    Off,
}

impl Pauses {
    /// Its word on the command line and in `run.toml`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
        }
    }
}

impl Display for Pauses {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Pauses {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "on" => Ok(Self::On),
            "off" => Ok(Self::Off),
            other => Err(format!("`{other}` is neither on nor off")),
        }
    }
}

/// Where in an operation a step stands: a pause before it lets others come in
/// between. In these places the breaks that the explorer finds without faults
/// have their context switches, and nearly all of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Place {
    /// Between a read of a database and what is made of it in the cache.
    Fill,
    /// Between a commit and what the cache is told of it.
    Invalidation,
    /// Between whatever came before and a commit.
    Commit,
    /// Between a miss and the read of a database.
    Lookup,
    /// Before work that was put off.
    Job,
}

/// The first so many times a place is met, every other step there is paused:
/// some places are met only while the cache is cold.
const KEEN: u32 = 48;

impl Place {
    /// Of a place that is met often one step in so many is paused.
    const fn one_in(self) -> u32 {
        match self {
            Self::Fill | Self::Invalidation => 8,
            Self::Commit | Self::Job => 16,
            Self::Lookup => 32,
        }
    }
}

/// Pauses last about so many milliseconds: from less than a step takes to more
/// than lies between two writes of a key that is seldom written. A race needs
/// one that is long enough, and none that is longer.
const LENGTHS_MS: [u64; 6] = [2, 4, 8, 16, 32, 64];

/// All together clients stand still for no more than one part in so many of
/// their time, so that a storm stays one.
const SHARE: u32 = 6;

/// No pause is longer than this part of the time that an operation has.
const PART_OF_DEADLINE: u32 = 20;

/// Pauses clients and agents at a few of their steps: a gate at each of them.
///
/// As in probabilistic concurrency testing (Burckhardt et al., ASPLOS 2010)
/// few context switches are forced, at places that are drawn; unlike there,
/// places are weighted by what they are, and who stands still does so for a
/// time, since on servers nobody knows when all others are blocked.
pub(super) struct PauseGate {
    inner: Option<Arc<dyn Gate>>,
    clock: Clock,
    clients: u32,
    longest: Duration,
    is_on: AtomicBool,
    state: Mutex<State>,
}

struct State {
    random: ChaCha8Rng,
    /// What each operation that is under way has done so far.
    trails: BTreeMap<Process, Trail>,
    met: BTreeMap<Place, u32>,
    began: Time,
    paused: Duration,
}

#[derive(Clone, Copy, Debug, Default)]
struct Trail {
    has_begun: bool,
    has_read_rows: bool,
    has_committed: bool,
    has_asked_cache: bool,
}

/// What a step does to a store, as far as places go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    AsksCache,
    ChangesCache,
    ReadsRows,
    Commits,
    Nothing,
}

impl PauseGate {
    /// At the steps that `inner` lets pass, once it has begun.
    pub(super) fn new(plan: &Plan, clock: Clock, inner: Option<Arc<dyn Gate>>) -> Self {
        let random = ChaCha8Rng::seed_from_u64(plan.seed ^ 0x5041_5553_4553);
        Self {
            inner,
            clock,
            clients: u32::try_from(plan.clients).unwrap_or(u32::MAX),
            longest: plan.deadline.map_or(Duration::MAX, |deadline| deadline / PART_OF_DEADLINE),
            is_on: AtomicBool::new(false),
            state: Mutex::new(State {
                random,
                trails: BTreeMap::new(),
                met: BTreeMap::new(),
                began: Time::ZERO,
                paused: Duration::ZERO,
            }),
        }
    }

    /// From now on.
    pub(super) fn begin(&self) {
        self.lock().began = self.clock.now();
        self.is_on.store(true, Ordering::Relaxed);
    }

    /// Not any more.
    pub(super) fn end(&self) {
        self.is_on.store(false, Ordering::Relaxed);
    }

    /// How long `process` stands still before `call`.
    fn pause(&self, process: Process, call: &Call) -> Option<Duration> {
        let deed = Deed::of(call);
        let mut state = self.lock();
        let trail = state.trails.entry(process).or_default();
        let place = trail.place(process, deed);
        trail.note(deed);
        let place = place.filter(|_| self.is_on.load(Ordering::Relaxed))?;
        let met = state.met.entry(place).or_default();
        *met = met.saturating_add(1);
        let one_in = if *met <= KEEN { 2 } else { place.one_in() };
        // The same draws for every step: one decision does not shift the next.
        let (chosen, length, part) = {
            let random = &mut state.random;
            let chosen = random.random_range(0..one_in) == 0;
            (chosen, random.random_range(0..LENGTHS_MS.len()), random.random_range(0.75..1.25))
        };
        let pause = Duration::from_millis(LENGTHS_MS[length]).mul_f64(part).min(self.longest);
        let elapsed = self.clock.now().since(state.began) + ALLOWANCE;
        let allowed = elapsed.saturating_mul(self.clients) / SHARE;
        (chosen && state.paused + pause <= allowed).then(|| {
            state.paused += pause;
            pause
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What may be spent at once in the beginning.
const ALLOWANCE: Duration = Duration::from_millis(500);

impl Trail {
    fn place(self, process: Process, deed: Deed) -> Option<Place> {
        match deed {
            Deed::ChangesCache if self.has_committed => Some(Place::Invalidation),
            Deed::ChangesCache if self.has_read_rows => Some(Place::Fill),
            Deed::Commits | Deed::ReadsRows if !self.has_begun => {
                matches!(process, Process::Agent(_)).then_some(Place::Job)
            }
            Deed::Commits => Some(Place::Commit),
            Deed::ReadsRows if self.has_asked_cache => Some(Place::Lookup),
            _ => None,
        }
    }

    fn note(&mut self, deed: Deed) {
        self.has_begun = true;
        match deed {
            Deed::AsksCache | Deed::ChangesCache => self.has_asked_cache = true,
            Deed::ReadsRows => self.has_read_rows = true,
            Deed::Commits => self.has_committed = true,
            Deed::Nothing => {}
        }
    }
}

impl Deed {
    /// By site and verb: the calls that an application makes with a client of
    /// its own are told apart no better.
    fn of(call: &Call) -> Self {
        let verb = &*call.verb;
        match call.site {
            Site::Cache if matches!(verb, "GET" | "PTTL" | "INVALIDATIONS") => Self::AsksCache,
            Site::Cache => Self::ChangesCache,
            Site::Primary | Site::Replica if matches!(verb, "SELECT" | "POLL") => Self::ReadsRows,
            Site::Primary if verb == "UPDATE" => Self::Commits,
            Site::Primary | Site::Replica | Site::Client => Self::Nothing,
        }
    }
}

impl Gate for PauseGate {
    fn enter<'a>(
        &'a self,
        process: Process,
        call: &'a Call,
    ) -> Pin<Box<dyn Future<Output = Passage> + Send + 'a>> {
        Box::pin(async move {
            let passage = match &self.inner {
                Some(inner) => inner.enter(process, call).await,
                None => Passage::Proceed,
            };
            match (passage, self.pause(process, call)) {
                (Passage::Proceed, Some(pause)) => Passage::Delay(pause),
                (other, _) => other,
            }
        })
    }

    fn leave(&self, process: Process, call: &Call, reply: &Reply) {
        if let Some(inner) = &self.inner {
            inner.leave(process, call, reply);
        }
    }

    fn finished(&self, process: Process) {
        self.lock().trails.remove(&process);
        if let Some(inner) = &self.inner {
            inner.finished(process);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{faults::Schedule, runner::Arrivals};
    use quarrel_sim::subjects;
    use quarrel_strategy::strategy::{RegisterWorkload, Skew};

    fn gate(seed: u64) -> PauseGate {
        let plan = Plan {
            strategy: subjects::cache_aside(),
            workload: Arc::new(RegisterWorkload),
            clients: 4,
            keys: 1,
            first_key: 0,
            skew: Skew(0.0),
            read_share: 0.5,
            arrivals: Arrivals::Closed,
            time: Duration::ZERO,
            seed,
            pauses: Pauses::On,
            schedule: Schedule::default(),
            settle: Duration::ZERO,
            deadline: Some(Duration::from_secs(1)),
            probe_every: Duration::from_millis(10),
        };
        // A clock that stands still: only what may be spent at once is spent.
        let clock = Clock::Virtual(quarrel_strategy::record::VirtualClock::default());
        PauseGate::new(&plan, clock, None)
    }

    fn call(site: Site, verb: &'static str) -> Call {
        Call { site, verb: verb.into(), object: None, argument: None }
    }

    /// The steps of one operation, and which of them were paused.
    fn paused(gate: &PauseGate, steps: &[(Site, &'static str)]) -> Vec<bool> {
        let process = Process::Client(1);
        let pauses = steps
            .iter()
            .map(|(site, verb)| gate.pause(process, &call(*site, verb)).is_some())
            .collect();
        gate.finished(process);
        pauses
    }

    const READ: [(Site, &str); 3] =
        [(Site::Cache, "GET"), (Site::Replica, "SELECT"), (Site::Cache, "SET")];
    const WRITE: [(Site, &str); 2] = [(Site::Primary, "UPDATE"), (Site::Cache, "DEL")];

    #[test]
    fn what_begins_an_operation_is_never_paused_and_what_a_race_needs_is() {
        let gate = gate(3);
        gate.begin();
        let mut count = [0; 5];
        for _ in 0..20 {
            let steps = [paused(&gate, &READ), paused(&gate, &WRITE)].concat();
            steps.iter().zip(&mut count).for_each(|(paused, count)| *count += u32::from(*paused));
        }
        assert_eq!((count[0], count[3]), (0, 0), "{count:?}");
        assert!(count[1..].iter().filter(|count| **count > 0).count() == 3, "{count:?}");
    }

    #[test]
    fn a_job_may_be_paused_at_its_first_step() {
        let gate = gate(3);
        gate.begin();
        let update = call(Site::Primary, "UPDATE");
        let job = Process::Agent(1_001);
        let paused = (0..20).filter(|_| {
            let pause = gate.pause(job, &update);
            gate.finished(job);
            pause.is_some()
        });
        assert!(paused.count() > 0);
    }

    #[test]
    fn nothing_is_paused_before_the_storm_nor_after_it() {
        let gate = gate(3);
        let any = || (0..50).any(|_| paused(&gate, &READ).contains(&true));
        assert!(!any());
        gate.begin();
        assert!(any());
        gate.end();
        assert!(!any());
        assert!(gate.lock().trails.is_empty());
    }

    #[test]
    fn pauses_take_no_more_than_their_share_and_none_is_long() {
        let gate = gate(5);
        gate.begin();
        let mut total = Duration::ZERO;
        for _ in 0..10_000 {
            for (site, verb) in READ {
                if let Some(pause) = gate.pause(Process::Client(2), &call(site, verb)) {
                    assert!(pause <= Duration::from_millis(50), "{pause:?}");
                    total += pause;
                }
            }
            gate.finished(Process::Client(2));
        }
        let allowed = ALLOWANCE * 4 / SHARE;
        assert!(total <= allowed && total > allowed / 2, "{total:?} of {allowed:?}");
    }

    #[test]
    fn the_seed_decides() {
        let drawn = |seed| {
            let gate = gate(seed);
            gate.begin();
            (0..30).map(|_| paused(&gate, &READ)).collect::<Vec<_>>()
        };
        assert_eq!(drawn(1), drawn(1));
        assert_ne!(drawn(1), drawn(2));
    }
}
