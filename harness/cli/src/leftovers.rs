//! What killed runs left on somebody's servers: told, and removed.

use clap::Args;
use quarrel_cluster::{
    external::{self, Leftover, Proxies},
    stores::StoreUrl,
};
use quarrel_strategy::cluster::ClusterError;

use super::{
    Failure,
    output::{eprintln, println},
};

/// Where to look for what was left.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct PrimaryArgs {
    /// A primary on which runs were killed, to look for what they left
    #[arg(long, value_name = "URL", env = "QUARREL_PRIMARY_URL", hide_env_values = true)]
    primary: Option<StoreUrl>,
}

/// Which servers to sweep.
#[derive(Args, Clone, Debug)]
pub(super) struct SweepArgs {
    #[command(flatten)]
    on: PrimaryArgs,
    /// The cache of those runs
    #[arg(long, value_name = "URL", env = "QUARREL_CACHE_URL", hide_env_values = true)]
    cache: Option<StoreUrl>,
    /// The API of their Toxiproxy, if they had one
    #[arg(long, value_name = "HOST:PORT", env = "QUARREL_TOXIPROXY")]
    toxiproxy: Option<String>,
    /// Their Toxiproxy runs no more, and its proxies are gone with it
    #[arg(long, conflicts_with = "toxiproxy")]
    toxiproxy_gone: bool,
}

impl PrimaryArgs {
    /// What was left there; nothing if nobody said where.
    pub(super) fn find(&self) -> Result<Vec<Leftover>, ClusterError> {
        let Some(primary) = &self.primary else { return Ok(Vec::new()) };
        runtime().block_on(external::find(primary))
    }

    /// Tells on standard error what was left.
    pub(super) fn tell(&self) -> Result<(), ClusterError> {
        self.find()?.iter().for_each(tell);
        Ok(())
    }
}

/// One thing that was left, and what to do about it.
pub(super) fn tell(leftover: &Leftover) {
    eprintln!("left by a run that was killed: {leftover}\n  try: quarrel cluster sweep");
}

/// Removes what was left. Exit code 4 if something stays.
pub(super) fn sweep(args: &SweepArgs) -> Result<u8, Failure> {
    let (Some(primary), Some(cache)) = (&args.on.primary, &args.cache) else {
        return Err(Failure::usage(
            "a sweep needs --primary and --cache, or QUARREL_PRIMARY_URL and QUARREL_CACHE_URL",
        ));
    };
    let proxies = match &args.toxiproxy {
        Some(address) => Proxies::At(address),
        None if args.toxiproxy_gone => Proxies::Gone,
        None => Proxies::Unknown,
    };
    let swept = runtime().block_on(external::sweep(primary, cache, proxies))?;
    if swept.is_empty() {
        let limit = external::STOPPED.as_secs();
        println!("nothing was left; runs whose hearts beat in the last {limit} s are alive");
    }
    let mut all = true;
    for (leftover, left) in swept {
        if left.is_empty() {
            println!("removed {leftover}");
        } else {
            all = false;
            eprintln!("could not remove run {}: {}", leftover.id, left.join("; "));
        }
    }
    Ok(if all { 0 } else { 4 })
}

fn runtime() -> tokio::runtime::Runtime {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be built")
}
