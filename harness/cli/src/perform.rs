//! Performing a race, on simulated stores or on a cluster that is started for
//! it.

use quarrel_explore::race::{Race, RaceError, Told, force, simulate};
use quarrel_strategy::{
    cluster::{Cluster, ClusterKind},
    stores::TimeLimits,
};
use tokio::runtime;

use super::{
    Failure,
    choose::{Choice, ExternalArgs, Wanted, start, unless_stopped},
    cut::Making,
    run::asked,
    signals::stop_on_signals,
};
use crate::output::eprintln;

/// A race that cannot go on twice in a row is not tried a third time.
const FAILURES: u32 = 2;

/// What is performed, where and how often.
pub(super) struct ReplayJob<'a> {
    pub(super) race: &'a Race,
    pub(super) make: &'a Making,
    pub(super) choice: Choice,
    pub(super) external: &'a ExternalArgs,
    pub(super) times: u64,
}

/// Hears how a replay goes.
pub(super) trait ReplayWatcher {
    /// Hears of a line of the round with this number, counted from 0.
    fn hear(&mut self, round: u64, told: Told<'_>);
    /// A round is over: why it was not as written, if it was not.
    fn judge(&mut self, complaint: Option<String>);
    /// A round came to nothing, through no fault of the race.
    fn fail(&mut self, why: String);
}

/// Performs the race; where.
pub(super) fn perform(
    job: &ReplayJob<'_>,
    watcher: &mut dyn ReplayWatcher,
) -> Result<ClusterKind, Failure> {
    if job.choice == Choice::Kind(ClusterKind::Sim) {
        eprintln!("cluster: sim, as asked (simulated stores, virtual time)");
        return on_simulated(job, watcher);
    }
    let runtime =
        runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::environment)?;
    runtime.block_on(async {
        let stop = stop_on_signals().map_err(Failure::environment)?;
        // Calls that go wrong in a race do so at once: nobody needs to give up
        // early, and a busy machine may be slow.
        let limits = TimeLimits { connect: SLOW, call: SLOW };
        let external = job.external.clone();
        let wanted = Wanted { choice: job.choice, external, limits, seed: 0, clients: 16 };
        let started = unless_stopped(&stop, job.choice, start(&wanted)).await?;
        let cluster = started.ok_or_else(interrupted)?;
        let performed = tokio::select! {
            biased;
            () = asked(&stop) => Err(interrupted()),
            performed = on_cluster(job, &*cluster, watcher) => performed,
        };
        let left = cluster.down().await;
        if !left.is_empty() {
            eprintln!("could not remove everything: {}", left.join("; "));
        }
        performed
    })
}

const SLOW: std::time::Duration = std::time::Duration::from_secs(10);

pub(super) fn interrupted() -> Failure {
    Failure { code: 130, message: "interrupted".to_owned() }
}

/// What a race that cannot be performed says of the race or of what was asked.
pub(super) fn impossible(error: RaceError) -> Failure {
    match error {
        RaceError::NothingBegun(_) | RaceError::NobodyCalled { .. } | RaceError::TooMany { .. } => {
            Failure::bad_input(error)
        }
        RaceError::Stuck(_) | RaceError::Unsupported { .. } => Failure::usage(error),
        RaceError::Failed { .. } => Failure::environment(error),
    }
}

fn on_simulated(
    job: &ReplayJob<'_>,
    watcher: &mut dyn ReplayWatcher,
) -> Result<ClusterKind, Failure> {
    for round in 0..job.times {
        let ran = simulate(job.race, &**job.make, &mut |told| watcher.hear(round, told));
        watcher.judge(ran.map_err(impossible)?.complaint());
    }
    Ok(ClusterKind::Sim)
}

async fn on_cluster(
    job: &ReplayJob<'_>,
    cluster: &dyn Cluster,
    watcher: &mut dyn ReplayWatcher,
) -> Result<ClusterKind, Failure> {
    if cluster.kind() == ClusterKind::Sim {
        return on_simulated(job, watcher);
    }
    let mut failures = 0;
    let keys = job.race.keys.iter().map(|setup| setup.key.0 + 1).max().unwrap_or(0).max(1_000);
    for round in 0..job.times {
        // Every performance has keys of its own, so that it finds nothing of
        // the ones before.
        let first_key = (round + 1) * keys;
        let mut tell = |told: Told<'_>| watcher.hear(round, told);
        match force(job.race, &**job.make, cluster, first_key, &mut tell).await {
            Ok(run) => {
                failures = 0;
                watcher.judge(run.complaint());
            }
            Err(error @ RaceError::Failed { .. }) => {
                failures += 1;
                if failures == FAILURES || job.times == 1 {
                    return Err(Failure::environment(error));
                }
                watcher.fail(error.to_string());
            }
            Err(error) => return Err(impossible(error)),
        }
    }
    Ok(cluster.kind())
}
