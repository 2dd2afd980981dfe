//! The end of a storm: every key is read once more, by the strategy and beside
//! it, until the stores agree.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::future::select;
use quarrel_checkers::{Key, ProbePhase, Time};
use quarrel_strategy::{cluster::ClusterKind, record::Spoils, stores::Backend};

use super::{
    StormOutcome,
    client::{Client, Storm},
    load::are_many,
    probes::{Agreement, agree, pause, probe_key, probe_keys},
    storm::together,
};
use crate::faults::caught_up_within;

/// How many stores a probe of a key asks.
const SITES: usize = 3;
/// How many keys a probe is about where they are many.
const AT_ONCE: usize = 1_000;
/// After the settling time nobody waits longer than this for an answer.
const STILL: Duration = Duration::from_secs(1);
/// Between two looks whether anything stands still.
const LOOK: Duration = Duration::from_millis(20);

/// Reads every key by strategy and by probe, until the stores agree or the
/// settling time is over. Every round's probes are kept: they show when the
/// stores came to agree. Only those of the last round are final.
///
/// The settling time binds what stands still: a round over many keys is read
/// to its end as long as there are answers, unless somebody wishes to hurry.
///
/// Where keys are many, all clients share them, and read as long as it lasts;
/// the stores are asked for many keys at once.
pub(super) async fn settle(storm: &Arc<Storm>, clients: Vec<Client>, outcome: &mut StormOutcome) {
    let limit = storm.recorder.now() + storm.plan.settle;
    let answers = Answers::default();
    let reads = pin!(read(storm, clients, outcome, limit, &answers));
    select(reads, pin!(standstill(storm, limit, &answers))).await;
    if storm.is_hurried() {
        let what = "the time was over before every key had been read in the end";
        storm.recorder.fail(what, Spoils::Completeness);
    }
}

/// How many answers there were.
#[derive(Default)]
struct Answers(AtomicU64);

impl Answers {
    fn another(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

async fn read(
    storm: &Arc<Storm>,
    mut clients: Vec<Client>,
    outcome: &mut StormOutcome,
    limit: Time,
    answers: &Answers,
) {
    let mut stores = storm.cluster.probe();
    let is_lost = || storm.recorder.failure().is_some() || storm.is_hurried();
    if is_lost() {
        return;
    }
    drop(caught_up_within(&*storm.cluster, storm.plan.settle).await);
    clients = read_all(storm, clients, limit, answers).await;
    while !is_lost() {
        let first = outcome.probes.len();
        let is_same = round(storm, &mut stores, outcome, limit, answers).await;
        if is_same || storm.recorder.now() >= limit {
            break;
        }
        let round = &mut outcome.probes[first..];
        round.iter_mut().for_each(|probe| probe.phase = ProbePhase::Running);
        pause(&mut stores, Duration::from_millis(50)).await;
    }
    read_all(storm, clients, limit, answers).await;
}

/// Reads every key once through the strategy: one client all of them, unless
/// they are many.
async fn read_all(
    storm: &Arc<Storm>,
    mut clients: Vec<Client>,
    limit: Time,
    answers: &Answers,
) -> Vec<Client> {
    if are_many(storm.plan.keys) {
        return together(storm, clients, move |mut client| async move {
            client.read_share(limit).await;
            client
        })
        .await;
    }
    if let Some(reader) = clients.first_mut() {
        reader.read_all(limit, || answers.another()).await;
    }
    clients
}

/// Looks into the stores under every key; whether they agree.
async fn round(
    storm: &Arc<Storm>,
    stores: &mut Backend,
    outcome: &mut StormOutcome,
    limit: Time,
    answers: &Answers,
) -> bool {
    let mut is_same = true;
    let at_once = if are_many(storm.plan.keys) { AT_ONCE } else { 1 };
    let keys: Vec<Key> = storm.plan.every_key().collect();
    for keys in keys.chunks(at_once) {
        let found = match keys {
            [key] => probe_key(stores, &storm.recorder, *key, ProbePhase::Final).await,
            keys => probe_keys(stores, &storm.recorder, keys, ProbePhase::Final).await,
        };
        let is_silent = found.len() < SITES * keys.len();
        let of_keys = found.chunk_by(|one, other| one.key == other.key);
        let same = of_keys.filter(|found| agree(found) == Agreement::Same).count();
        is_same &= same == keys.len();
        outcome.probes.extend(found);
        let is_lost = storm.recorder.failure().is_some() || storm.is_hurried();
        if is_lost || (is_silent && storm.recorder.now() >= limit) {
            break;
        }
        if !is_silent {
            answers.another();
        }
    }
    is_same
}

/// Ends when the settling time is over and nothing has answered for a while,
/// or when somebody wishes to hurry. Where time is simulated nothing stands
/// still.
async fn standstill(storm: &Storm, limit: Time, answers: &Answers) {
    if storm.cluster.kind() == ClusterKind::Sim {
        return std::future::pending().await;
    }
    let mut last = (answers.count(), storm.recorder.now());
    while !storm.is_hurried() {
        tokio::time::sleep(LOOK).await;
        let (count, now) = (answers.count(), storm.recorder.now());
        if count != last.0 {
            last = (count, now);
        }
        if now >= limit && now.since(last.1.max(limit)) >= STILL {
            return;
        }
    }
}
