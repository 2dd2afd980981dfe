//! One execution: every client's request under way at once, each message to a
//! store held until its turn comes.

use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    fmt,
    pin::pin,
    sync::Arc,
    time::Duration,
};

use quarrel_checkers::{
    Content, History, Key, Kind, Object, Op, Process, Reply, Site, Step, Time, Value,
};
use quarrel_faultproxy::{
    Attend, Attention, Decision,
    attend::{NoticeKind, Waits},
};
use quarrel_strategy::stores::StoreError;
use tokio::time::timeout;

use super::{
    mishap::AppFault,
    nature::{Nature, Replays},
    ongoing::Ongoing,
    tree::{Choice, Next, Tree},
};
use crate::{
    App,
    file::Replies,
    fleet::name,
    transcript::{Names, Owner, Scribe},
    wire::Connections,
};

/// One client of an exploration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Writes the row once.
    Writer,
    /// Reads it once.
    Reader,
}

/// What the cache holds of the row when an execution begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warmth {
    /// Nothing.
    Cold,
    /// What a reader left there.
    Warm,
}

impl fmt::Display for Warmth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cold => "cached nowhere",
            Self::Warm => "cached",
        })
    }
}

/// What was let go on, and what came of it.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub(crate) choice: Choice,
    pub(crate) values: Vec<Value>,
    /// What its operation ended with, if it ended then.
    pub(crate) ended: Option<Ended>,
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ended {
    Read(Option<Value>),
    Written,
    Refused(String),
    Unknown(String),
}

/// An execution.
#[derive(Clone, Debug)]
pub(crate) struct Execution {
    pub(crate) taken: Vec<Taken>,
    /// What clients saw: a step is a millisecond, and an operation lasts from
    /// its first to its last. In the end somebody else reads, through the
    /// application and then straight from the primary.
    pub(crate) history: History,
    /// What the auditor read.
    pub(crate) audited: Option<Value>,
    /// What the primary held.
    pub(crate) held: Option<Value>,
    /// Whether it came to its end, or was given up as nothing new.
    pub(crate) is_complete: bool,
    /// Messages that no request caused.
    pub(crate) of_nobody: usize,
    /// Operations that ended without any message.
    pub(crate) silent: usize,
    /// Requests that clients gave up while they were held for their turn.
    pub(crate) given_up: usize,
    /// Messages that waited beside another of their request, on another
    /// connection.
    pub(crate) at_once: usize,
    /// Clients whose connections a fault has broken.
    pub(crate) struck: BTreeSet<usize>,
}

impl Execution {
    /// Whether a write was acknowledged.
    pub(super) fn has_written(&self) -> bool {
        self.taken.iter().any(|taken| taken.ended == Some(Ended::Written))
    }
}

/// An execution that came to no end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
    /// The application did not do what it did before.
    #[error("it did something else than the time before: {0}")]
    Diverged(String),
    /// Nothing went on any more.
    #[error("nothing went on for {0:?}")]
    Stuck(Duration),
    /// The executor itself does not work.
    #[error("{0}")]
    Broken(String),
}

impl From<StoreError> for Lost {
    fn from(error: StoreError) -> Self {
        Self::Broken(error.to_string())
    }
}

/// What a search may choose besides the order of requests.
#[derive(Clone, Debug, Default)]
pub struct Choices {
    /// What may go wrong.
    pub faults: Vec<AppFault>,
    /// How many faults one execution may have.
    pub strikes: usize,
    /// What becomes of replies.
    pub replies: Replies,
}

