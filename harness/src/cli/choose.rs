use std::str::FromStr;

use anstream::eprintln;

use crate::{
    cluster::{
        Cluster, ClusterError, ClusterKind,
        native::{self, Binaries, NativeOptions},
    },
    sim::SimCluster,
    stores::real::TimeLimits,
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

/// How to start a cluster of any kind.
pub(super) struct Wanted {
    pub(super) choice: Choice,
    pub(super) limits: TimeLimits,
    pub(super) seed: u64,
}

/// Starts the cluster that was asked for, or the first that works, and says
/// which and why.
pub(super) async fn start(wanted: &Wanted) -> Result<Box<dyn Cluster>, ClusterError> {
    match wanted.choice {
        Choice::Kind(ClusterKind::Native) => native(wanted).await,
        Choice::Kind(ClusterKind::Sim) => Ok(Box::new(SimCluster::new(wanted.seed))),
        Choice::Kind(other) => {
            Err(ClusterError::new(format!("this build has no {other} cluster"), "--cluster native"))
        }
        Choice::Auto => auto(wanted).await,
    }
}

async fn auto(wanted: &Wanted) -> Result<Box<dyn Cluster>, ClusterError> {
    if let Err(missing) = Binaries::find() {
        return Err(ClusterError::new(missing.to_string(), missing.advice()));
    }
    eprintln!("cluster: native, as Postgres and Redis are installed here");
    native(wanted).await
}

async fn native(wanted: &Wanted) -> Result<Box<dyn Cluster>, ClusterError> {
    native::start(NativeOptions { limits: wanted.limits, seed: wanted.seed }).await
}
