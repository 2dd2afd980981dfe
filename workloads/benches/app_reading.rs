//! What reading every message of an application costs a storm: the sample that
//! speaks over standard input and output, one client after the other as fast as
//! they can, its messages read and not, in turns on clusters of their own:
//!
//! ```text
//! cargo bench -p quarrel-workloads --bench app_reading [-- ROUNDS]
//! ```
//!
//! Promised is that reading costs at most 15 % of the operations a second.

use std::{path::Path, sync::Arc, time::Duration};

use quarrel_checkers::Kind;
use quarrel_harness::{
    app::{App, AppCluster, AppFile, Reading},
    cluster::{
        Cluster,
        native::{self, NativeOptions},
    },
    record::{Recorder, Stop},
    runner::{Arrivals, Pauses, Plan, Skew, storm},
    strategy::RegisterWorkload,
};

const TIME: Duration = Duration::from_secs(6);
const CLIENTS: u64 = 8;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    // `cargo test --benches` only asks whether it starts.
    if words.iter().any(|word| word == "--test") {
        return;
    }
    let rounds = words.first().and_then(|word| word.parse().ok()).unwrap_or(5);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (mut bytes, mut messages) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        bytes.push(runtime.block_on(round(Reading::Bytes)));
        let read = runtime.block_on(round(Reading::Messages));
        assert!(read.steps > 0.5, "messages were read: {} steps an operation", read.steps);
        messages.push(read);
    }
    let of = |part: fn(&Storm) -> f64| {
        let median = |storms: &[Storm]| median(storms.iter().map(part).collect());
        (median(&bytes), median(&messages))
    };
    let (unread, read) = of(|storm| storm.rate);
    let cost = 100.0 * (1.0 - read / unread);
    println!(
        "{unread:.0} operations a second unread, {read:.0} read: reading costs {cost:.1} % \
         (promised: at most 15)"
    );
    let (unread, read) = of(|storm| storm.processor_us);
    let cost = 100.0 * (1.0 - unread / read);
    println!(
        "{unread:.0} µs of processors an operation unread, {read:.0} read: where they are busy, \
         {cost:.1} %"
    );
}

/// What one storm was like.
struct Storm {
    /// Operations a second.
    rate: f64,
    /// Steps of an operation.
    steps: f64,
    /// Microseconds that processors worked for an operation: for this process,
    /// and for all that it has started.
    processor_us: f64,
}

async fn round(reading: Reading) -> Storm {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("apps/stdio/app.toml");
    let app = Arc::new(App::new(AppFile::read(&file).unwrap()));
    let inner: Arc<dyn Cluster> = Arc::from(native::start(NativeOptions::default()).await.unwrap());
    let cluster: Arc<dyn Cluster> =
        Arc::new(AppCluster::start(inner, Arc::clone(&app), CLIENTS, 1, reading).await.unwrap());
    let entry = &RegisterWorkload::ENTRY;
    let plan = Plan {
        strategy: app,
        workload: (entry.build)(),
        clients: CLIENTS,
        keys: 20,
        first_key: 0,
        skew: Skew(entry.skew.0),
        read_share: entry.reads,
        arrivals: Arrivals::Closed,
        time: TIME,
        seed: 1,
        pauses: Pauses::Off,
        schedule: Default::default(),
        settle: Duration::from_secs(1),
        deadline: Some(Duration::from_secs(5)),
        probe_every: Duration::from_millis(100),
    };
    let recorder = Arc::new(Recorder::new(cluster.clock()));
    let before = worked();
    let outcome =
        storm(Arc::clone(&cluster), plan, Arc::clone(&recorder), None, Stop::default(), &|_| {})
            .await
            .unwrap();
    let worked = worked() - before;
    let history = recorder.history();
    let done = || history.events.iter().filter(|event| event.kind == Kind::Ok);
    let in_storm = done()
        .filter(|event| event.time >= outcome.storm_began && event.time <= outcome.heal_began);
    let operations = in_storm.count() as f64;
    let lasted = outcome.heal_began.since(outcome.storm_began).as_secs_f64();
    assert_eq!(cluster.down().await, Vec::<String>::new());
    Storm {
        rate: operations / lasted,
        steps: history.steps.len() as f64 / operations,
        processor_us: 1e6 * worked / done().count() as f64,
    }
}

/// Seconds that processors have worked for this process and its descendants
/// that are there.
fn worked() -> f64 {
    let mut processes = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        // Behind the name, which may have brackets of its own.
        let (head, rest) = stat.rsplit_once(')').unwrap();
        let number: u32 = head.split(' ').next().unwrap().parse().unwrap();
        let fields: Vec<u64> = rest.split_whitespace().map(|f| f.parse().unwrap_or(0)).collect();
        // Its parent, and its ticks for itself and in the kernel.
        processes.push((number, u32::try_from(fields[1]).unwrap(), fields[11] + fields[12]));
    }
    let mut of = vec![std::process::id()];
    let mut at = 0;
    while at < of.len() {
        let parent = of[at];
        of.extend(processes.iter().filter(|one| one.1 == parent).map(|one| one.0));
        at += 1;
    }
    let ticks: u64 = processes.iter().filter(|one| of.contains(&one.0)).map(|one| one.2).sum();
    ticks as f64 / TICKS
}

/// Ticks of a second, as Linux counts for everybody.
const TICKS: f64 = 100.0;

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}