impl Choices {
    /// What was tried, and what not.
    pub(super) fn within(&self) -> String {
        let replies = match self.replies {
            Replies::GoOn => "their replies not",
            Replies::Held => "and their replies",
        };
        let list = |faults: Vec<&str>| faults.join(", ");
        let is_tried =
            |name: &&str| name.parse::<AppFault>().is_ok_and(|fault| self.faults.contains(&fault));
        let (tried, not): (Vec<&str>, Vec<&str>) = AppFault::names().partition(is_tried);
        let faults = match self.faults.is_empty() || self.strikes == 0 {
            true => "no faults".to_owned(),
            false => format!(
                "at most {} of {} at any point, and none of {}",
                self.strikes,
                list(tried),
                list(not)
            ),
        };
        format!(
            "one row, one request each, an instance for each; requests to the stores held, \
             {replies}; {faults}; no instance killed; no timers or background work of the application"
        )
    }
}

/// Rows that are made at once.
const FRESH: usize = 64;
/// Rounds of requests after a connection was broken: drivers prepare statements
/// at their sixth use.
const WARM_AGAIN: usize = 7;

/// Where executions happen.
pub(crate) struct Executor {
    pub(super) app: Arc<App>,
    pub(super) roles: Vec<Role>,
    pub(super) attention: Attention,
    /// Whose connections go through which proxy, and to which store.
    pub(super) proxies: HashMap<Arc<str>, (usize, Site)>,
    pub(super) connections: Connections,
    pub(super) scribe: Scribe,
    /// Hears the auditor's instance.
    auditor: Attention,
    /// What may go wrong, and how often in one execution.
    pub(super) faults: Vec<AppFault>,
    pub(super) strikes: usize,
    /// Whether replies wait for a turn, too.
    pub(super) holds_replies: bool,
    pub(super) nature: Nature,
    /// Requests that their clients do not give up.
    pub(super) patient: HashSet<Arc<str>>,
    /// Rows that nobody has used, and what they hold.
    fresh: VecDeque<(Key, Value)>,
    /// Rows are numbered through all executions: none sees another's.
    next_key: u64,
    pub(super) locks: crate::locks::Locks,
    /// What stores have told instances unasked, so far.
    pushes: usize,
}

impl Executor {
    /// An executor for these clients, of whom each has an instance, and one more
    /// instance for the auditor.
    pub(crate) fn new(
        app: Arc<App>,
        roles: Vec<Role>,
        first_key: u64,
        choices: &Choices,
    ) -> Result<Self, Lost> {
        let broken = |error: quarrel_faultproxy::Error| Lost::Broken(error.to_string());
        let fleet = app.fleet();
        let mut proxies = HashMap::new();
        let mut attention: Option<Attention> = None;
        for client in 0..roles.len() {
            for (store, site) in
                [("primary", Site::Primary), ("replica", Site::Replica), ("cache", Site::Cache)]
            {
                let name = name(client as u64, store);
                match &attention {
                    None => {
                        let attend = match choices.replies {
                            Replies::GoOn => Attend::holding_requests(),
                            Replies::Held => {
                                Attend { replies: Waits::Yes, ..Attend::holding_requests() }
                            }
                        };
                        attention = Some(fleet.proxy.attend(&name, attend).map_err(broken)?);
                    }
                    Some(attention) => drop(attention.add(&name).map_err(broken)?),
                }
                proxies.insert(Arc::from(name), (client, site));
            }
        }
        let attention = attention.ok_or_else(|| Lost::Broken("nobody takes part".to_owned()))?;
        let last = roles.len();
        let primary = name(last as u64, "primary");
        let auditor = fleet.proxy.attend(&primary, Attend::watching()).map_err(broken)?;
        proxies.insert(Arc::from(primary), (last, Site::Primary));
        for (store, site) in [("replica", Site::Replica), ("cache", Site::Cache)] {
            let name = name(last as u64, store);
            auditor.add(&name).map_err(broken)?;
            proxies.insert(Arc::from(name), (last, site));
        }
        let names = Names::new(&app.file, Arc::clone(&fleet.commits.announced));
        let locks = crate::locks::Locks::new(fleet.direct.primary.clone());
        let nature = Nature::new(&fleet.direct);
        Ok(Self {
            app,
            roles,
            attention,
            proxies,
            connections: Connections::default(),
            scribe: Scribe::new(names),
            auditor,
            faults: choices.faults.clone(),
            strikes: choices.strikes,
            holds_replies: choices.replies == Replies::Held,
            nature,
            patient: HashSet::new(),
            fresh: VecDeque::new(),
            next_key: first_key,
            locks,
            pushes: 0,
        })
    }

