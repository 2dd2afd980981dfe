//! What each request of an application says to its stores, tried one by one.

use std::{fmt, sync::Arc, time::Duration};

use quarrel_checkers::{Key, Site, Value};
use quarrel_faultproxy::{Attend, Attention, attend::NoticeKind};
use quarrel_strategy::{cluster::Boxed, stores::StoreError};
use tokio::time::timeout;

use super::{
    App,
    fleet::name,
    rows::number,
    wire::{Connections, Effect, Message},
};

/// What was found.
#[derive(Clone, Debug)]
pub struct Examination {
    subject: String,
    requests: Vec<Tried>,
    /// What cannot be followed, and why.
    unseen: Vec<String>,
}

/// One request, and what it caused.
#[derive(Clone, Debug)]
pub(super) struct Tried {
    what: &'static str,
    answer: String,
    pub(super) messages: Vec<Message>,
}

/// Messages that come so long after an answer belong to no request.
const QUIET: Duration = Duration::from_millis(50);

/// The stores, by the names of their proxies.
const STORES: [(&str, Site); 3] =
    [("primary", Site::Primary), ("replica", Site::Replica), ("cache", Site::Cache)];

/// Tries an application that was started with one instance: a row that no cache
/// has, the same again, a write, and what is read after it.
///
/// # Errors
///
/// When a request fails, or messages cannot be read.
pub fn examine(app: &Arc<App>) -> Boxed<'_, Result<Examination, String>> {
    Box::pin(async move {
        let mut ear = Ear::new(app)?;
        let requests = try_each(app, &mut ear).await?;
        Ok(Examination::of(app, requests, ear))
    })
}

/// Each request on a row of its own: what it caused.
pub(super) async fn try_each(app: &Arc<App>, ear: &mut Ear<'_>) -> Result<Vec<Tried>, String> {
    let told = |error: StoreError| error.to_string();
    let key = Key(app.reserve(1));
    let (first, second) = (app.unused_value(), app.unused_value());
    app.insert(0, key, &first).await.map_err(told)?;
    app.replicated(0, key, &first).await.map_err(told)?;
    let mut requests = Vec::new();
    // The first request of all opens connections.
    for what in ["a read, the first of all", "the same read again"] {
        let answer = app.ask(0, key).await.map_err(told)?;
        requests.push(ear.tried(what, &read(answer.as_ref()), key).await);
    }
    app.change(0, key, &second).await.map_err(told)?;
    requests.push(ear.tried("a write", "acknowledged", key).await);
    for what in ["a read after it", "the same read again"] {
        let answer = app.ask(0, key).await.map_err(told)?;
        requests.push(ear.tried(what, &read(answer.as_ref()), key).await);
    }
    Ok(requests)
}

fn read(answer: Option<&Value>) -> String {
    answer.map_or_else(|| "no such row".to_owned(), |value| format!("answers {value}"))
}

/// A key without a row.
pub(super) const NO_ROW: Key = Key(u64::MAX >> 40);

/// Hears what the first instance says.
pub(super) struct Ear<'a> {
    app: &'a App,
    attention: Attention,
    connections: Connections,
    unseen: Vec<String>,
}

impl<'a> Ear<'a> {
    pub(super) fn new(app: &'a App) -> Result<Self, String> {
        let told = |error: quarrel_faultproxy::Error| error.to_string();
        let proxy = &app.fleet().proxy;
        let attention = proxy.attend(&name(0, "primary"), Attend::watching()).map_err(told)?;
        for store in ["replica", "cache"] {
            attention.add(&name(0, store)).map_err(told)?;
        }
        Ok(Self { app, attention, connections: Connections::default(), unseen: Vec::new() })
    }

    /// What a request that has just been answered has caused.
    pub(super) async fn tried(&mut self, what: &'static str, answer: &str, key: Key) -> Tried {
        let row = number(&self.app.file.rows, key);
        let mut messages = Vec::new();
        while let Ok(notice) = timeout(QUIET, self.attention.next()).await {
            let store = STORES.iter().find(|(store, _)| *notice.proxy == *name(0, store));
            let Some(&(store, site)) = store else { continue };
            match notice.what {
                NoticeKind::Request(request) => messages.push(self.connections.message(
                    &notice.proxy,
                    notice.connection,
                    site,
                    &request,
                    Some(row),
                )),
                NoticeKind::FramingLost { reason } => {
                    self.unseen.push(format!("a connection to the {store}: {reason}"));
                }
                _ => {}
            }
        }
        Tried { what, answer: answer.to_owned(), messages }
    }
}

impl Examination {
    pub(super) fn of(app: &App, requests: Vec<Tried>, ear: Ear<'_>) -> Self {
        let subject = format!("{} ({})", app.file.name, app.file.path.display());
        Self { subject, requests, unseen: ear.unseen }
    }

    /// Whether everything that its requests said could be read.
    #[must_use]
    pub const fn is_clear(&self) -> bool {
        self.unseen.is_empty()
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Local => "local",
            Self::Reads => "reads",
            Self::Hidden => "writes, not yet committed, or locks",
            Self::Writes => "writes",
            Self::Commits => "commits",
            Self::TakesBack => "rolls back",
        })
    }
}

impl fmt::Display for Examination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "application {}", self.subject)?;
        for Tried { what, answer, messages } in &self.requests {
            let local = messages.iter().filter(|one| one.effect == Effect::Local).count();
            writeln!(f, "{what}: {answer}")?;
            for message in messages.iter().filter(|one| one.effect != Effect::Local) {
                let store = message.site.to_string();
                writeln!(f, "  {store:<8} {}  ({})", message.shape, message.effect)?;
            }
            if local > 0 {
                writeln!(f, "  and {local} whose order does not matter")?;
            }
            if messages.is_empty() {
                writeln!(f, "  no message: it answered from its own memory")?;
            }
        }
        for unseen in &self.unseen {
            writeln!(f, "cannot be followed: {unseen}")?;
        }
        let asks = |site| {
            self.requests.iter().flat_map(|tried| &tried.messages).any(|one| one.site == site)
        };
        if !asks(Site::Cache) {
            writeln!(f, "it never asked the cache")?;
        }
        if !asks(Site::Replica) {
            writeln!(f, "it never asked the replica: faults of it cannot show")?;
        }
        Ok(())
    }
}
