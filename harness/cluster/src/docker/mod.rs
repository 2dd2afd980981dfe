//! The cluster as containers: a primary, a streaming replica, a cache and a
//! fault proxy on a network of their own, every link through the proxy.
//!
//! Only the proxy's ports are published, on 127.0.0.1, and quarrel connects to
//! nothing else. Everything carries the labels of its run, and whatever becomes
//! of quarrel, a [`Reaper`](super::Reaper) removes by label what it made.

mod containers;
mod engine;
mod images;
mod network;
mod nodes;
mod recipes;
mod run_id;
mod sweep;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use testcontainers::bollard::Docker;
use tokio::time::{Instant, sleep};

pub use engine::{EngineReport, ImageReport, report};

use self::{
    containers::{Containers, Ports},
    images::Image,
    nodes::Nodes,
    recipes::Recipes,
    run_id::RunId,
};
use super::{
    Cluster, ClusterError, ClusterKind, RealCluster, Reaper,
    links::{Links, ProxySpec},
    ready::{last_lines, ready},
};
use crate::stores::{Endpoints, Schema, Sending};
use quarrel_strategy::{cluster::Boxed, stores::TimeLimits};

/// How to start a docker cluster.
#[derive(Clone, Debug, Default)]
pub struct DockerOptions {
    /// How long clients wait.
    pub limits: TimeLimits,
    /// Decides the fault proxy's draws.
    pub seed: u64,
    /// The executable whose command `proxy` serves the fault proxy; this
    /// process's own if none is named.
    pub proxy: Option<PathBuf>,
}

/// How long a server may take to come up. An official image without our
/// template needs `initdb` and a base backup: 15 s on a slow disk.
const PATIENCE: Duration = Duration::from_secs(45);

/// Starts a docker cluster and waits until the replica streams. Images that are
/// missing are made first, with their progress on standard error.
///
/// # Errors
///
/// When no engine answers, an image cannot be made, a port is taken, or the
/// replica never streams.
pub fn start(options: DockerOptions) -> Boxed<'static, Result<Box<dyn Cluster>, ClusterError>> {
    Box::pin(async move {
        let docker = engine::connect().await?;
        let run = RunId::new();
        let reaper = Reaper::start().map_err(|error| {
            ClusterError::new(
                format!("no shell to clean up after me: {error}"),
                "apt-get install sh",
            )
        })?;
        // Before the first thing is made, so that nothing can be left behind.
        reaper.watch_label(&run.label());
        let made = make(&docker, &run, &reaper, &options).await;
        let (containers, images) = match made {
            Ok(made) => made,
            Err(error) => {
                remove(&docker, &run, &reaper).await;
                return Err(error);
            }
        };
        let nodes = Nodes::new(docker.clone(), run.clone(), reaper, containers);
        match connect(&docker, &nodes, &images, &options).await {
            Ok((cluster, pieces)) => {
                let cluster = RealCluster { pieces, nodes: Some(Box::new(nodes)), ..cluster };
                Ok(Box::new(cluster) as Box<dyn Cluster>)
            }
            Err(why) => {
                let logs = last_lines(&super::NodeControl::logs(&nodes).await);
                super::NodeControl::down(&nodes).await;
                Err(ClusterError::new(
                    format!("the docker cluster did not come up: {why}{logs}"),
                    "quarrel doctor; another cluster: --cluster native",
                ))
            }
        }
    })
}

/// Everything up to running containers.
async fn make(
    docker: &Docker,
    run: &RunId,
    reaper: &Reaper,
    options: &DockerOptions,
) -> Result<(Containers, [(&'static str, Image); 3]), ClusterError> {
    let recipes = Recipes::write(run, reaper)?;
    let ((), network, servers) =
        tokio::join!(sweep::stale(docker), network::create(docker, run), images::servers(&recipes));
    let servers = servers?;
    network?;
    let proxy = images::proxy(docker, &recipes, options.proxy.as_deref());
    let (containers, proxy) = Containers::start(run, &servers, proxy, options.seed).await?;
    let images = [("postgres", servers.postgres), ("cache", servers.cache), ("proxy", proxy.image)];
    Ok((containers, images))
}

/// Takes away what a failed start made.
async fn remove(docker: &Docker, run: &RunId, reaper: &Reaper) {
    if sweep::remove(docker, &run.label()).await.is_empty() {
        reaper.done();
    }
}

/// Makes the proxy's links and waits until everything answers through them; a
/// container that ends meanwhile ends the wait.
async fn connect(
    docker: &Docker,
    nodes: &Nodes,
    images: &[(&'static str, Image); 3],
    options: &DockerOptions,
) -> Result<(RealCluster, Vec<(String, String)>), String> {
    let come_up = async {
        let ports = nodes.containers.ports().await?;
        let links = Links::new(local(ports.api));
        populate(&links, &nodes.run).await?;
        let cluster = assemble(options, links, ports)?;
        let images = images.each_ref().map(|(role, image)| (*role, image));
        let (ready, images) =
            tokio::join!(ready(&cluster, PATIENCE, "container"), images::describe(docker, &images));
        let mut pieces = ready?;
        pieces.extend(images);
        Ok((cluster, pieces))
    };
    tokio::select! {
        biased;
        up = come_up => up,
        ended = nodes.one_ends() => Err(ended),
    }
}

/// Makes a proxy for every link, with the names and ports of
/// `docker/proxy.json`, as soon as the proxy answers.
async fn populate(links: &Links, run: &RunId) -> Result<(), String> {
    let start = Instant::now();
    while let Err(error) = links.version().await {
        if start.elapsed() > PATIENCE {
            return Err(error.to_string());
        }
        sleep(Duration::from_millis(10)).await;
    }
    let specs = recipes::links().into_iter().map(|link| {
        // The engine has one name space for the containers of all clusters.
        let upstream = format!("{}-{}", run.name(), link.upstream);
        ProxySpec { upstream, ..link }
    });
    links.populate(specs.collect()).await.map(drop).map_err(|error| error.to_string())
}

fn assemble(options: &DockerOptions, links: Links, ports: Ports) -> Result<RealCluster, String> {
    let endpoints = |primary: u16, replica: u16, cache: u16| {
        let [primary, replica, cache] = [primary, replica, cache].map(local);
        Endpoints::from_urls(
            &format!("postgres://postgres@{primary}/postgres").into(),
            &format!("postgres://postgres@{replica}/postgres").into(),
            &format!("redis://{cache}").into(),
            &Schema::of_our_own(),
            "",
            Sending::Prepared,
        )
        .map_err(|error| error.to_string())
    };
    Ok(RealCluster {
        kind: ClusterKind::Docker,
        pieces: Vec::new(),
        clients: endpoints(ports.client_primary, ports.client_replica, ports.client_cache)?,
        probes: endpoints(ports.probe_primary, ports.probe_replica, ports.probe_cache)?,
        roles: super::Roles::default(),
        limits: options.limits,
        links: Some(links),
        nodes: None,
    })
}

const fn local(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}
