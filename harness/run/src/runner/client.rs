use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use quarrel_checkers::{Key, Process, Site, Time, Value};
use quarrel_strategy::{
    cluster::Cluster,
    record::{Recorder, Stop},
    stores::{Row, StoreError},
    strategy::{
        Action, AnyStrategy, Beginning, Draw, Gate, Generator, Intent, KeyDraw, Outcome, Session,
        SessionParts, Strategy, Transaction, TransactionEnd, perform, perform_transaction,
    },
};
use rand::RngExt as _;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use rustc_hash::FxHashSet;

use super::{
    agents::Worker,
    plan::{Arrivals, Plan},
};

/// How often the first write of a key is tried.
const LOAD_ATTEMPTS: u32 = 5;
/// The wait before the second try; each further one is longer by as much.
const LOAD_PAUSE: Duration = Duration::from_millis(100);

/// A key that got no first value: it is absent until somebody writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unloaded {
    /// Which.
    pub key: Key,
    /// What the last try came to.
    pub why: String,
}

/// What all clients of a storm share.
pub(super) struct Storm {
    pub(super) cluster: Arc<dyn Cluster>,
    pub(super) recorder: Arc<Recorder>,
    pub(super) gate: Option<Arc<dyn Gate>>,
    pub(super) plan: Plan,
    stop: Stop,
    /// Values are numbered in the order in which writes begin, so each is
    /// unique in the whole run.
    values: AtomicU64,
    /// How many processes, numbered after those that clients begin as, have
    /// done something before: clients that retire take later numbers.
    taken: AtomicU64,
}

impl Storm {
    pub(super) fn new(
        cluster: Arc<dyn Cluster>,
        recorder: Arc<Recorder>,
        gate: Option<Arc<dyn Gate>>,
        plan: Plan,
        stop: Stop,
    ) -> Self {
        Self {
            cluster,
            recorder,
            gate,
            plan,
            stop,
            values: AtomicU64::new(1),
            taken: AtomicU64::new(0),
        }
    }

    /// Whether clients should begin nothing any more: somebody asked for an
    /// end, or nothing that they did would count.
    pub(super) fn is_over(&self) -> bool {
        self.stop.asked() || self.recorder.failure().is_some()
    }

    /// Says how many processes there were beside the clients' first ones.
    pub(super) fn take(&self, processes: u64) {
        self.taken.store(processes, Ordering::Relaxed);
    }

    /// The number of the process that follows the one of a client.
    fn after(&self, number: u64) -> u64 {
        let (clients, taken) = (self.plan.clients, self.taken.load(Ordering::Relaxed));
        let rounds = if number < clients { 1 + taken.div_ceil(clients) } else { 1 };
        number + rounds * clients
    }

    /// Whether the storm must end now, settled or not.
    pub(super) fn is_hurried(&self) -> bool {
        self.stop.is_hurried()
    }

    /// A value that no other write of the run uses.
    pub(super) fn value(&self, read: Option<&Row>) -> Value {
        let number = self.values.fetch_add(1, Ordering::Relaxed);
        self.plan.workload.value(number, read)
    }
}

/// One client: a process, and the processes that follow it when it retires.
pub(super) struct Client {
    storm: Arc<Storm>,
    number: u64,
    session: Session,
    /// Does what the client put off; none until it first does.
    worker: Option<Worker>,
    random: ChaCha8Rng,
    keys: KeyDraw,
    generator: Box<dyn Generator>,
}

impl Client {
    pub(super) fn new(storm: Arc<Storm>, number: u64) -> Self {
        let session = session(&storm, Process::Client(number));
        let seed = storm.plan.seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let keys = storm.plan.draw();
        let generator = storm.plan.workload.client();
        let random = ChaCha8Rng::seed_from_u64(seed);
        Self { storm, number, session, worker: None, random, keys, generator }
    }

    /// Its share of the keys.
    fn own_keys(&self) -> impl Iterator<Item = Key> + use<> {
        let (clients, first) = (self.storm.plan.clients, self.storm.plan.first_key);
        let number = self.number % clients;
        self.storm.plan.every_key().filter(move |key| (key.0 - first) % clients == number)
    }

