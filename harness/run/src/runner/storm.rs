use std::{
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{
    channel::oneshot,
    future::{Either, join_all, select},
};
use quarrel_checkers::{Probe, ProbePhase, Time};
use quarrel_strategy::{
    cluster::{Boxed, Cluster, ClusterKind, Unsupported},
    record::{Clock, EnvironmentFailure, Recorder, Spoils, Stop},
    stores::StoreError,
    strategy::{Gate, OPERATOR, Session, SessionParts},
};

use super::{
    Plan, Progress, RunPhase,
    agents::Agents,
    client::{Client, Storm, Unloaded},
    cold::cool,
    liveness::Liveness,
    load::{Loaded, load_many},
    operator::operate,
    pauses::{PauseGate, Pauses},
    preflight::{NotReady, preflight},
    probes::{pause, probe_key},
    settle::settle,
};
use crate::faults::{Excuses, Nemesis, Receipt, Schedule, Strikes, caught_up};

/// A storm that could not begin.
#[derive(Debug, thiserror::Error)]
pub enum StormError {
    /// The cluster cannot carry one of the faults.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// A store cannot do what a run needs.
    #[error(transparent)]
    NotReady(#[from] NotReady),
    /// The strategy could not make the stores ready.
    #[error(
        "the strategy cannot make the stores ready: {0}\n  try: a server and a role that allow it, \
         or another strategy"
    )]
    Prepare(#[source] StoreError),
}

/// What a storm brought besides its history.
#[derive(Clone, Debug, Default)]
pub struct StormOutcome {
    /// When the storm began, on the run's clock; before it keys were loaded.
    pub storm_began: Time,
    /// When its last client ended, and healing what was still struck began.
    pub heal_began: Time,
    /// When all was healed, and the final reads began.
    pub final_began: Time,
    /// Proofs of faults.
    pub receipts: Vec<Receipt>,
    /// What the stores held.
    pub probes: Vec<Probe>,
    /// Keys whose first write did not succeed however often it was tried.
    pub unloaded: Vec<Unloaded>,
    /// What makes the run worthless, or less worth.
    pub failure: Option<EnvironmentFailure>,
}

/// Runs a storm. Its history is in `recorder` afterwards.
///
/// # Errors
///
/// When the cluster cannot carry a fault of the plan, or the strategy cannot
/// make the stores ready; then no client has begun.
pub fn storm(
    cluster: Arc<dyn Cluster>,
    plan: Plan,
    recorder: Arc<Recorder>,
    gate: Option<Arc<dyn Gate>>,
    stop: Stop,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Boxed<'_, Result<StormOutcome, StormError>> {
    Box::pin(async move {
        Nemesis::supports(&*cluster, &plan.schedule)?;
        preflight(&*cluster).await?;
        let (strikes, gate) = strikes(&plan, gate);
        let (pauses, gate) = pauses(&plan, recorder.clock(), gate);
        let storm = Arc::new(Storm::new(cluster, recorder, gate, plan, stop));
        let excuses = Arc::default();
        let liveness = Liveness::new(
            Arc::clone(&storm.cluster),
            Arc::clone(&storm.recorder),
            Arc::clone(&excuses),
        );
        let world = World { strikes, pauses, excuses, liveness, so_far: Mutex::default() };
        let phases = pin!(phases(&storm, &world, progress));
        let watch = pin!(world.liveness.watch());
        let watched = select(phases, watch);
        let mut outcome = match select(watched, pin!(out_of_time(&storm))).await {
            Either::Left((Either::Left((outcome, _)), _)) => outcome?,
            Either::Left((Either::Right(_), _)) => unreachable!("a watch has no end"),
            Either::Right(((), _)) => {
                let what = "the time was over while something stood still";
                storm.recorder.fail(what, Spoils::Completeness);
                std::mem::take(&mut *world.so_far())
            }
        };
        outcome.failure = storm.recorder.failure().cloned();
        Ok(outcome)
    })
}

/// What happens to clients and stores, and who sees it.
struct World {
    strikes: Arc<Strikes>,
    pauses: Option<Arc<PauseGate>>,
    excuses: Arc<Excuses>,
    liveness: Liveness,
    /// What the storm has brought, in case that it stands still from here on.
    so_far: Mutex<StormOutcome>,
}

impl World {
    fn so_far(&self) -> std::sync::MutexGuard<'_, StormOutcome> {
        self.so_far.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// After a wish to hurry so much may pass before what still stands is left
/// alone.
const GRACE: Duration = Duration::from_secs(1);
/// Between two looks whether there is such a wish.
const HEED: Duration = Duration::from_millis(20);

/// Ends when somebody wished to hurry, and was heard by nobody. Where time is
/// simulated nothing stands still.
async fn out_of_time(storm: &Storm) {
    if storm.cluster.kind() == ClusterKind::Sim {
        return std::future::pending().await;
    }
    while !storm.is_hurried() {
        tokio::time::sleep(HEED).await;
    }
    tokio::time::sleep(GRACE).await;
}

/// From the first write to the last read.
async fn phases(
    storm: &Arc<Storm>,
    world: &World,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<StormOutcome, StormError> {
    let watch = Watch { storm, progress };
    let strategy = &storm.plan.strategy;
    watch.tell(RunPhase::Load, Time::ZERO);
    // Before there are feeds, which would tell of each of them.
    let loaded = load_many(storm).await;
    storm.take(loaded.processes());
    let mut behind = behind_the_scenes(storm);
    strategy.prepare(&mut behind).await.map_err(StormError::Prepare)?;
    let agents = Agents::start(storm);

    let (mut clients, unloaded) = load(storm, loaded).await;
    // A storm that begins behind would see lag that no fault made.
    drop(caught_up(&*storm.cluster).await);
    cool(storm).await;

    let start = storm.recorder.now();
    *world.so_far() = StormOutcome {
        storm_began: start,
        heal_began: start,
        final_began: start,
        unloaded,
        ..StormOutcome::default()
    };
    world.pauses.iter().for_each(|pauses| pauses.begin());
    let (heal_began, receipts, probes) = {
        let running = together(storm, std::mem::take(&mut clients), move |mut client| async move {
            client.storm(start).await;
            client
        });
        let over = Stop::default();
        let faults = inject(storm, world, start, &over);
        let operator = operate(storm, &world.strikes, &over);
        let looks = look(storm, start, &over);
        let ticks = watch.tick(start, &over);
        let end = async {
            clients = running.await;
            over.ask();
            world.pauses.iter().for_each(|pauses| pauses.end());
            storm.recorder.now()
        };
        let (ended, receipts, probes, (), ()) = futures::join!(end, faults, looks, ticks, operator);
        (ended, receipts, probes)
    };
    // One that died in the last moment is not yet missed.
    world.liveness.all_answer(storm.recorder.now()).await;
    let mut outcome = StormOutcome {
        storm_began: start,
        heal_began,
        final_began: storm.recorder.now(),
        receipts,
        probes,
        unloaded: std::mem::take(&mut world.so_far().unloaded),
        failure: None,
    };
    *world.so_far() = outcome.clone();

    watch.tell(RunPhase::Final, start);
    settle(storm, clients, &mut outcome).await;
    agents.stop().await;
    world.liveness.all_answer(storm.recorder.now()).await;
    // What is left behind is named, but costs the run nothing any more.
    if let Err(error) = strategy.finish(&mut behind).await {
        tracing::warn!("the strategy could not clear away what it had made: {error}");
    }
    Ok(outcome)
}

/// Gives every key its first value, of which some are `loaded` already; the
/// clients, and the keys that have none.
async fn load(storm: &Arc<Storm>, loaded: Loaded) -> (Vec<Client>, Vec<Unloaded>) {
    let mut clients: Vec<_> =
        (0..storm.plan.clients).map(|number| Client::new(Arc::clone(storm), number)).collect();
    let loaded = match clients.first_mut().filter(|_| loaded.processes() > 0) {
        Some(reader) => {
            drop(caught_up(&*storm.cluster).await);
            Arc::new(loaded.settle(storm, reader).await)
        }
        None => Arc::default(),
    };
    let loaded = together(storm, clients, move |mut client| {
        let loaded = Arc::clone(&loaded);
        async move {
            let unloaded = client.load(&loaded).await;
            (client, unloaded)
        }
    })
    .await;
    let (clients, unloaded): (Vec<Client>, Vec<_>) = loaded.into_iter().unzip();
    (clients, unloaded.concat())
}

/// What strikes clients, and the gate at their steps: the given one, unless a
/// fault of the plan strikes clients.
fn strikes(plan: &Plan, gate: Option<Arc<dyn Gate>>) -> (Arc<Strikes>, Option<Arc<dyn Gate>>) {
    let strikes = Arc::new(Strikes::new(gate.clone(), plan.seed));
    let strikes_clients = plan.schedule.steps.iter().any(|step| step.fault.strike().is_some());
    let gate = if strikes_clients { Some(Arc::clone(&strikes) as Arc<dyn Gate>) } else { gate };
    (strikes, gate)
}

/// What lets clients stand still now and then, and the gate at their steps.
fn pauses(
    plan: &Plan,
    clock: &Clock,
    gate: Option<Arc<dyn Gate>>,
) -> (Option<Arc<PauseGate>>, Option<Arc<dyn Gate>>) {
    if plan.pauses == Pauses::Off {
        return (None, gate);
    }
    let pauses = Arc::new(PauseGate::new(plan, clock.clone(), gate));
    (Some(Arc::clone(&pauses)), Some(pauses))
}

/// A session for what the strategy does before and after a run: not recorded,
/// and beside the links that faults strike.
fn behind_the_scenes(storm: &Storm) -> Session {
    Session::new(SessionParts {
        process: OPERATOR,
        backend: storm.cluster.probe(),
        clock: storm.recorder.clock().clone(),
        recorder: None,
        gate: None,
        seed: storm.plan.seed,
    })
}

/// Runs one task per client on the cluster's executor and waits for all.
pub(super) async fn together<F, T>(
    storm: &Arc<Storm>,
    clients: Vec<Client>,
    task: impl Fn(Client) -> F,
) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let ends: Vec<_> = clients
        .into_iter()
        .map(|client| {
            let (done, end) = oneshot::channel();
            let work = task(client);
            storm.cluster.spawn(Box::pin(async move {
                drop(done.send(work.await));
            }));
            end
        })
        .collect();
    // A client that panicked is missing; its last operation stays open in the
    // history, which is the truth.
    join_all(ends).await.into_iter().flatten().collect()
}

/// Each fault follows its own part of the schedule, so that waiting for one to
/// show does not delay another.
async fn inject(storm: &Arc<Storm>, world: &World, start: Time, over: &Stop) -> Vec<Receipt> {
    let schedule = &storm.plan.schedule;
    let mut names: Vec<_> = schedule.steps.iter().map(|step| step.fault.name()).collect();
    names.sort_unstable();
    names.dedup();
    let each = names.into_iter().map(|name| async move {
        let steps = schedule.steps.iter().filter(|step| step.fault.name() == name).cloned();
        let own = Schedule { seed: schedule.seed, steps: steps.collect() };
        let mut nemesis = Nemesis::new(Arc::clone(&storm.cluster), Arc::clone(&storm.recorder))
            .striking(Arc::clone(&world.strikes))
            .excusing(Arc::clone(&world.excuses));
        nemesis.follow(&own, start, over).await;
        nemesis.finish().await
    });
    join_all(each).await.into_iter().flatten().collect()
}

/// Looks at what the stores hold under each key in turn, at a bounded rate.
async fn look(storm: &Arc<Storm>, start: Time, over: &Stop) -> Vec<Probe> {
    let mut stores = storm.cluster.probe();
    let mut probes = Vec::new();
    let end = start + storm.plan.time;
    let mut keys = std::iter::repeat_with(|| storm.plan.every_key()).flatten();
    while storm.recorder.now() < end && !over.asked() {
        pause(&mut stores, storm.plan.probe_every).await;
        let Some(key) = keys.next() else { break };
        probes.extend(probe_key(&mut stores, &storm.recorder, key, ProbePhase::Running).await);
    }
    probes
}

struct Watch<'a> {
    storm: &'a Arc<Storm>,
    progress: &'a (dyn Fn(Progress) + Send + Sync),
}

impl Watch<'_> {
    fn tell(&self, phase: RunPhase, start: Time) {
        let recorder = &self.storm.recorder;
        (self.progress)(Progress {
            phase,
            elapsed: recorder.now().since(start),
            total: self.storm.plan.time,
            events: recorder.events(),
        });
    }

    async fn tick(&self, start: Time, over: &Stop) {
        let mut stores = self.storm.cluster.probe();
        while !over.asked() {
            let heal = self.storm.recorder.now() >= start + self.storm.plan.time;
            self.tell(if heal { RunPhase::Heal } else { RunPhase::Storm }, start);
            pause(&mut stores, Duration::from_millis(100)).await;
        }
    }
}
