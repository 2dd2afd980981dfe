//! The cluster as local processes: Postgres and Redis from binaries found on
//! the machine, the fault proxy inside quarrel's own process.

mod binaries;
mod process;
mod servers;
mod template;
mod workspace;

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    sync::Arc,
    time::Duration,
};

use quarrel_faultproxy::{Config, FaultProxy, Seed};

pub use binaries::{Binaries, MissingBinary};

use self::{servers::Servers, workspace::Workspace};
use super::{
    Cluster, ClusterError, ClusterKind, RealCluster, Roles,
    links::{Links, ProxySpec},
    ready::{last_lines, ready},
};
use crate::stores::{Endpoints, Schema, Sending};
use quarrel_strategy::{cluster::Boxed, stores::TimeLimits};

/// How to start a native cluster.
#[derive(Clone, Debug, Default)]
pub struct NativeOptions {
    /// How long clients wait.
    pub limits: TimeLimits,
    /// Decides the fault proxy's draws.
    pub seed: u64,
}

/// The ports of one cluster.
#[derive(Clone, Copy, Debug)]
struct Ports {
    primary: u16,
    replica: u16,
    cache: u16,
}

/// How long a server may take to come up: ten times what it takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// Starts a native cluster and waits until the replica streams.
///
/// # Errors
///
/// When a binary is missing, a port is taken, or the replica never streams.
pub fn start(options: NativeOptions) -> Boxed<'static, Result<Box<dyn Cluster>, ClusterError>> {
    Box::pin(async move { Ok(Box::new(start_servers(options).await?) as Box<dyn Cluster>) })
}

/// The same, with its endpoints open to look at.
///
/// # Errors
///
/// As [`start`].
pub fn start_servers(options: NativeOptions) -> Boxed<'static, Result<RealCluster, ClusterError>> {
    Box::pin(async move {
        let binaries = Binaries::find().map_err(|missing| {
            ClusterError::new(missing.to_string(), missing.advice().to_owned())
        })?;
        let template = template::ensure(&binaries).await?;
        let mut clashes = 0;
        loop {
            match attempt(&options, &binaries, &template).await {
                // Between looking for a free port and taking it somebody else may
                // have taken it.
                Err(error) if error.what.contains(PORT_TAKEN) && clashes < 3 => clashes += 1,
                started => return started,
            }
        }
    })
}

async fn attempt(
    options: &NativeOptions,
    binaries: &Binaries,
    template: &Path,
) -> Result<RealCluster, ClusterError> {
    let workspace = Workspace::create(template).await?;
    // The ports stay taken until the servers need them, or the proxy, which
    // looks for free ones too, might be given one of them.
    let held = [free_port()?, free_port()?, free_port()?];
    let [primary, replica, cache] = held.each_ref().map(|(_, port)| *port);
    let ports = Ports { primary, replica, cache };
    let proxy = EmbeddedProxy::start(options.seed)?;
    let links = Links::new(proxy.api);
    let addresses = populate(&links, ports).await?;
    drop(held);

    let upstream = addresses.replication;
    let servers = Servers::start(binaries.clone(), workspace, ports, upstream, proxy)?;
    let servers = Arc::new(servers);
    let cluster = assemble(options, Arc::clone(&servers), links, ports, &addresses)?;
    let came_up = tokio::select! {
        biased;
        ready = ready(&cluster, PATIENCE, "embedded") => ready,
        node = servers.exited() => Err(format!("the {node} ended")),
    };
    match came_up {
        Ok(pieces) => Ok(RealCluster { pieces, ..cluster }),
        Err(why) => {
            let logs = cluster.logs().await;
            let taken = logs.iter().any(|(_, text)| text.contains("Address already in use"));
            let why = if taken { format!("{why}; {PORT_TAKEN}") } else { why };
            cluster.down().await;
            Err(ClusterError::new(
                format!("the native cluster did not come up: {why}{}", last_lines(&logs)),
                "quarrel doctor; another cluster: --cluster docker",
            ))
        }
    }
}

/// The addresses at which clients and the replica find the proxy.
struct Proxied {
    primary: SocketAddr,
    replica: SocketAddr,
    cache: SocketAddr,
    replication: SocketAddr,
}

async fn populate(links: &Links, ports: Ports) -> Result<Proxied, ClusterError> {
    let spec = |link: super::Link, port: u16| ProxySpec {
        name: link.name().to_owned(),
        listen: "127.0.0.1:0".to_owned(),
        upstream: format!("127.0.0.1:{port}"),
    };
    let made = links
        .populate(vec![
            spec(super::Link::ClientPrimary, ports.primary),
            spec(super::Link::ClientReplica, ports.replica),
            spec(super::Link::ClientCache, ports.cache),
            spec(super::Link::ReplicaPrimary, ports.primary),
        ])
        .await
        .map_err(|error| ClusterError::new(error.to_string(), "quarrel doctor"))?;
    let address = |at: usize| {
        made[at].listen.parse::<SocketAddr>().map_err(|error| {
            let listen = &made[at].listen;
            ClusterError::new(format!("the proxy listens at `{listen}`: {error}"), "quarrel doctor")
        })
    };
    Ok(Proxied {
        primary: address(0)?,
        replica: address(1)?,
        cache: address(2)?,
        replication: address(3)?,
    })
}

fn assemble(
    options: &NativeOptions,
    servers: Arc<Servers>,
    links: Links,
    ports: Ports,
    proxied: &Proxied,
) -> Result<RealCluster, ClusterError> {
    let endpoints = |primary: SocketAddr, replica: SocketAddr, cache: SocketAddr| {
        Endpoints::from_urls(
            &format!("postgres://postgres@{primary}/postgres").into(),
            &format!("postgres://postgres@{replica}/postgres").into(),
            &format!("redis://{cache}").into(),
            &Schema::of_our_own(),
            "",
            Sending::Prepared,
        )
        .map_err(|error| ClusterError::new(error.to_string(), "quarrel doctor"))
    };
    let local = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    Ok(RealCluster {
        kind: ClusterKind::Native,
        pieces: Vec::new(),
        clients: endpoints(proxied.primary, proxied.replica, proxied.cache)?,
        probes: endpoints(local(ports.primary), local(ports.replica), local(ports.cache))?,
        roles: Roles::default(),
        limits: options.limits,
        links: Some(links),
        nodes: Some(Box::new(servers)),
    })
}

/// What an attempt says that lost a port to somebody else.
const PORT_TAKEN: &str = "a port was taken by another program";

/// A free port, and what keeps it from others.
fn free_port() -> Result<(TcpListener, u16), ClusterError> {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| {
        let port = listener.local_addr()?.port();
        Ok((listener, port))
    });
    bound.map_err(|error| {
        ClusterError::new(
            format!("no free port on 127.0.0.1: {error}"),
            "end some of the programs that hold ports",
        )
    })
}

/// The fault proxy inside this process.
struct EmbeddedProxy {
    api: SocketAddr,
    _server: FaultProxy,
}

impl std::fmt::Debug for EmbeddedProxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedProxy").field("api", &self.api).finish_non_exhaustive()
    }
}

impl EmbeddedProxy {
    fn start(seed: u64) -> Result<Self, ClusterError> {
        let config = Config::embedded(Seed(seed));
        let server = FaultProxy::start(&config).map_err(|error| {
            ClusterError::new(format!("the fault proxy does not start: {error}"), "quarrel doctor")
        })?;
        Ok(Self { api: server.api_addr(), _server: server })
    }
}