    /// Performs one execution with a row of its own, letting go on what `next`
    /// says.
    pub(crate) async fn perform(
        &mut self,
        warmth: Warmth,
        tree: &mut Tree,
    ) -> Result<Execution, Lost> {
        self.perform_by(warmth, |depth, enabled| tree.next(depth, enabled.to_vec())).await
    }

    pub(crate) async fn perform_by(
        &mut self,
        warmth: Warmth,
        next: impl FnMut(usize, &[Choice]) -> Next,
    ) -> Result<Execution, Lost> {
        let auditor = self.roles.len() as u64;
        let app = Arc::clone(&self.app);
        let (key, first) = self.fresh_row().await?;
        if warmth == Warmth::Warm {
            app.ask(auditor, key).await?;
        }
        while let Some(notice) = self.auditor.try_next() {
            self.count_push(&notice.what);
        }
        let mut ongoing = Ongoing::new(self, warmth, key, first, next);
        let played = ongoing.run().await;
        let mut execution = match played {
            Ok(execution) => execution,
            Err(lost) => {
                self.let_all_go().await;
                self.nature.replay(Replays::Everything).await?;
                let everybody: Vec<usize> = (0..self.roles.len()).collect();
                self.warm_again(&everybody).await?;
                return Err(lost);
            }
        };
        if execution.is_complete {
            let end = Time::from_millis(execution.taken.len() as u64 + 10);
            execution.audited = app.ask(auditor, key).await?;
            execution.held = app.held(auditor, key).await?;
            let saw = [
                (Process::Client(auditor), &execution.audited),
                (Process::Client(auditor + 1), &execution.held),
            ];
            for (n, (process, value)) in saw.into_iter().enumerate() {
                let at = end + Duration::from_millis(2 * n as u64);
                let read = Op::read(key);
                execution.history.invoke(at, process, read.clone());
                let value = value.clone().unwrap_or(Value::Nil);
                execution.history.ok(at + Duration::from_millis(1), process, read.returning(value));
            }
            let audit = self.audit(Process::Client(auditor), key, end);
            execution.history.steps.extend(audit);
            let held = execution.held.clone().map(|value| Content::Row { value, version: 0 });
            let start = end + Duration::from_micros(2_100);
            execution.history.steps.push(Step {
                operation: None,
                process: Process::Client(auditor + 1),
                start,
                end: Some(start + Duration::from_micros(100)),
                site: Site::Primary,
                verb: "SELECT".into(),
                object: Some(Object::of(key)),
                argument: None,
                reply: held.map_or(Reply::Miss, Reply::Found),
                lsn: None,
            });
        }
        attribute(&mut execution.history);
        let struck: Vec<usize> = execution.struck.iter().copied().collect();
        self.warm_again(&struck).await?;
        Ok(execution)
    }

    /// A row that nobody has used. They are made many at a time: each would have
    /// to wait for the replica.
    async fn fresh_row(&mut self) -> Result<(Key, Value), Lost> {
        if let Some(fresh) = self.fresh.pop_front() {
            return Ok(fresh);
        }
        let auditor = self.roles.len() as u64;
        for _ in 0..FRESH {
            let (key, value) = (Key(self.next_key), self.app.unused_value());
            self.next_key += 1;
            self.app.insert(auditor, key, &value).await?;
            self.fresh.push_back((key, value));
        }
        let Some((key, value)) = self.fresh.back() else {
            return Err(Lost::Broken("no row could be made".to_owned()));
        };
        self.app.replicated(auditor, *key, value).await?;
        self.fresh.pop_front().ok_or_else(|| Lost::Broken("no row could be made".to_owned()))
    }

