//! One native cluster for all tests, and clients that are moved step by step.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{
        Arc, LazyLock, Mutex as StdMutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use quarrel_checkers::{Key, Process, Reply, Value};
use quarrel_harness::{
    cluster::{Cluster, native},
    faults::caught_up,
    record::{Clock, Recorder},
    strategy::{
        Action, AgentTurn, AnyStrategy, Call, Gate, Options, Outcome, Passage, Session,
        SessionParts, WorkEnd, do_job, perform, take_turn,
    },
};
use tokio::sync::{Mutex, MutexGuard, Semaphore};

/// Started by the first test; taken down by its reaper when the tests' process
/// ends.
static CLUSTER: LazyLock<Box<dyn Cluster>> = LazyLock::new(|| {
    let start = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        runtime.block_on(native::start(native::NativeOptions::default())).expect("a native cluster")
    };
    std::thread::spawn(start).join().expect("the cluster starts")
});

/// Feeds and the replay are one for the whole cluster, so tests take turns.
static TURN: Mutex<()> = Mutex::const_new(());
static KEYS: AtomicU64 = AtomicU64::new(1);
static VALUES: AtomicU64 = AtomicU64::new(1);
static CLIENTS: AtomicU64 = AtomicU64::new(0);
static CLOCK: LazyLock<Clock> = LazyLock::new(Clock::start);

pub(crate) async fn my_turn() -> MutexGuard<'static, ()> {
    TURN.lock().await
}

pub(crate) fn cluster() -> &'static dyn Cluster {
    &**CLUSTER
}

/// A key that no other test uses.
pub(crate) fn key() -> Key {
    Key(KEYS.fetch_add(1, Ordering::Relaxed))
}

/// A value that no other write uses.
pub(crate) fn value() -> Value {
    Value::Int(VALUES.fetch_add(1, Ordering::Relaxed).cast_signed())
}

pub(crate) async fn replicated() {
    caught_up(cluster()).await.expect("the replica follows");
}

/// A strategy with its agents, on a key of its own.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) strategy: Arc<dyn AnyStrategy>,
    pub(crate) key: Key,
    agents: Vec<Session>,
}

impl Subject {
    /// The strategy called `name`, its agents at work.
    pub(crate) async fn new(name: &'static str, options: &[(&str, &str)]) -> Self {
        let catalogue = quarrel_workloads::catalogue();
        let entry = catalogue.strategy(name).expect("a built-in strategy");
        let given: BTreeMap<_, _> =
            options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let options = Options::resolve(name, entry.options, &given).expect("its own options");
        let strategy = (entry.build)(&options).expect("options that make sense");
        strategy.prepare(&mut client()).await.expect("the stores are ready");
        let agents = strategy.agents().iter().map(|_| client()).collect();
        let mut subject = Self { name, strategy, key: key(), agents };
        // A listener hears nothing that is said before its first turn.
        subject.agents_work().await;
        subject
    }

    /// Lets the agents take turns until they find nothing to do.
    pub(crate) async fn agents_work(&mut self) {
        // What is pushed comes when it comes; what is polled is there or not.
        let looks = if self.name == "notify" { 5 } else { 1 };
        for (number, session) in self.agents.iter_mut().enumerate() {
            let mut idle = 0;
            while idle < looks {
                match take_turn(&*self.strategy, session, number).await {
                    WorkEnd::Done(AgentTurn::Worked) => {}
                    WorkEnd::Done(AgentTurn::Idle) => idle += 1,
                    other => panic!("{}: agent {number}: {other:?}", self.name),
                }
            }
        }
    }

    /// Writes a new value; what was put off is done at once.
    pub(crate) async fn write(&mut self, session: &mut Session) -> Value {
        let value = value();
        let action = Action::Write(self.key, value.clone());
        let outcome = perform(&*self.strategy, session, action, None).await;
        assert!(matches!(outcome, Outcome::Written(_)), "{}: {outcome:?}", self.name);
        self.jobs(session).await;
        self.agents_work().await;
        value
    }

