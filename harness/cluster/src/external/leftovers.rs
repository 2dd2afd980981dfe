//! What runs left on somebody's servers because they were killed: found by the
//! mark of each, and removed only where its heart has stopped.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use quarrel_strategy::cluster::{Boxed, ClusterError};
use sqlx::postgres::PgConnectOptions;
use tokio::task::JoinHandle;

use super::{Guest, resolve};
use crate::{
    links::Links,
    register,
    stores::{EndpointError, Endpoints, Schema, Sending, StoreUrl},
};

/// Between two beats of a run's heart.
const BEAT: Duration = Duration::from_secs(5);

/// A heart that has not beaten for so long, by the server's own clock, has
/// stopped: twelve beats were missed.
pub const STOPPED: Duration = Duration::from_secs(60);

/// Writes the server's time into the mark of a run, again and again, until it
/// is dropped.
#[derive(Debug)]
pub(super) struct Heart {
    beats: JoinHandle<()>,
    /// The last beat found no mark.
    is_unmarked: Arc<AtomicBool>,
}

impl Heart {
    pub(super) fn start(primary: PgConnectOptions, schema: Schema) -> Self {
        let is_unmarked = Arc::new(AtomicBool::new(false));
        let unmarked = Arc::clone(&is_unmarked);
        let beats = tokio::spawn(async move {
            loop {
                // A beat that is missed is made up for by the next.
                if let Err(error) = register::beat(&primary, &schema, BEAT).await {
                    unmarked.store(register::is_no_mark(&error), Ordering::Relaxed);
                    tracing::debug!("a beat was missed: {error}");
                }
                tokio::time::sleep(BEAT).await;
            }
        });
        Self { beats, is_unmarked }
    }

    /// Whether somebody took the mark away, as far as is known: a look may be
    /// two beats old.
    pub(super) fn is_unmarked(&self) -> bool {
        self.is_unmarked.load(Ordering::Relaxed)
    }
}

impl Drop for Heart {
    fn drop(&mut self) {
        self.beats.abort();
    }
}

/// What one run left.
#[derive(Clone, Debug)]
pub struct Leftover {
    /// The run's number, of which all its names are made.
    pub id: String,
    /// How long ago its heart last beat.
    pub silent: Duration,
    /// Where the Toxiproxy was that has proxies of the run.
    pub toxiproxy: Option<String>,
    /// Whether a replication slot keeps the server's log for it.
    pub keeps_log: bool,
}

impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, silent, .. } = self;
        write!(f, "schema quarrel_{id}, keys quarrel:{{{id}}}:*")?;
        if self.keeps_log {
            write!(f, ", a replication slot that keeps the log")?;
        }
        if let Some(api) = &self.toxiproxy {
            write!(f, ", proxies quarrel-{id}-* at {api}")?;
        }
        write!(f, "; its heart stopped {} s ago", silent.as_secs())
    }
}

/// What the runs left whose hearts have stopped.
///
/// # Errors
///
/// When the address is none, or the server does not answer.
pub fn find(primary: &StoreUrl) -> Boxed<'_, Result<Vec<Leftover>, ClusterError>> {
    Box::pin(async move {
        let options = primary.postgres().map_err(|error| wrong(&error))?;
        look(&options).await.map_err(|error| {
            ClusterError::new(
                format!("the primary at {primary} does not answer: {error}"),
                "the address is that of --primary, or QUARREL_PRIMARY_URL",
            )
        })
    })
}

pub(super) async fn look(primary: &PgConnectOptions) -> Result<Vec<Leftover>, sqlx::Error> {
    let mut leftovers = register::marks(primary).await?;
    leftovers.retain(|leftover| leftover.silent >= STOPPED);
    Ok(leftovers)
}

/// What became of the proxies of runs that were killed.
#[derive(Clone, Copy, Debug)]
pub enum Proxies<'a> {
    /// Nobody said.
    Unknown,
    /// They are in the Toxiproxy with this address of its API.
    At(&'a str),
    /// The Toxiproxy that had them runs no more.
    Gone,
}

/// What a killed run left, and what of it is still there, and why.
pub type Swept = (Leftover, Vec<String>);

/// Removes what the runs left whose hearts have stopped: each with what is
/// still there of it and why.
///
/// # Errors
///
/// When an address is none, or a server does not answer; then nothing was
/// removed.
pub fn sweep<'a>(
    primary: &'a StoreUrl,
    cache: &'a StoreUrl,
    proxies: Proxies<'a>,
) -> Boxed<'a, Result<Vec<Swept>, ClusterError>> {
    Box::pin(async move {
        let found = find(primary).await?;
        let api = match proxies {
            Proxies::At(address) => Some(resolve(address).await?),
            Proxies::Unknown | Proxies::Gone => None,
        };
        let mut swept = Vec::new();
        for leftover in found {
            let left = match (proxies, &leftover.toxiproxy) {
                (Proxies::Unknown, Some(api)) => vec![format!(
                    "proxies quarrel-{}-* at {api}: give it as --toxiproxy, or --toxiproxy-gone",
                    leftover.id
                )],
                (_, proxied) => {
                    let named = |api| Links::named(api, format!("quarrel-{}-", leftover.id));
                    let links = api.filter(|_| proxied.is_some()).map(named);
                    sweep_one(&endpoints(primary, cache, &leftover.id)?, links).await
                }
            };
            swept.push((leftover, left));
        }
        Ok(swept)
    })
}

fn endpoints(primary: &StoreUrl, cache: &StoreUrl, id: &str) -> Result<Endpoints, ClusterError> {
    let schema = dying(id)?;
    Endpoints::from_urls(primary, primary, cache, &schema, &super::prefix(id), Sending::Whole)
        .map_err(|error| wrong(&error))
}

/// The schema of a run that is being removed, which bears a mark of its own:
/// a run whose heart stood still and that wakes up writes nothing to it.
fn dying(id: &str) -> Result<Schema, ClusterError> {
    Schema::new(&format!("quarrel_{id}"), &format!("s{id}"))
        .map_err(|error| ClusterError::new(error.to_string(), "report this as a bug"))
}

async fn sweep_one(endpoints: &Endpoints, links: Option<Links>) -> Vec<String> {
    let schema = endpoints.schema().clone();
    match register::condemn(&endpoints.primary, &schema, STOPPED).await {
        Ok(true) => {}
        Ok(false) => return vec![format!("schema {schema}: its heart beats again")],
        Err(error) => return vec![format!("schema {schema}: {error}")],
    }
    let guest = Guest { schema, prefix: endpoints.prefix.clone(), links };
    guest.leave_in_order(endpoints).await
}

fn wrong(error: &EndpointError) -> ClusterError {
    ClusterError::new(error.to_string(), "see quarrel cluster sweep --help")
}
