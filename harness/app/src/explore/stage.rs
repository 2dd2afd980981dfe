//! One execution: every client's request under way at once, each message to a
//! store held until its turn comes.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use quarrel_checkers::{History, Key, Op, Process, Site, Time, Value};
use quarrel_faultproxy::{
    Attend, Attention, Decision,
    attend::{Waits, What},
};
use quarrel_strategy::stores::StoreError;
use tokio::time::timeout;

use super::{
    play::Play,
    tree::{Choice, Next, Tree},
};
use crate::{App, fleet::name, wire::Connections};

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
    /// The stage itself does not work.
    #[error("{0}")]
    Broken(String),
}

impl From<StoreError> for Lost {
    fn from(error: StoreError) -> Self {
        Self::Broken(error.to_string())
    }
}

/// Where executions happen.
pub(crate) struct Stage {
    pub(super) app: Arc<App>,
    pub(super) roles: Vec<Role>,
    pub(super) attention: Attention,
    /// Whose connections go through which proxy, and to which store.
    pub(super) proxies: HashMap<Arc<str>, (usize, Site)>,
    pub(super) connections: Connections,
    /// Rows are numbered through all executions: none sees another's.
    next_key: u64,
    pub(super) locks: crate::locks::Locks,
}

impl Stage {
    /// A stage for these clients, of whom each has an instance, and one more
    /// instance for the auditor.
    pub(crate) fn new(app: Arc<App>, roles: Vec<Role>, first_key: u64) -> Result<Self, Lost> {
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
                        let attend = Attend::holding_requests();
                        attention = Some(fleet.proxy.attend(&name, attend).map_err(broken)?);
                    }
                    Some(attention) => drop(attention.add(&name).map_err(broken)?),
                }
                proxies.insert(Arc::from(name), (client, site));
            }
        }
        let attention = attention.ok_or_else(|| Lost::Broken("nobody takes part".to_owned()))?;
        let locks = crate::locks::Locks::new(fleet.direct.primary.clone());
        Ok(Self {
            app,
            roles,
            attention,
            proxies,
            connections: Connections::default(),
            next_key: first_key,
            locks,
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
        let key = Key(self.next_key);
        self.next_key += 1;
        let auditor = self.roles.len() as u64;
        let first = self.app.unused_value();
        let app = Arc::clone(&self.app);
        app.insert(auditor, key, &first).await?;
        app.replicated(auditor, key, &first).await?;
        if warmth == Warmth::Warm {
            app.ask(auditor, key).await?;
        }
        let mut play = Play::new(self, key, first, next);
        let played = play.run().await;
        let mut execution = match played {
            Ok(execution) => execution,
            Err(lost) => {
                self.let_all_go().await;
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
        }
        Ok(execution)
    }

    /// Lets everything go on that still waits, until nothing comes any more.
    async fn let_all_go(&self) {
        for id in self.attention.waiting() {
            drop(self.attention.decide(id, Decision::Forward));
        }
        let quiet = Duration::from_millis(200);
        while let Ok(notice) = timeout(quiet, self.attention.next()).await {
            if let What::Request(request) = notice.what
                && request.waits == Waits::Yes
            {
                drop(self.attention.decide(request.id, Decision::Forward));
            }
        }
    }
}
