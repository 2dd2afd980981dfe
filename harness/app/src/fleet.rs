//! The instances of an application, each behind proxies of its own.

use std::{any::Any, path::PathBuf, process::Stdio as Pipes, sync::Arc, time::Duration};

use futures::future::join_all;
use quarrel_cluster::{RealCluster, Reaper, stores::Endpoints};
use quarrel_faultproxy::{
    Config, FaultProxy, MessageLog, NewProxy, Protocol, ProxyEventKind, Refuses, Seed,
};
use quarrel_strategy::cluster::{Cluster, ClusterError, ClusterKind};
use tempfile::TempDir;

use super::{
    addresses::{Addresses, Server},
    commits::Commits,
    file::{AppFile, Instances},
    instance::{Instance, environment, free_port},
    process::{Process, shell},
};

/// Everything of an application that runs.
pub(super) struct Fleet {
    pub(super) instances: Vec<Instance>,
    pub(super) commits: Commits,
    /// Where probes connect.
    pub(super) direct: Endpoints,
    pub(super) proxy: Arc<FaultProxy>,
    /// Whether its messages are told apart.
    pub(super) is_read: bool,
    logs: TempDir,
    reaper: Reaper,
}

/// Whether messages between instances and stores are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Bytes pass.
    Bytes,
    /// They are.
    Messages,
}

/// The three stores behind an instance's proxies.
const STORES: [&str; 3] = ["primary", "replica", "cache"];

/// How long a set-up command may take.
const SETUP: Duration = Duration::from_secs(120);

impl Fleet {
    /// Starts what `clients` clients need on `cluster`.
    pub(super) async fn start(
        file: &AppFile,
        cluster: &dyn Cluster,
        clients: u64,
        seed: u64,
        reading: Reading,
    ) -> Result<Self, ClusterError> {
        if cluster.kind() == ClusterKind::External {
            return Err(ClusterError::new(
                "an application is not run on a cluster that is not quarrel's own",
                "--cluster native or docker",
            ));
        }
        let Some(servers) = (cluster as &dyn Any).downcast_ref::<RealCluster>() else {
            return Err(ClusterError::new(
                format!("an application needs real servers, and {} has none", cluster.kind()),
                "--cluster native or docker",
            ));
        };
        let (through, direct) = servers.endpoints();
        let io = |error: std::io::Error| {
            ClusterError::new(
                format!("the application cannot be started: {error}"),
                "quarrel doctor",
            )
        };
        let reaper = Reaper::start().map_err(io)?;
        let logs = tempfile::Builder::new().prefix("quarrel-app-").tempdir().map_err(io)?;
        reaper.watch_folder(logs.path());
        setup(file, &direct, &logs, &reaper).await?;
        let commits = Commits::follow(direct.primary.clone()).await.map_err(|error| {
            ClusterError::new(
                format!("the primary's commits cannot be followed: {error}"),
                "wal_level = logical, and a free replication slot",
            )
        })?;
        let config = Config::embedded(Seed(seed));
        let proxy = FaultProxy::start(&config).map_err(|error| {
            ClusterError::new(format!("the fault proxy does not start: {error}"), "quarrel doctor")
        })?;
        let mut fleet = Self {
            instances: Vec::new(),
            commits,
            direct,
            proxy: Arc::new(proxy),
            is_read: reading == Reading::Messages,
            logs,
            reaper,
        };
        let count = match file.instances {
            Instances::Shared => 1,
            Instances::PerClient => clients,
        };
        let places = fleet.places(&through, count, reading).await?;
        let path = fleet.logs.path().to_owned();
        let started =
            places.iter().map(|addresses| Instance::start(file, addresses, &path, &fleet.reaper));
        for started in join_all(started).await {
            fleet.instances.push(started?);
        }
        Ok(fleet)
    }

    /// Proxies for each instance, in front of the links that faults strike.
    async fn places(
        &self,
        through: &Endpoints,
        count: u64,
        reading: Reading,
    ) -> Result<Vec<Addresses>, ClusterError> {
        let proxy = Arc::clone(&self.proxy);
        let servers = Server::three(through);
        let made = tokio::task::spawn_blocking(move || {
            (0..count)
                .map(|number| place(&proxy, &servers, number, reading))
                .collect::<Result<_, _>>()
        });
        let made = made.await.map_err(|error| error.to_string()).and_then(|made| made);
        made.map_err(|why| ClusterError::new(why, "quarrel doctor"))
    }