    /// Does what `session` put off, when it is due.
    pub(crate) async fn jobs(&self, session: &mut Session) {
        for job in session.take_jobs() {
            let mut worker = client();
            worker.sleep(job.due.since(worker.now())).await.expect("sleeping never fails");
            let end = do_job(&*self.strategy, &mut worker, job).await;
            assert_eq!(end, WorkEnd::Done(AgentTurn::Worked), "{}", self.name);
        }
    }

    /// What a read returns.
    pub(crate) async fn read(&self, session: &mut Session) -> Option<Value> {
        match perform(&*self.strategy, session, Action::Read(self.key), None).await {
            Outcome::Read(row) => row.map(|row| row.value),
            other => panic!("{}: {other:?}", self.name),
        }
    }
}

fn parts(gate: Option<Arc<dyn Gate>>, recorder: Option<Arc<Recorder>>) -> SessionParts {
    let number = CLIENTS.fetch_add(1, Ordering::Relaxed);
    SessionParts {
        process: Process::Client(number),
        backend: cluster().client(),
        clock: CLOCK.clone(),
        recorder,
        gate,
        seed: number,
    }
}

/// A client like any other.
pub(crate) fn client() -> Session {
    Session::new(parts(None, None))
}

/// A client whose steps are written down.
pub(crate) fn recorded() -> (Session, Arc<Recorder>) {
    let recorder = Arc::new(Recorder::new(CLOCK.clone()));
    (Session::new(parts(None, Some(Arc::clone(&recorder)))), recorder)
}

/// A client that dies at its first step after an update of the primary.
pub(crate) fn doomed() -> Session {
    Session::new(parts(Some(Arc::new(CrashAfterCommit::default())), None))
}

/// A client that stands still after it has read the database, until released.
pub(crate) fn slow_reader() -> (Session, Arc<Held>) {
    let held = Arc::new(Held::default());
    (Session::new(parts(Some(Arc::clone(&held) as Arc<dyn Gate>), None)), held)
}

type Entering<'a> = Pin<Box<dyn Future<Output = Passage> + Send + 'a>>;

#[derive(Default)]
struct CrashAfterCommit(StdMutex<bool>);

impl Gate for CrashAfterCommit {
    fn enter<'a>(&'a self, _process: Process, _call: &'a Call) -> Entering<'a> {
        let committed = *self.0.lock().expect("no gate panics");
        Box::pin(async move { if committed { Passage::Crash } else { Passage::Proceed } })
    }

    fn leave(&self, _process: Process, call: &Call, _reply: &Reply) {
        *self.0.lock().expect("no gate panics") |= call.verb == "UPDATE";
    }
}

/// Holds a client behind its first `SELECT`.
pub(crate) struct Held {
    arrived: Semaphore,
    released: Semaphore,
    has_read: StdMutex<bool>,
}

impl Default for Held {
    fn default() -> Self {
        let closed = || Semaphore::new(0);
        Self { arrived: closed(), released: closed(), has_read: StdMutex::new(false) }
    }
}

impl Held {
    /// Waits until the client has read the database.
    pub(crate) async fn has_read(&self) {
        let limit = Duration::from_secs(10);
        let arrived = tokio::time::timeout(limit, self.arrived.acquire()).await;
        arrived.expect("the reader reads the database").expect("nobody closes it").forget();
    }

    /// Lets it go on.
    pub(crate) fn release(&self) {
        self.released.add_permits(Semaphore::MAX_PERMITS / 2);
    }
}

impl Gate for Held {
    fn enter<'a>(&'a self, _process: Process, _call: &'a Call) -> Entering<'a> {
        let held = *self.has_read.lock().expect("no gate panics");
        Box::pin(async move {
            if held {
                self.released.acquire().await.expect("nobody closes it").forget();
            }
            Passage::Proceed
        })
    }

    fn leave(&self, _process: Process, call: &Call, _reply: &Reply) {
        let mut has_read = self.has_read.lock().expect("no gate panics");
        if call.verb == "SELECT" && !*has_read {
            *has_read = true;
            self.arrived.add_permits(1);
        }
    }

    fn finished(&self, _process: Process) {
        // A read that ends without another step never waits.
        self.arrived.add_permits(1);
    }
}