    /// What the strategy shows of a key, if it shows anything.
    pub(super) async fn read(&mut self, key: Key) -> Option<Row> {
        match self.perform(Action::Read(key)).await {
            Outcome::Read(row) => row,
            _ => None,
        }
    }

    /// Gives its share of the keys, but for those that are `loaded`, their
    /// first value, as ordinary writes; the keys that it could not give one.
    pub(super) async fn load(&mut self, loaded: &FxHashSet<Key>) -> Vec<Unloaded> {
        if self.storm.plan.workload.beginning() == Beginning::Absent {
            return Vec::new();
        }
        let keys: Vec<Key> = self.own_keys().filter(|key| !loaded.contains(key)).collect();
        let mut unloaded = Vec::new();
        for key in keys {
            if self.storm.is_over() {
                break;
            }
            unloaded.extend(self.load_key(key).await.err());
        }
        unloaded
    }

    /// Writes the first value of a key, again and again if it does not succeed
    /// at once: servers that have just come up are busy.
    async fn load_key(&mut self, key: Key) -> Result<(), Unloaded> {
        let mut why = String::new();
        for attempt in 0..LOAD_ATTEMPTS {
            if attempt > 0 {
                // A sleep fails only when the simulated client is gone.
                drop(self.session.sleep(LOAD_PAUSE * attempt).await);
            }
            let value = self.storm.value(None);
            match self.perform(Action::Write(key, value)).await {
                _ if self.storm.is_over() => return Ok(()),
                Outcome::Read(_) | Outcome::Written(_) => return Ok(()),
                Outcome::Failed(error) => why = error.to_string(),
                Outcome::Unknown(error) => why = error,
            }
        }
        Err(Unloaded { key, why })
    }

    /// Reads and writes until the storm is over.
    pub(super) async fn storm(&mut self, start: Time) {
        let end = start + self.storm.plan.time;
        let mut due = start + self.gap().mul_f64(self.random.random());
        loop {
            let now = self.storm.recorder.now();
            due = match self.storm.plan.arrivals {
                Arrivals::Open(_) => due,
                Arrivals::Closed | Arrivals::Paced(_) => due.max(now),
            };
            if due >= end || self.storm.is_over() {
                return;
            }
            if due > now {
                // A sleep fails only when the simulated client is gone.
                if self.session.sleep(due.since(now)).await.is_err() {
                    return;
                }
            }
            let read_share = self.storm.plan.read_share;
            let mut draw = Draw { random: &mut self.random, keys: &self.keys, read_share };
            match self.generator.next(&mut draw) {
                Intent::Read(key) => drop(self.perform(Action::Read(key)).await),
                Intent::Write(key) => {
                    let value = self.storm.value(None);
                    self.perform(Action::Write(key, value)).await;
                }
                Intent::Delete(key) => drop(self.perform(Action::Write(key, Value::Nil)).await),
                Intent::Update(key) => self.update(key).await,
                Intent::ReadPair(keys) => self.transact(Transaction::Read(keys)).await,
                Intent::WritePair(keys) => {
                    let writes = keys.map(|key| (key, self.storm.value(None)));
                    self.transact(Transaction::Write(writes)).await;
                }
            }
            due = due + self.gap();
        }
    }

    /// Reads its share of the keys once through the strategy, until `limit`.
    pub(super) async fn read_share(&mut self, limit: Time) {
        for key in self.own_keys() {
            let recorder = &self.storm.recorder;
            let is_over = recorder.failure().is_some() || self.storm.is_hurried();
            if is_over || recorder.now() >= limit {
                return;
            }
            self.perform(Action::Read(key)).await;
        }
    }

    /// Reads every key once through the strategy, and tells of each answer.
    /// After `limit` it goes on only as long as there are answers.
    pub(super) async fn read_all(&mut self, limit: Time, answered: impl Fn()) {
        for key in self.storm.plan.every_key() {
            let outcome = self.perform(Action::Read(key)).await;
            let has_answer = matches!(outcome, Outcome::Read(_));
            let is_late = || self.storm.recorder.now() >= limit;
            let is_lost = self.storm.recorder.failure().is_some() || self.storm.is_hurried();
            if is_lost || (!has_answer && is_late()) {
                return;
            }
            if has_answer {
                answered();
            }
        }
    }

