use std::{pin::pin, sync::Arc, time::Duration};

use futures::{
    channel::oneshot,
    future::{Either, join_all, select},
};
use quarrel_checkers::{Probe, ProbePhase, Time};

use super::{
    Phase, Plan, Progress,
    agents::Agents,
    client::{Client, Storm, Unloaded},
    cold::cool,
    liveness::Liveness,
    operator::operate,
    pauses::{PauseGate, Pauses},
    preflight::{NotReady, preflight},
    probes::{Agreement, agree, pause, probe_key},
};
use crate::{
    cluster::{Cluster, Unsupported},
    faults::{Excuses, Nemesis, Receipt, Schedule, Strikes, caught_up, caught_up_within},
    record::{Clock, EnvironmentFailure, Recorder, Stop},
    stores::StoreError,
    strategy::{Gate, OPERATOR, Session, SessionParts},
};

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
    #[error("the strategy cannot make the stores ready: {0}")]
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
pub async fn storm(
    cluster: Arc<dyn Cluster>,
    plan: Plan,
    recorder: Arc<Recorder>,
    gate: Option<Arc<dyn Gate>>,
    stop: Stop,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<StormOutcome, StormError> {
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
    let world = World { strikes, pauses, excuses, liveness };
    let phases = pin!(phases(&storm, &world, progress));
    let mut outcome = match select(phases, pin!(world.liveness.watch())).await {
        Either::Left((outcome, _)) => outcome?,
        Either::Right(_) => unreachable!("a watch has no end"),
    };
    outcome.failure = storm.recorder.failure().cloned();
    Ok(outcome)
}

/// What happens to clients and stores, and who sees it.
struct World {
    strikes: Arc<Strikes>,
    pauses: Option<Arc<PauseGate>>,
    excuses: Arc<Excuses>,
    liveness: Liveness,
}

/// From the first write to the last read.
async fn phases(
    storm: &Arc<Storm>,
    world: &World,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<StormOutcome, StormError> {
    let watch = Watch { storm, progress };
    let strategy = &storm.plan.strategy;
    let mut behind = behind_the_scenes(storm);
    strategy.prepare(&mut behind).await.map_err(StormError::Prepare)?;
    let agents = Agents::start(storm);

    watch.tell(Phase::Load, Time::ZERO);
    let clients: Vec<_> =
        (0..storm.plan.clients).map(|number| Client::new(Arc::clone(storm), number)).collect();
    let loaded = together(storm, clients, |mut client| async move {
        let unloaded = client.load().await;
        (client, unloaded)
    })
    .await;
    let (mut clients, unloaded): (Vec<Client>, Vec<_>) = loaded.into_iter().unzip();
    // A storm that begins behind would see lag that no fault made.
    drop(caught_up(&*storm.cluster).await);
    cool(storm).await;

    let start = storm.recorder.now();
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
        unloaded: unloaded.concat(),
        failure: None,
    };

    watch.tell(Phase::Final, start);
    let reader = clients.swap_remove(0);
    settle(storm, reader, &mut outcome).await;
    agents.stop().await;
    world.liveness.all_answer(storm.recorder.now()).await;
    // What is left behind is named, but costs the run nothing any more.
    if let Err(error) = strategy.finish(&mut behind).await {
        tracing::warn!("the strategy could not clear away what it had made: {error}");
    }
    Ok(outcome)
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
async fn together<F, T>(
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

/// Reads every key by strategy and by probe, until the stores agree or the
/// settling time is over. Every round's probes are kept: they show when the
/// stores came to agree. Only those of the last round are final.
///
/// The settling time binds what stands still: a round over many keys is read
/// to its end as long as there are answers.
async fn settle(storm: &Arc<Storm>, mut reader: Client, outcome: &mut StormOutcome) {
    let mut stores = storm.cluster.probe();
    let limit = storm.recorder.now() + storm.plan.settle;
    let is_lost = || storm.recorder.failure().is_some();
    if is_lost() {
        return;
    }
    drop(caught_up_within(&*storm.cluster, storm.plan.settle).await);
    reader.read_all(limit).await;
    while !is_lost() {
        let mut round = Vec::new();
        let mut same = true;
        for key in storm.plan.every_key() {
            let found = probe_key(&mut stores, &storm.recorder, key, ProbePhase::Final).await;
            let is_silent = found.len() < SITES;
            same &= agree(&found) == Agreement::Same;
            round.extend(found);
            if is_lost() || (is_silent && storm.recorder.now() >= limit) {
                break;
            }
        }
        let over = same || storm.recorder.now() >= limit;
        if !over {
            round.iter_mut().for_each(|probe| probe.phase = ProbePhase::Running);
        }
        outcome.probes.extend(round);
        if over {
            break;
        }
        pause(&mut stores, Duration::from_millis(50)).await;
    }
    reader.read_all(limit).await;
}

/// How many stores a probe of a key asks.
const SITES: usize = 3;

struct Watch<'a> {
    storm: &'a Arc<Storm>,
    progress: &'a (dyn Fn(Progress) + Send + Sync),
}

impl Watch<'_> {
    fn tell(&self, phase: Phase, start: Time) {
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
            self.tell(if heal { Phase::Heal } else { Phase::Storm }, start);
            pause(&mut stores, Duration::from_millis(100)).await;
        }
    }
}