    /// Requests by clients whose connections were broken, until they are as
    /// they were: connected, with their statements prepared.
    async fn warm_again(&mut self, clients: &[usize]) -> Result<(), Lost> {
        if clients.is_empty() {
            return Ok(());
        }
        let (key, _) = self.fresh_row().await?;
        let app = Arc::clone(&self.app);
        let clients = clients.to_vec();
        self.freely(async move {
            for _ in 0..WARM_AGAIN {
                for client in &clients {
                    // The first may meet a connection that is over.
                    drop(app.ask(*client as u64, key).await);
                    drop(app.change(*client as u64, key, &app.unused_value()).await);
                    drop(app.ask(*client as u64, key).await);
                }
            }
        })
        .await;
        Ok(())
    }

    /// Does some work while every message goes on.
    async fn freely<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                notice = self.attention.next() => self.forward(&notice.what, &notice.proxy, notice.connection),
                done = &mut work => return done,
            }
        }
    }

    /// What stores have told instances unasked, up to now.
    pub(super) fn pushes(&mut self) -> usize {
        while let Some(notice) = self.attention.try_next() {
            self.forward(&notice.what, &notice.proxy, notice.connection);
        }
        self.pushes
    }

    pub(super) fn count_push(&mut self, what: &NoticeKind) {
        // That a server ends a connection is told to nobody else.
        if matches!(what, NoticeKind::Push(push) if push.kind != "error") {
            self.pushes += 1;
        }
    }

    fn forward(&mut self, what: &NoticeKind, proxy: &Arc<str>, connection: u64) {
        self.count_push(what);
        let waits = match what {
            NoticeKind::Request(request) => (request.waits == Waits::Yes).then_some(request.id),
            NoticeKind::Reply(reply) => (reply.waits == Waits::Yes).then_some(reply.id),
            NoticeKind::Closed { .. } => {
                self.connections.closed(proxy, connection);
                None
            }
            _ => None,
        };
        if let Some(id) = waits {
            drop(self.attention.decide(id, Decision::Forward));
        }
    }

    /// What the auditor's instance said to its stores, as steps from `start` on.
    fn audit(&mut self, process: Process, key: Key, start: Time) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut at = start;
        while let Some(notice) = self.auditor.try_next() {
            let Some(&(_, site)) = self.proxies.get(&notice.proxy) else { continue };
            at = at + Duration::from_micros(1);
            let place = (Arc::clone(&notice.proxy), notice.connection);
            match notice.what {
                NoticeKind::Request(request) => {
                    let (proxy, connection) = (&notice.proxy, notice.connection);
                    let message = self.connections.message(proxy, connection, site, &request, None);
                    let owner = Owner { process, operation: None, key: Some(key) };
                    self.scribe.asks(&place, &request, &message, at, owner);
                }
                NoticeKind::Reply(reply) => steps.extend(self.scribe.answers(&place, &reply, at)),
                what => self.count_push(&what),
            }
        }
        steps
    }

    /// Lets everything go on that still waits, until nothing comes any more.
    async fn let_all_go(&mut self) {
        for id in self.attention.waiting() {
            drop(self.attention.decide(id, Decision::Forward));
        }
        let quiet = Duration::from_millis(200);
        while let Ok(notice) = timeout(quiet, self.attention.next()).await {
            self.forward(&notice.what, &notice.proxy, notice.connection);
        }
    }
}

/// Gives the steps of each process to its operation: each makes one.
fn attribute(history: &mut History) {
    let invoked = history.events.iter().filter(|event| event.kind == Kind::Invoke);
    let operations: HashMap<_, _> = invoked.map(|event| (event.process, event.index)).collect();
    for step in &mut history.steps {
        step.operation = operations.get(&step.process).copied();
    }
}
