mod serving;

use std::{
    collections::HashSet,
    sync::{
        Arc, OnceLock, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::future::join_all;
use quarrel_checkers::{Content, Invalidation, Key, Object, Process, Reply, Site, Value};
use quarrel_strategy::{
    stores::{Row, StoreError},
    strategy::{Call, Session, Strategy},
};
use tokio::{sync::Mutex, time::timeout};

use super::{
    answer::Answer,
    file::{AppFile, Speaks},
    fleet::Fleet,
    http::Http,
    rows::{Direct, number, trial},
    transcript::{Answered, Listener, Spans},
    wait::{Patience, Wait},
};

/// An application as a subject of storms.
pub struct App {
    /// What its file says.
    pub file: AppFile,
    /// The next value that nobody has written.
    values: AtomicI64,
    /// The next key that no search has used.
    keys: AtomicU64,
    running: OnceLock<Running>,
}

struct Running {
    fleet: Fleet,
    desks: Vec<Mutex<Desk>>,
    inserted: std::sync::Mutex<HashSet<Key>>,
    /// What each client's instance was asked.
    spans: Arc<[Spans]>,
    /// Writes down what they say; from the first operation of a storm on.
    listener: OnceLock<Option<Listener>>,
}

/// What belongs to one client: its connections.
struct Desk {
    /// Whose they are. A process that retires takes its connections along: a
    /// late answer would be taken for the next one's.
    process: Option<Process>,
    http: Http,
    rows: Direct,
    replica: Direct,
}

impl App {
    /// The application of a file, not yet started.
    #[must_use]
    pub const fn new(file: AppFile) -> Self {
        Self { file, values: AtomicI64::new(1), keys: AtomicU64::new(0), running: OnceLock::new() }
    }

    pub(super) fn board(&self, fleet: Fleet, clients: u64) {
        let spans = (0..clients).map(|_| Spans::default()).collect();
        let desk = |client| {
            Mutex::new(Desk {
                process: None,
                http: Http::new(fleet.of(client).base.clone()),
                rows: Direct::new(Site::Primary, fleet.direct.primary.clone()),
                replica: Direct::new(Site::Replica, fleet.direct.replica.clone()),
            })
        };
        let desks = (0..clients).map(desk).collect();
        let running = Running {
            fleet,
            desks,
            inserted: std::sync::Mutex::default(),
            spans,
            listener: OnceLock::new(),
        };
        assert!(self.running.set(running).is_ok(), "an application is started once");
    }

    pub(super) fn fleet(&self) -> &Fleet {
        &self.running().fleet
    }

    fn running(&self) -> &Running {
        self.running.get().expect("no session is made before the application runs")
    }

    async fn read_row(&self, client: u64, desk: &Desk, row: u64) -> Result<Answer, StoreError> {
        match &self.file.speaks {
            Speaks::Http(http) => desk.http.read(&http.read, row).await,
            Speaks::Stdio => self.wire(client)?.read(row).await,
        }
    }

    async fn write_row(
        &self,
        client: u64,
        desk: &Desk,
        row: u64,
        value: &Value,
    ) -> Result<(), StoreError> {
        match &self.file.speaks {
            Speaks::Http(http) => desk.http.write(&http.write, row, value).await,
            Speaks::Stdio => self.wire(client)?.write(row, value).await,
        }
    }

    fn wire(&self, client: u64) -> Result<&super::stdio::Stdio, StoreError> {
        let wire = self.fleet().of(client).stdio.as_ref();
        wire.ok_or_else(|| StoreError::refused(Site::Client, "it has no wires"))
    }

    /// The client's place, with connections that belong to `process`.
    async fn desk(&self, process: Process) -> (u64, tokio::sync::MutexGuard<'_, Desk>) {
        let running = self.running();
        let clients = running.desks.len() as u64;
        let client = match process {
            Process::Client(number) => number % clients,
            Process::Agent(_) | Process::Nemesis => 0,
        };
        let mut desk = running.desks[usize::try_from(client).unwrap_or_default()].lock().await;
        if desk.process.is_some_and(|before| before != process) {
            desk.http = Http::new(running.fleet.of(client).base.clone());
        }
        desk.process = Some(process);
        (client, desk)
    }

    /// Whether a key has no row yet.
    fn is_first(&self, key: Key) -> bool {
        !self.running().inserted.lock().unwrap_or_else(PoisonError::into_inner).contains(&key)
    }

    fn has_row(&self, key: Key) {
        self.running().inserted.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
    }

    /// Tries a client's instance with a row of its own: what it answers must be
    /// what the primary holds, and it must have asked our stores for it.
    async fn try_out(&self, client: u64) -> Result<(), StoreError> {
        let running = self.running();
        let mut desk = running.desks[usize::try_from(client).unwrap_or_default()].lock().await;
        let row = trial(&self.file.rows, client);
        let [first, second] =
            [1, 2].map(|n| Value::Int(999_000_000 + 2 * client_value(client) + n));
        desk.rows.insert(&self.file.rows, row, &first).await?;
        self.expect(client, &desk, row, &first, "after its row was inserted").await?;
        self.write_row(client, &desk, row, &second).await.map_err(|error| {
            let why = format!("its write request failed: {}", error.message);
            StoreError { message: why, ..error }
        })?;
        self.expect_row(&mut desk, row, &second).await?;
        // The old value is what a cache that is wrong would say, which is for the
        // judge to tell, and nobody else.
        match self.read_row(client, &desk, row).await? {
            Answer::Value(value) if value == first || value == second => {}
            answer => {
                let said = said(answer, &second);
                let why = format!("its read request is of no use after it was written: {said}");
                return Err(StoreError::refused(Site::Client, why));
            }
        }
        let instance = client % running.fleet.instances.len() as u64;
        if !running.fleet.has_asked(instance, &["primary", "replica"]) {
            return Err(StoreError::refused(
                Site::Client,
                "its requests caused no message at the addresses that it was given: it talks to \
                 other stores (see env in its file)",
            ));
        }
        Ok(())
    }

    /// Reads until the answer is `value`: a replica may lag.
    async fn expect(
        &self,
        client: u64,
        desk: &Desk,
        row: u64,
        value: &Value,
        when: &str,
    ) -> Result<(), StoreError> {
        let wanted = Answer::Value(value.clone());
        let wait = Wait::begin(TRIAL);
        loop {
            let answer = self.read_row(client, desk, row).await?;
            if answer == wanted {
                return Ok(());
            }
            if !wait.again().await {
                let why = said(answer, value);
                let why = format!("its read request is of no use {when}: {why}");
                return Err(StoreError::refused(Site::Client, why));
            }
        }
    }

    /// Waits until the primary has the value: some write later than they say.
    async fn expect_row(&self, desk: &mut Desk, row: u64, value: &Value) -> Result<(), StoreError> {
        let wait = Wait::begin(TRIAL);
        loop {
            let found = desk.rows.select(&self.file.rows, row).await?;
            if found.as_ref() == Some(value) {
                return Ok(());
            }
            if !wait.again().await {
                let found = found.map_or_else(|| "nothing".to_owned(), |found| found.to_string());
                let why = format!(
                    "it acknowledged a write, and [rows] select still finds {found}, not {value}, \
                     on the primary"
                );
                return Err(StoreError::refused(Site::Client, why));
            }
        }
    }
}

/// One request at a time, past storms and recorders.
impl App {
    /// A value that nobody has written. Storms number theirs themselves.
    pub(super) fn unused_value(&self) -> Value {
        Value::Int(self.values.fetch_add(1, Ordering::Relaxed))
    }

    /// So many keys that no search has used; the first of them.
    pub(super) fn reserve(&self, keys: u64) -> u64 {
        self.keys.fetch_add(keys, Ordering::Relaxed)
    }

    /// Makes the row of a key.
    pub(super) async fn insert(
        &self,
        client: u64,
        key: Key,
        value: &Value,
    ) -> Result<(), StoreError> {
        self.fleet().commits.announce(key, value.clone());
        let (_, mut desk) = self.desk(Process::Client(client)).await;
        desk.rows.insert(&self.file.rows, number(&self.file.rows, key), value).await
    }

    /// Reads a key through the application.
    pub(super) async fn ask(&self, client: u64, key: Key) -> Result<Option<Value>, StoreError> {
        let (client, desk) = self.desk(Process::Client(client)).await;
        let asked = self.read_row(client, &desk, number(&self.file.rows, key));
        match in_time(asked).await? {
            Answer::Absent => Ok(None),
            Answer::Value(value) => Ok(Some(value)),
            Answer::Unreadable(why) => Err(StoreError::unknown(Site::Client, why)),
        }
    }

    /// Writes a key through the application.
    pub(super) async fn change(
        &self,
        client: u64,
        key: Key,
        value: &Value,
    ) -> Result<(), StoreError> {
        self.fleet().commits.announce(key, value.clone());
        let (client, desk) = self.desk(Process::Client(client)).await;
        in_time(self.write_row(client, &desk, number(&self.file.rows, key), value)).await
    }

    /// What the primary holds of a key.
    pub(super) async fn held(&self, client: u64, key: Key) -> Result<Option<Value>, StoreError> {
        let (_, mut desk) = self.desk(Process::Client(client)).await;
        desk.rows.select(&self.file.rows, number(&self.file.rows, key)).await
    }

    /// Changes a row beside the application.
    pub(super) async fn change_by_hand(&self, key: Key, value: &Value) -> Result<(), StoreError> {
        let Some(update) = &self.file.rows.update else {
            return Err(StoreError::refused(Site::Primary, "its file has no [rows] update"));
        };
        self.fleet().commits.announce(key, value.clone());
        let mut rows = Direct::new(Site::Primary, self.fleet().direct.primary.clone());
        rows.update(update, &self.file.rows, key, value).await
    }

    /// Returns when the replica holds a value of a key.
    pub(super) async fn replicated(
        &self,
        client: u64,
        key: Key,
        value: &Value,
    ) -> Result<(), StoreError> {
        let (_, mut desk) = self.desk(Process::Client(client)).await;
        let row = number(&self.file.rows, key);
        let wait = Wait::begin(Patience { every: Duration::from_micros(500), ..TRIAL });
        loop {
            // It may not even have the table yet, which the set-up has made.
            let found = desk.replica.select(&self.file.rows, row).await;
            if matches!(&found, Ok(Some(found)) if found == value) {
                return Ok(());
            }
            if !wait.again().await {
                found?;
                let why = format!("it did not replay a new row within {:?}", TRIAL.within);
                return Err(StoreError::unknown(Site::Replica, why));
            }
        }
    }
}

/// What an instance says in place of `value`.
fn said(answer: Answer, value: &Value) -> String {
    match answer {
        Answer::Absent => "it says that the row is not there".to_owned(),
        Answer::Value(other) => format!("it says {other}, not {value}"),
        Answer::Unreadable(why) => why,
    }
}

/// The longest that one request may take, its messages held meanwhile.
const LONGEST: Duration = Duration::from_secs(30);

async fn in_time<T>(answer: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    timeout(LONGEST, answer).await.unwrap_or_else(|_| {
        let why = format!("the application did not answer within {LONGEST:?}");
        Err(StoreError::unknown(Site::Client, why))
    })
}

/// How long an instance may take to show, in a trial, what is right.
const TRIAL: Patience =
    Patience { within: Duration::from_secs(5), every: Duration::from_millis(20) };

fn client_value(client: u64) -> i64 {
    i64::try_from(client % 100_000).unwrap_or_default()
}

impl Strategy for App {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        let (client, desk) = self.desk(session.process()).await;
        let row = number(&self.file.rows, key);
        let span = self.begin(client, session, key);
        let answer = self.read_row(client, &desk, row).await;
        span.end(match &answer {
            Ok(Answer::Value(value)) => Answered::Read(Some(value.clone())),
            Ok(Answer::Absent) => Answered::Read(None),
            _ => Answered::Otherwise,
        });
        match answer? {
            Answer::Absent => Ok(None),
            Answer::Value(value) => Ok(Some(Row { value, version: 0 })),
            // It is no value of this run, whatever it is: nobody can have
            // written it.
            Answer::Unreadable(why) => Err(session.spoiled(Site::Client, &why)),
        }
    }

    async fn write(
        &self,
        session: &mut Session,
        key: Key,
        value: Value,
    ) -> Result<u64, StoreError> {
        let (client, mut desk) = self.desk(session.process()).await;
        let row = number(&self.file.rows, key);
        self.fleet().commits.announce(key, value.clone());
        if self.is_first(key) {
            let call = change("INSERT", key, &value);
            let insert = desk.rows.insert(&self.file.rows, row, &value);
            session.step(call, insert, |()| Reply::Done { version: None }).await?;
            self.has_row(key);
        } else {
            let span = self.begin(client, session, key);
            let written = self.write_row(client, &desk, row, &value).await;
            span.end(Answered::Otherwise);
            written?;
        }
        // The primary's log tells the version afterwards.
        Ok(0)
    }

    /// By plain SQL on the application's own table.
    async fn manual(
        &self,
        session: &mut Session,
        key: Key,
        value: Value,
    ) -> Result<u64, StoreError> {
        let Some(update) = &self.file.rows.update else {
            return Err(StoreError::refused(Site::Primary, "its file has no [rows] update"));
        };
        self.fleet().commits.announce(key, value.clone());
        let primary = self.fleet().direct.primary.clone();
        let call = change("UPDATE", key, &value);
        let by_hand = async {
            let mut rows = Direct::new(Site::Primary, primary);
            rows.update(update, &self.file.rows, key, &value).await
        };
        session.step(call, by_hand, |()| Reply::Done { version: None }).await?;
        Ok(0)
    }

    async fn prepare(&self, _: &mut Session) -> Result<(), StoreError> {
        let clients = self.running().desks.len() as u64;
        for tried in join_all((0..clients).map(|client| self.try_out(client))).await {
            tried?;
        }
        Ok(())
    }

    /// All that was said is written down before it is judged.
    async fn finish(&self, _: &mut Session) -> Result<(), StoreError> {
        let Some(Some(listener)) = self.running().listener.get() else { return Ok(()) };
        tokio::task::block_in_place(|| listener.end());
        Ok(())
    }

    /// Steps tell who does it in an application that quarrel did not write,
    /// unless its file does.
    fn invalidation(&self) -> Invalidation {
        self.file.invalidation.unwrap_or(Invalidation::ByWriter)
    }
}

/// A change of a row past the application.
fn change(verb: &'static str, key: Key, value: &Value) -> Call {
    Call {
        site: Site::Primary,
        verb: verb.into(),
        object: Some(Object::of(key)),
        argument: Some(Content::Row { value: value.clone(), version: 0 }),
    }
}
