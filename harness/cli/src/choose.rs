use std::{pin::pin, str::FromStr, time::Duration};

use clap::Args;
use quarrel_cluster::{
    external::{self, ExternalOptions},
    native::{self, Binaries, NativeOptions},
    stores::StoreUrl,
};
use quarrel_sim::SimCluster;
use quarrel_strategy::{
    cluster::{Cluster, ClusterError, ClusterKind},
    record::Stop,
    stores::TimeLimits,
};

use super::{
    output::eprintln,
    run::{asked, take_down},
};

/// What `--cluster` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// The first that works.
    Auto,
    /// This one.
    Kind(ClusterKind),
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            other => other.parse().map(Self::Kind),
        }
    }
}

/// Where the servers of `--cluster external` are.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "External cluster")]
pub(super) struct ExternalArgs {
    /// Its primary: postgres://USER@HOST:PORT/DATABASE?sslmode=verify-full. Give a URL with a password by the variable, or the password by PGPASSFILE, as others see a command line
    #[arg(long, value_name = "URL", env = "QUARREL_PRIMARY_URL", hide_env_values = true)]
    primary: Option<StoreUrl>,
    /// Its streaming replica, or the primary again
    #[arg(long, value_name = "URL", env = "QUARREL_REPLICA_URL", hide_env_values = true)]
    replica: Option<StoreUrl>,
    /// Its cache: redis://HOST:PORT/DB, or rediss:// with TLS (?sslrootcert=FILE)
    #[arg(long, value_name = "URL", env = "QUARREL_CACHE_URL", hide_env_values = true)]
    cache: Option<StoreUrl>,
    /// The API of a Toxiproxy near it; without one there are no link faults
    #[arg(long, value_name = "HOST:PORT", env = "QUARREL_TOXIPROXY")]
    toxiproxy: Option<String>,
}

/// How to start a cluster of any kind.
pub(super) struct Wanted {
    pub(super) external: ExternalArgs,
    pub(super) choice: Choice,
    pub(super) limits: TimeLimits,
    pub(super) seed: u64,
    /// How many clients there will be at once.
    pub(super) clients: u64,
}

/// Starts the cluster that was asked for, or the first that works, and says
/// which and why.
pub(super) async fn start(wanted: &Wanted) -> Result<Box<dyn Cluster>, ClusterError> {
    match wanted.choice {
        Choice::Kind(kind) => {
            eprintln!("cluster: {kind}, as asked");
            start_kind(wanted, kind).await
        }
        Choice::Auto => auto(wanted).await,
    }
}

/// How long a start that is not wanted any more may go on.
const LAST: Duration = Duration::from_secs(4);

/// What `starting` brings up, unless somebody stops first: none then.
///
/// A cluster of quarrel's own that is left half made goes with this process.
/// What was made on somebody's servers nobody else takes away: there the start
/// goes on to its end, and is taken back.
pub(super) async fn unless_stopped<C: AsRef<dyn Cluster>, E>(
    stop: &Stop,
    choice: Choice,
    starting: impl Future<Output = Result<C, E>>,
) -> Result<Option<C>, E> {
    let mut starting = pin!(starting);
    tokio::select! {
        biased;
        () = asked(stop) => {}
        started = &mut starting => return started.map(Some),
    }
    if choice == Choice::Kind(ClusterKind::External) {
        match tokio::time::timeout(LAST, starting).await {
            Ok(Ok(cluster)) => take_down(cluster.as_ref()).await,
            // It has taken back what it made.
            Ok(Err(_)) => {}
            Err(_) => eprintln!(
                "stopped while a server did not answer; what was made there, if anything, \
                 quarrel cluster status tells"
            ),
        }
    }
    Ok(None)
}

/// Starts a cluster of this kind, without a word.
pub(super) async fn start_kind(
    wanted: &Wanted,
    kind: ClusterKind,
) -> Result<Box<dyn Cluster>, ClusterError> {
    match kind {
        ClusterKind::Docker => docker(wanted).await,
        ClusterKind::Native => native(wanted).await,
        ClusterKind::Sim => Ok(Box::new(SimCluster::new(wanted.seed))),
        ClusterKind::External => external(wanted).await,
    }
}

async fn auto(wanted: &Wanted) -> Result<Box<dyn Cluster>, ClusterError> {
    let without_docker = match docker(wanted).await {
        Ok(cluster) => {
            eprintln!("cluster: docker, as a container engine answers");
            return Ok(cluster);
        }
        Err(error) => error,
    };
    match Binaries::find() {
        Ok(_) => {
            eprintln!("cluster: native, as docker is not possible: {}", without_docker.what);
            native(wanted).await
        }
        Err(missing) => {
            eprintln!(
                "cluster: sim, as neither docker nor native is possible: {}; {missing}\n  \
                 try: {}; or {}",
                without_docker.what,
                without_docker.advice,
                missing.advice()
            );
            Ok(Box::new(SimCluster::new(wanted.seed)))
        }
    }
}

#[cfg(feature = "docker")]
async fn docker(wanted: &Wanted) -> Result<Box<dyn Cluster>, ClusterError> {
    use quarrel_cluster::docker::{DockerOptions, start};

    start(DockerOptions { limits: wanted.limits, seed: wanted.seed, proxy: None }).await
}

#[cfg(not(feature = "docker"))]
async fn docker(_: &Wanted) -> Result<Box<dyn Cluster>, ClusterError> {
    Err(ClusterError::new("this quarrel was built without docker", "cargo build --features docker"))
}

async fn native(wanted: &Wanted) -> Result<Box<dyn Cluster>, ClusterError> {
    native::start(NativeOptions { limits: wanted.limits, seed: wanted.seed }).await
}

async fn external(wanted: &Wanted) -> Result<Box<dyn Cluster>, ClusterError> {
    let ExternalArgs { primary, replica, cache, toxiproxy } = wanted.external.clone();
    let needed = |name: &str, given: Option<StoreUrl>| {
        given.ok_or_else(|| {
            ClusterError::new(
                format!("an external cluster needs --{name}"),
                "--cluster external --primary URL --replica URL --cache URL",
            )
        })
    };
    let primary = needed("primary", primary)?;
    let (replica, cache) = (needed("replica", replica)?, needed("cache", cache)?);
    for leftover in external::find(&primary).await? {
        super::leftovers::tell(&leftover);
    }
    let (limits, clients) = (wanted.limits, wanted.clients);
    external::start(ExternalOptions { primary, replica, cache, toxiproxy, limits, clients }).await
}
