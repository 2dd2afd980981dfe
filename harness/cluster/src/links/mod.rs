//! Drives the fault proxy, which may be Shopify's Toxiproxy or quarrel's own,
//! through `toxiproxy_rust`.
//!
//! The client blocks, ignores the status of every write, drops a second toxic
//! of a kind silently and panics when the server is gone. So it lives on a
//! thread of its own, every write is read back over plain HTTP, and a panic
//! becomes an error and a new client.

mod http;
mod proxy;

use std::{net::SocketAddr, sync::mpsc, thread, time::Duration};

use tokio::sync::oneshot;

use self::http::Http;
use super::{Impairment, Link};

/// A proxy to create: a name, where it listens and what it forwards to, as the
/// proxy itself sees addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxySpec {
    /// Its name.
    pub name: String,
    /// `HOST:PORT`; port 0 takes a free one.
    pub listen: String,
    /// `HOST:PORT`.
    pub upstream: String,
}

/// The proxy did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("fault proxy at {api}: {why}")]
pub struct LinkError {
    /// The address of its API.
    pub api: SocketAddr,
    /// What went wrong.
    pub why: String,
}

/// What can be done to a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkChange {
    /// Data towards the dialling side takes longer.
    Latency {
        /// How much.
        latency: Duration,
        /// Plus or minus at most this.
        jitter: Duration,
    },
    /// Connections break, new ones are refused.
    Cut,
    /// Data towards the dialling side vanishes.
    DropReplies,
    /// Something else happens to the bytes.
    Impair(Impairment),
    /// It leads to another server, by the `HOST:PORT` at which the proxy finds
    /// it; open connections break.
    Redirect(String),
    /// No toxic, enabled.
    Restore,
}

enum Job {
    Populate(Vec<ProxySpec>, oneshot::Sender<Result<Vec<ProxySpec>, LinkError>>),
    Change(String, LinkChange, oneshot::Sender<Result<(), LinkError>>),
    Remove(Vec<String>, oneshot::Sender<Result<(), LinkError>>),
    Version(oneshot::Sender<Result<String, LinkError>>),
}

/// The links of a cluster, through the API of its proxy.
#[derive(Clone, Debug)]
pub struct Links {
    api: SocketAddr,
    prefix: String,
    jobs: mpsc::Sender<Job>,
}

impl Links {
    /// Drives the proxy whose API listens at `api`. Connects at the first use.
    #[must_use]
    pub fn new(api: SocketAddr) -> Self {
        Self::named(api, String::new())
    }

    /// The same, where the proxies of links have names that begin with
    /// `prefix`.
    #[must_use]
    pub fn named(api: SocketAddr, prefix: String) -> Self {
        let (jobs, inbox) = mpsc::channel();
        thread::Builder::new()
            .name("links".to_owned())
            .spawn(move || serve(api, &inbox))
            .expect("a thread can be started");
        Self { api, prefix, jobs }
    }

    /// Where the proxy's API listens.
    #[must_use]
    pub const fn api(&self) -> SocketAddr {
        self.api
    }

    /// What the proxy of a link is called.
    #[must_use]
    pub fn name(&self, link: Link) -> String {
        format!("{}{link}", self.prefix)
    }

    /// Creates proxies; returns them with the addresses they really listen at.
    ///
    /// # Errors
    ///
    /// When the proxy is not there, or made other proxies than asked.
    pub async fn populate(&self, specs: Vec<ProxySpec>) -> Result<Vec<ProxySpec>, LinkError> {
        self.ask(|reply| Job::Populate(specs, reply)).await
    }

    /// Changes a link, and returns when the proxy says that it is changed.
    ///
    /// # Errors
    ///
    /// When the proxy is not there, or reads back otherwise.
    pub async fn change(&self, link: Link, change: LinkChange) -> Result<(), LinkError> {
        self.ask(|reply| Job::Change(self.name(link), change, reply)).await
    }

    /// Removes proxies by their names.
    ///
    /// # Errors
    ///
    /// When the proxy is not there, or still has one of them.
    pub async fn remove(&self, names: Vec<String>) -> Result<(), LinkError> {
        self.ask(|reply| Job::Remove(names, reply)).await
    }

    /// The proxy's version.
    ///
    /// # Errors
    ///
    /// When it is not there.
    pub async fn version(&self) -> Result<String, LinkError> {
        self.ask(Job::Version).await
    }

    async fn ask<T>(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<T, LinkError>>) -> Job,
    ) -> Result<T, LinkError> {
        let (reply, answer) = oneshot::channel();
        let gone = || LinkError { api: self.api, why: "its client stopped".to_owned() };
        self.jobs.send(job(reply)).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

fn serve(api: SocketAddr, inbox: &mpsc::Receiver<Job>) {
    let http = Http::new(api);
    // Ends when the last `Links` is dropped.
    while let Ok(job) = inbox.recv() {
        let explain = |why: String| LinkError { api, why };
        match job {
            Job::Populate(specs, reply) => {
                let made = proxy::populate(&http, &specs).map_err(explain);
                drop(reply.send(made));
            }
            Job::Change(name, change, reply) => {
                let changed = proxy::change(&http, &name, &change).map_err(explain);
                drop(reply.send(changed));
            }
            Job::Remove(names, reply) => {
                let removed = names.iter().try_for_each(|name| proxy::remove(&http, name));
                drop(reply.send(removed.map_err(explain)));
            }
            Job::Version(reply) => drop(reply.send(http.version().map_err(explain))),
        }
    }
}