    /// Reads a key and writes what follows from it.
    async fn update(&mut self, key: Key) {
        let Outcome::Read(row) = self.perform(Action::Read(key)).await else { return };
        let value = self.storm.value(row.as_ref());
        let base = row.map_or(0, |row| row.version);
        let strategy = BasedOn { strategy: Arc::clone(&self.storm.plan.strategy), base };
        self.perform_with(&strategy, Action::Write(key, value)).await;
    }

    async fn transact(&mut self, transaction: Transaction) {
        let strategy = Arc::clone(&self.storm.plan.strategy);
        let deadline = self.storm.plan.deadline;
        let ending =
            perform_transaction(&*strategy, &mut self.session, &transaction, deadline).await;
        self.put_off().await;
        if matches!(ending, TransactionEnd::Unknown(_)) {
            self.retire();
        }
    }

    async fn perform(&mut self, action: Action) -> Outcome {
        let strategy = Arc::clone(&self.storm.plan.strategy);
        self.perform_with(&*strategy, action).await
    }

    async fn perform_with(&mut self, strategy: &dyn AnyStrategy, action: Action) -> Outcome {
        let storm = Arc::clone(&self.storm);
        let plan = &storm.plan;
        let outcome = perform(strategy, &mut self.session, action, plan.deadline).await;
        self.put_off().await;
        if matches!(outcome, Outcome::Unknown(_)) {
            self.retire();
        }
        outcome
    }

    /// Goes on as a new process, with fresh connections and an empty memory.
    fn retire(&mut self) {
        self.number = self.storm.after(self.number);
        self.session = session(&self.storm, Process::Client(self.number));
    }

    /// Hands what the operation put off to the client's worker. A client that
    /// crashed takes everything that waited along; one that only gave up an
    /// operation goes on.
    async fn put_off(&mut self) {
        if self.session.has_crashed() {
            if let Some(worker) = self.worker.take() {
                worker.kill();
            }
            return;
        }
        let jobs = self.session.take_jobs();
        if jobs.is_empty() {
            return;
        }
        if self.worker.as_ref().is_some_and(Worker::is_dead) {
            self.worker = None;
        }
        let (storm, number) = (&self.storm, self.number);
        self.worker.get_or_insert_with(|| Worker::start(storm, number)).give(jobs).await;
    }

    /// The time between two operations of this client, drawn anew each time
    /// between nothing and twice the mean, so that clients drift apart.
    fn gap(&mut self) -> Duration {
        let rate = match self.storm.plan.arrivals {
            Arrivals::Closed => return Duration::ZERO,
            Arrivals::Paced(rate) | Arrivals::Open(rate) => rate,
        };
        let mean = self.storm.plan.clients as f64 / rate;
        Duration::from_secs_f64(mean * 2.0 * self.random.random::<f64>())
    }
}

/// A strategy whose writes are based on what was read.
struct BasedOn {
    strategy: Arc<dyn AnyStrategy>,
    base: u64,
}

impl Strategy for BasedOn {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        self.strategy.read(session, key).await
    }

    async fn write(
        &self,
        session: &mut Session,
        key: Key,
        value: Value,
    ) -> Result<u64, StoreError> {
        let updated = self.strategy.update(session, key, value, self.base).await?;
        let why = "the row has changed since it was read";
        updated.ok_or_else(|| StoreError::refused(Site::Primary, why))
    }
}

/// A new session of a process.
pub(super) fn session(storm: &Storm, process: Process) -> Session {
    let number = match process {
        Process::Client(number) => number,
        Process::Agent(number) => !number,
        Process::Nemesis => u64::MAX / 2,
    };
    Session::new(SessionParts {
        process,
        backend: storm.cluster.client(),
        clock: storm.recorder.clock().clone(),
        recorder: Some(Arc::clone(&storm.recorder)),
        gate: storm.gate.clone(),
        seed: storm.plan.seed ^ number.rotate_left(32),
    })
}
