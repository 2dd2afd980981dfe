//! How fast simulations and searches are. Run with `cargo bench -p
//! quarrel-harness --bench sim`.

use std::{sync::Arc, time::Duration};

use quarrel_checkers::{Guarantee, Key, Process, Value};
use quarrel_harness::{
    cluster::Cluster,
    explore::{Bounds, PlacedFault, Reduction, Start, explore},
    record::Recorder,
    results::Journal,
    sim::SimCluster,
    stores::{Item, Row, StoreError},
    strategy::{Action, AnyStrategy, Session, SessionParts, Strategy, perform},
};

fn main() {
    divan::main();
}

struct CacheAside;

impl Strategy for CacheAside {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        if let Ok(Some(row)) = session.cache().get_row(key).await {
            return Ok(Some(row));
        }
        let row = session.replica().read(key).await?;
        if let Some(row) = &row {
            let ttl = Some(Duration::from_secs(300));
            let _ = session.cache().set_row(key, row.clone(), ttl).await;
        }
        Ok(row)
    }

    async fn write(
        &self,
        session: &mut Session,
        key: Key,
        value: Value,
    ) -> Result<u64, StoreError> {
        let version = session.primary().write(key, value).await?;
        let _ = session.cache().del(Item::entry(key)).await;
        Ok(version)
    }
}

fn cache_aside() -> Arc<dyn AnyStrategy> {
    Arc::new(CacheAside)
}

/// Nothing can break, so that every interleaving is run.
fn everything(reduction: Reduction) -> Bounds {
    Bounds {
        writers: 2,
        readers: 2,
        faults: vec![PlacedFault::ReplicaLag],
        guarantee: Guarantee::None,
        starts: vec![Start::Warm],
        reduction,
        ..Bounds::default()
    }
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn interleavings_without_pruning(bencher: divan::Bencher<'_, '_>) {
    let bounds = Bounds { writers: 1, readers: 3, ..everything(Reduction::Off) };
    let count = explore(&cache_aside, &bounds).expect("it uses its session").interleavings;
    bencher
        .counter(divan::counter::ItemsCount::new(usize::try_from(count).expect("a few million")))
        .bench_local(|| explore(&cache_aside, &bounds).map(|found| found.interleavings).ok());
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn two_writers_and_two_readers_exhausted(bencher: divan::Bencher<'_, '_>) {
    let bounds = everything(Reduction::States);
    bencher.bench_local(|| explore(&cache_aside, &bounds).map(|found| found.states).ok());
}

const CLIENTS: u64 = 8;
const OPERATIONS_EACH: u64 = 25_000;

/// Nine reads of a hundred keys for each write, all clients at once.
fn run(recorder: Option<&Arc<Recorder>>, cluster: &SimCluster) {
    let strategy = cache_aside();
    for client in 0..CLIENTS {
        let strategy = Arc::clone(&strategy);
        let mut session = Session::new(SessionParts {
            process: Process::Client(client),
            backend: cluster.client(),
            clock: cluster.clock(),
            recorder: recorder.cloned(),
            gate: None,
            seed: client,
        });
        cluster.spawn(Box::pin(async move {
            for number in 0..OPERATIONS_EACH {
                let key = Key((number * 31 + client) % 100);
                let action = if number % 10 == 0 {
                    let value = number * CLIENTS + client;
                    Action::Write(key, Value::Int(i64::try_from(value).unwrap_or(0)))
                } else {
                    Action::Read(key)
                };
                perform(&*strategy, &mut session, action, None).await;
            }
        }));
    }
    // It ends when nothing can happen any more: every client is done.
    let ended = cluster.run(std::future::pending::<()>());
    assert!(ended.is_err(), "nobody ends what is pending");
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn simulated_operations(bencher: divan::Bencher<'_, '_>) {
    bencher
        .counter(divan::counter::ItemsCount::new(CLIENTS * OPERATIONS_EACH))
        .with_inputs(|| SimCluster::new(1))
        .bench_local_values(|cluster| run(None, &cluster));
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn simulated_operations_recorded(bencher: divan::Bencher<'_, '_>) {
    bencher
        .counter(divan::counter::ItemsCount::new(CLIENTS * OPERATIONS_EACH))
        .with_inputs(|| SimCluster::new(1))
        .bench_local_values(|cluster| {
            let recorder = Arc::new(Recorder::new(cluster.clock()));
            run(Some(&recorder), &cluster);
            recorder
        });
}

/// Until the last line of the history is on the disk.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn simulated_operations_journaled(bencher: divan::Bencher<'_, '_>) {
    bencher
        .counter(divan::counter::ItemsCount::new(CLIENTS * OPERATIONS_EACH))
        .with_inputs(|| (SimCluster::new(1), tempfile::tempdir().expect("a folder can be made")))
        .bench_local_values(|(cluster, folder)| {
            let recorder = Arc::new(Recorder::new(cluster.clock()));
            let path = folder.path().join("history.jsonl.zst");
            let journal = Journal::start(&path, Arc::clone(&recorder)).expect("a new file");
            run(Some(&recorder), &cluster);
            journal.finish().expect("the disk has room");
            folder
        });
}