    /// Which instance serves a client.
    pub(super) fn of(&self, client: u64) -> &Instance {
        let at = client % self.instances.len() as u64;
        &self.instances[usize::try_from(at).unwrap_or_default()]
    }

    /// Whether an instance has connected to one of the stores of these names.
    pub(super) fn has_asked(&self, instance: u64, stores: &[&str]) -> bool {
        let names: Vec<_> = stores.iter().map(|store| name(instance, store)).collect();
        let page = self.proxy.events(0, usize::MAX);
        page.events.iter().any(|event| {
            matches!(event.happening, ProxyEventKind::Accepted { .. })
                && names.iter().any(|name| **name == *event.proxy)
        })
    }

    /// An instance that ended though nobody here ended it.
    pub(super) fn ended(&self) -> Option<String> {
        self.instances.iter().enumerate().find_map(|(number, instance)| {
            let how = instance.process.ended()?;
            let said = instance.process.last_words();
            Some(format!("instance {number} of the application ({how}){said}"))
        })
    }

    /// What the instances said.
    pub(super) fn logs(&self) -> Vec<(String, String)> {
        let logs = self.instances.iter().enumerate().filter_map(|(number, instance)| {
            let said = std::fs::read(&instance.process.log).ok()?;
            Some((format!("app-{number}"), String::from_utf8_lossy(&said).into_owned()))
        });
        logs.collect()
    }

    /// Ends every instance.
    pub(super) async fn down(&self) -> Vec<String> {
        join_all(self.instances.iter().map(|instance| instance.process.end())).await;
        let ended = self.commits.end().await;
        self.reaper.done();
        // With the server gone the slot is gone.
        drop(ended);
        Vec::new()
    }
}

/// What an instance's proxy of a store is called.
pub(super) fn name(instance: u64, store: &str) -> String {
    format!("app-{instance}-{store}")
}

fn place(
    proxy: &FaultProxy,
    servers: &[Server; 3],
    number: u64,
    reading: Reading,
) -> Result<Addresses, String> {
    let made = |at: usize| {
        let server = &servers[at];
        let new = NewProxy::new(name(number, STORES[at]), "127.0.0.1:0", server.authority());
        let view = proxy.create_proxy(new).map_err(|error| error.to_string())?;
        if reading == Reading::Messages {
            follow(proxy, &name(number, STORES[at]), at).map_err(|error| error.to_string())?;
        }
        let port = view.listen.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        let port = port.ok_or_else(|| format!("the proxy listens at `{}`", view.listen))?;
        Ok::<_, String>(Server { host: "127.0.0.1".to_owned(), port, ..server.clone() })
    };
    Ok(Addresses {
        port: free_port().map_err(|error| error.to_string())?,
        instance: number,
        primary: made(0)?,
        replica: made(1)?,
        cache: made(2)?,
    })
}

/// Tells a proxy what its connections speak, before there is one.
fn follow(proxy: &FaultProxy, name: &str, store: usize) -> Result<(), quarrel_faultproxy::Error> {
    if STORES[store] == "cache" {
        return proxy.set_protocol(name, Some(Protocol::Redis), MessageLog::Off);
    }
    proxy.set_protocol(name, Some(Protocol::Postgres), MessageLog::Off)?;
    proxy.refuse_encryption(name, Refuses::Yes)
}

/// Runs the set-up command against the stores themselves.
async fn setup(
    file: &AppFile,
    direct: &Endpoints,
    logs: &TempDir,
    reaper: &Reaper,
) -> Result<(), ClusterError> {
    let Some(setup) = &file.setup else { return Ok(()) };
    let [primary, replica, cache] = Server::three(direct);
    let addresses = Addresses { port: 0, instance: 0, primary, replica, cache };
    let command = addresses.fill(setup);
    let path: PathBuf = logs.path().join("setup.log");
    let env = environment(file, &addresses);
    let mut shell = shell(&command, &file.folder, &env);
    shell.stdin(Pipes::null());
    let failed = |why: String| {
        ClusterError::new(format!("setup `{command}` {why}"), "run it by hand on an empty database")
    };
    let process = Process::start(shell, path, super::process::Wires::None, reaper)
        .map_err(|error| failed(format!("could not be started: {error}")))?;
    match process.ends_within(SETUP).await {
        Some(how) if how == "exit status 0" => Ok(()),
        Some(how) => Err(failed(format!("failed ({how}){}", process.last_words()))),
        None => Err(failed(format!("did not end within {SETUP:?}{}", process.last_words()))),
    }
}
