//! What recording and the harness cost, on a native cluster, in one run:
//!
//! ```text
//! cargo bench -p quarrel-workloads --bench throughput
//! ```
//!
//! Three loops of the same cache-aside over the same keys take turns: a bare
//! loop of sqlx and redis calls, sessions without a recorder, and sessions
//! with a recorder whose journal goes to the disk. Each turn lasts a second;
//! medians of the turns are compared.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use quarrel_checkers::{Key, Process, Value};
use quarrel_harness::{
    cluster::{
        Cluster, RealCluster,
        native::{self, NativeOptions},
    },
    record::{Clock, Recorder},
    results::Journal,
    strategy::{Action, AnyStrategy, Catalogue, Options, Session, SessionParts, perform},
};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sqlx::{Connection as _, Row as _, postgres::PgConnection};

const CLIENTS: u64 = 16;
const KEYS: u64 = 100;
const READS: f64 = 0.8;
const TURN: Duration = Duration::from_secs(1);
const ROUNDS: usize = 7;

#[derive(Clone, Copy, Debug)]
enum Loop {
    Bare,
    Unrecorded,
    Recorded,
}

struct Ground {
    cluster: RealCluster,
    strategy: Arc<dyn AnyStrategy>,
    journals: tempfile::TempDir,
}

fn main() {
    // `cargo test --benches` only asks whether it starts.
    if std::env::args().any(|word| word == "--test") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(bench());
}

async fn bench() {
    let cluster = native::start_servers(NativeOptions::default())
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let catalogue: Catalogue = quarrel_workloads::catalogue();
    let entry = catalogue.strategy("cache-aside").unwrap();
    let given = [("fill".to_owned(), "primary".to_owned())].into();
    let options = Options::resolve(entry.name, entry.options, &given).unwrap();
    let strategy = (entry.build)(&options).unwrap();
    let ground = Arc::new(Ground { cluster, strategy, journals: tempfile::tempdir().unwrap() });

    let loops = [Loop::Bare, Loop::Unrecorded, Loop::Recorded];
    let mut rates = [const { Vec::new() }; 3];
    for round in 0..=ROUNDS {
        for (which, rates) in loops.iter().zip(&mut rates) {
            let rate = turn(&ground, *which, round).await;
            // The first round warms up.
            if round > 0 {
                rates.push(rate);
            }
        }
    }
    ground.cluster.down().await;

    let [bare, unrecorded, recorded] = rates.map(median);
    println!("operations a second, medians of {ROUNDS} turns of {TURN:?}, {CLIENTS} clients");
    println!("bare loop of sqlx and redis   {bare:>8.0}");
    println!("sessions, not recorded        {unrecorded:>8.0}  {:.3} of bare", unrecorded / bare);
    println!("sessions, recorded            {recorded:>8.0}  {:.3} of bare", recorded / bare);
    println!("recorded / not recorded       {:>8.3}", recorded / unrecorded);
}

async fn turn(ground: &Arc<Ground>, which: Loop, round: usize) -> f64 {
    let done = Arc::new(AtomicU64::new(0));
    let recorder = Arc::new(Recorder::new(Clock::start()));
    let journal = matches!(which, Loop::Recorded).then(|| {
        let path = ground.journals.path().join(format!("{round}.jsonl.zst"));
        Journal::start(&path, Arc::clone(&recorder)).unwrap()
    });
    let start = Instant::now();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let (ground, done) = (Arc::clone(ground), Arc::clone(&done));
            let recorder = matches!(which, Loop::Recorded).then(|| Arc::clone(&recorder));
            let random = ChaCha8Rng::seed_from_u64(client + 1000 * round as u64);
            tokio::spawn(async move {
                let operations = match which {
                    Loop::Bare => bare(&ground, random, start).await,
                    _ => sessions(&ground, client, random, start, recorder).await,
                };
                done.fetch_add(operations, Ordering::Relaxed);
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    let rate = done.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64();
    if let Some(journal) = journal {
        journal.finish().unwrap();
    }
    rate
}

async fn sessions(
    ground: &Ground,
    client: u64,
    mut random: ChaCha8Rng,
    start: Instant,
    recorder: Option<Arc<Recorder>>,
) -> u64 {
    let mut session = Session::new(SessionParts {
        process: Process::Client(client),
        backend: ground.cluster.client(),
        clock: Clock::start(),
        recorder,
        gate: None,
        seed: client,
    });
    let mut operations = 0;
    while start.elapsed() < TURN {
        let key = Key(random.random_range(0..KEYS));
        let action = if random.random_bool(READS) {
            Action::Read(key)
        } else {
            Action::Write(key, Value::Int(random.random()))
        };
        let deadline = Some(Duration::from_secs(5));
        perform(&*ground.strategy, &mut session, action, deadline).await;
        operations += 1;
    }
    operations
}

/// The same calls without anything between.
async fn bare(ground: &Ground, mut random: ChaCha8Rng, start: Instant) -> u64 {
    let mut postgres = PgConnection::connect_with(&ground.cluster.clients.primary).await.unwrap();
    let mut redis = ground.cluster.clients.cache.connect().await.unwrap();
    let mut operations = 0;
    while start.elapsed() < TURN {
        let key: u64 = random.random_range(0..KEYS);
        let name = format!("kv:{key}");
        let id = key.cast_signed();
        if random.random_bool(READS) {
            let hit: Option<String> =
                redis::cmd("GET").arg(&name).query_async(&mut redis).await.unwrap();
            if hit.is_none() {
                let row = sqlx::query("SELECT value, version FROM kv WHERE key = $1")
                    .bind(id)
                    .fetch_optional(&mut postgres)
                    .await
                    .unwrap();
                if let Some(row) = row {
                    let (value, version): (String, i64) = (row.get(0), row.get(1));
                    redis::cmd("SET")
                        .arg(&name)
                        .arg(format!("{version}|{value}"))
                        .arg("PX")
                        .arg(3_000)
                        .query_async::<()>(&mut redis)
                        .await
                        .unwrap();
                }
            }
        } else {
            sqlx::query(
                "INSERT INTO kv (key, value, version) VALUES ($1, $2, 1) \
                 ON CONFLICT (key) DO UPDATE SET value = excluded.value, version = kv.version + 1 \
                 RETURNING version, pg_current_wal_insert_lsn()::text",
            )
            .bind(id)
            .bind(random.random::<i64>().to_string())
            .fetch_one(&mut postgres)
            .await
            .unwrap();
            redis::cmd("DEL").arg(&name).query_async::<()>(&mut redis).await.unwrap();
        }
        operations += 1;
    }
    operations
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}
