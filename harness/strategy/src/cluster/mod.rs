//! Clusters: a primary, a replica and a cache with links between them, and
//! what can be done to them.
//!
//! A [`Cluster`] hands out [`Backend`]s, through the links that faults strike
//! or beside them, and applies primitive [`Control`]s. What a fault is made of
//! is the business of the room above.

mod control;
mod vitals;

use std::{any::Any, fmt, future::Future, pin::Pin, str::FromStr, time::Duration};

pub use control::{Control, ControlError, Fencing, Impairment, Link, Needs, Node, Unsupported};
use quarrel_checkers::Lsn;
pub use vitals::{Life, Vitals, Work};

use crate::{
    record::{Clock, Commit},
    stores::Backend,
};

/// A future that borrows, in a box.
///
/// What a crate offers to others to await is boxed: an `async fn` is compiled
/// once more in every crate that awaits it, with all that it awaits itself, a
/// box once, where it is written.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The same for what stays on its thread.
pub type BoxedHere<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// The kinds of cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClusterKind {
    /// Containers.
    Docker,
    /// Local processes.
    Native,
    /// Somebody's existing deployment.
    External,
    /// Simulated stores in virtual time.
    Sim,
}

impl fmt::Display for ClusterKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Docker => "docker",
            Self::Native => "native",
            Self::External => "external",
            Self::Sim => "sim",
        })
    }
}

impl FromStr for ClusterKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "docker" => Ok(Self::Docker),
            "native" => Ok(Self::Native),
            "external" => Ok(Self::External),
            "sim" => Ok(Self::Sim),
            other => {
                Err(format!("`{other}` is no kind of cluster: docker, native, external or sim"))
            }
        }
    }
}

/// A cluster could not be started or lost.
#[derive(Debug, thiserror::Error)]
#[error("{what}\n  try: {advice}")]
pub struct ClusterError {
    /// What went wrong, on what.
    pub what: String,
    /// What to do next.
    pub advice: String,
}

impl ClusterError {
    /// An error with its way out.
    #[must_use]
    pub fn new(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { what: what.into(), advice: advice.into() }
    }
}

/// A running primary, replica and cache.
pub trait Cluster: Any + Send + Sync {
    /// Which kind it is.
    fn kind(&self) -> ClusterKind;

    /// What it is made of, name and version of each piece: for the record.
    fn pieces(&self) -> Vec<(String, String)>;

    /// A new client's stores, behind the links that faults strike.
    fn client(&self) -> Backend;

    /// Stores for probes and final reads, behind links that no fault strikes.
    fn probe(&self) -> Backend;

    /// Whether `control` can be applied here.
    ///
    /// # Errors
    ///
    /// When it cannot, with advice.
    fn supports(&self, control: &Control) -> Result<(), Unsupported>;

    /// Applies a control and returns when the cluster has taken it: it
    /// answered, not "it was told". Whether the control had its effect on
    /// clients is for a receipt to show.
    fn apply<'a>(&'a self, control: &'a Control) -> Boxed<'a, Result<(), ControlError>>;

    /// The number of the primary's timeline, which grows with every promotion.
    /// It fails when the primary does not say.
    fn timeline(&self) -> Boxed<'_, Result<u64, String>>;

    /// Up to where the replica has received the log, replayed or not. It fails
    /// when the replica does not say.
    fn received(&self) -> Boxed<'_, Result<Lsn, String>>;

    /// How long after a server has closed a connection over the link its
    /// client hears of it, tried out. It fails where nobody can dial the link.
    fn close_lag(&self, link: Link) -> Boxed<'_, Result<Duration, String>>;

    /// In which order the primary committed the values of a run whose clients
    /// are told no versions; none where they are told. It fails when the
    /// primary does not say.
    fn commits(&self) -> Boxed<'_, Result<Option<Vec<Commit>>, String>> {
        Box::pin(async { Ok(None) })
    }

    /// Where a person can connect, as name and URL; none where there is nothing
    /// to connect to.
    fn addresses(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// What the servers have logged so far, by name.
    fn logs(&self) -> Boxed<'_, Vec<(String, String)>>;

    /// Runs a task beside the caller: on threads, or on the simulator's own
    /// executor.
    fn spawn(&self, task: Boxed<'static, ()>) {
        tokio::spawn(task);
    }

    /// Runs `work` to its end: as it is, or in simulated time. It fails only
    /// where nothing can ever happen any more.
    fn drive<'a>(&'a self, work: Boxed<'a, ()>) -> Boxed<'a, Result<(), ClusterError>> {
        Box::pin(async {
            work.await;
            Ok(())
        })
    }

    /// Where the time of a run on this cluster comes from.
    fn clock(&self) -> Clock {
        Clock::start()
    }

    /// What of the cluster is gone though nobody here took it away; nothing
    /// where all is there, or nobody can tell.
    fn missing(&self) -> Option<String> {
        None
    }

    /// What the servers say of themselves. One that says nothing is left out;
    /// simulated ones do nothing unbidden. It fails when this process is out of
    /// what it takes to ask.
    fn vitals(&self) -> Boxed<'_, Result<Vec<Vitals>, String>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    /// Takes everything down and removes what the cluster made. Every failure
    /// is reported; none stops the rest. Clients that still run see broken
    /// connections.
    fn down(&self) -> Boxed<'_, Vec<String>>;
}
