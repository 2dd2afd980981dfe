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
    strategy::Register,
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
        bytes.push(runtime.block_on(round(Reading::Bytes)).0);
        let (rate, steps) = runtime.block_on(round(Reading::Messages));
        assert!(steps > 0.5, "messages were read: {steps} steps an operation");
        messages.push(rate);
    }
    let (bytes, messages) = (median(bytes), median(messages));
    let cost = 100.0 * (1.0 - messages / bytes);
    println!(
        "{bytes:.0} operations a second unread, {messages:.0} read: reading costs {cost:.1} % \
         (promised: at most 15)"
    );
}

/// Operations a second of one storm, and steps for each of them.
async fn round(reading: Reading) -> (f64, f64) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("apps/stdio/app.toml");
    let app = Arc::new(App::new(AppFile::read(&file).unwrap()));
    let inner: Arc<dyn Cluster> = Arc::from(native::start(NativeOptions::default()).await.unwrap());
    let cluster: Arc<dyn Cluster> =
        Arc::new(AppCluster::start(inner, Arc::clone(&app), CLIENTS, 1, reading).await.unwrap());
    let entry = &Register::ENTRY;
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
    let outcome =
        storm(Arc::clone(&cluster), plan, Arc::clone(&recorder), None, Stop::default(), &|_| {})
            .await
            .unwrap();
    let history = recorder.history();
    let in_storm = history.events.iter().filter(|event| {
        event.kind == Kind::Ok
            && event.time >= outcome.storm_began
            && event.time <= outcome.heal_began
    });
    let operations = in_storm.count() as f64;
    let lasted = outcome.heal_began.since(outcome.storm_began).as_secs_f64();
    assert_eq!(cluster.down().await, Vec::<String>::new());
    (operations / lasted, history.steps.len() as f64 / operations)
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}
