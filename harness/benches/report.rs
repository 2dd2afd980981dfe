//! How long a report takes to make, to open and to redraw, with as many
//! operations as a page carries, in the browser that readers use.
//!
//! Prints a line for each size, and fails beyond the bounds that the project
//! has set itself: a million operations open in 3 s and redraw in 16 ms.

#[path = "../tests/report/driver.rs"]
#[allow(dead_code, reason = "tests need more of a browser than a measurement does")]
mod driver;

use std::{borrow::Cow, collections::BTreeMap, fs, path::Path};

use quarrel_checkers::{
    Content, History, Key, Object, Op, Process, Reply, Site, Step, Time, Value, Verdict,
};
use quarrel_harness::{
    faults::Receipt,
    judge::judge_with,
    report::{View, page},
    results::{LoadedRun, RunFolder, RunSettings, SCHEMA},
};
use rand::{RngExt as _, SeedableRng as _};

const CLIENTS: u64 = 32;

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        for operations in [10_000, 100_000, 1_000_000, 1_500_000] {
            measure(operations).await;
        }
    });
}

async fn measure(operations: u64) {
    let scratch = tempfile::tempdir().expect("a folder");
    let run = run(scratch.path(), operations);
    let verdict = judge_with(&run, "linearizable".parse().expect("a guarantee"), Verdict::valid());
    let begin = tokio::time::Instant::now();
    let text = page::page(&View::new(&run, &verdict));
    let made = begin.elapsed();
    let path = scratch.path().join("report.html");
    fs::write(&path, &text).expect("room for a page");

    let browser = driver::Browser::start().await;
    browser.client.goto(&format!("file://{}", path.display())).await.expect("the page opens");
    browser.until("document.documentElement.dataset.ready").await;
    let opened = browser.ask("return Number(document.documentElement.dataset.ready)").await;
    let opened = opened.as_f64().expect("a number of milliseconds");
    let carried = browser.ask("return quarrel.state().count").await;
    let mut worst: f64 = 0.0;
    let mut line = format!(
        "{operations:>9} operations, {carried} carried: {:.1} MB, made in {:.2} s, opened in {:.2} s; redraw [ms]",
        text.len() as f64 / 1e6,
        made.as_secs_f64(),
        opened / 1e3
    );
    // Everything, and ever closer to the middle.
    for share in [1.0, 0.3, 0.1, 0.01, 0.001] {
        let script = format!(
            "const {{ end }} = quarrel.state(); \
             quarrel.look(end * (0.5 - {share} / 2), end * (0.5 + {share} / 2)); \
             const took = []; for (let n = 0; n < 21; n++) took.push(quarrel.redraw()); \
             return took.sort((a, b) => a - b)[10]"
        );
        let took = browser.ask(&script).await.as_f64().expect("a number of milliseconds");
        worst = worst.max(took);
        line += &format!(" {took:.1}");
    }
    println!("{line}");
    browser.press("n").await;
    browser.until("quarrel.state().anomaly === 0").await;
    browser.keep(&format!("report-{operations}")).await;
    browser.end().await;
    assert!(opened < 3000.0 && worst < 16.0, "{operations} operations: {opened} ms, {worst} ms");
}

/// A storm while it is drawn.
struct Storm {
    random: rand_chacha::ChaCha8Rng,
    history: History,
    versions: [u64; 64],
    /// When each client is free again.
    free: [u64; CLIENTS as usize],
    /// Operations that go on: when they end, whose they are, and how.
    open: BTreeMap<(u64, u64), (Op, Vec<Step>)>,
}

/// A run like those of a storm: some reads miss and are filled from a replica
/// that lags now and then.
fn run(folder: &Path, operations: u64) -> LoadedRun {
    let mut storm = Storm {
        random: rand_chacha::ChaCha8Rng::seed_from_u64(1),
        history: History::default(),
        versions: [0; 64],
        free: [0; CLIENTS as usize],
        open: BTreeMap::new(),
    };
    let mut now = 0;
    for number in 0..operations {
        now += storm.random.random_range(5_000..15_000);
        let client = (0..CLIENTS).min_by_key(|client| storm.free[*client as usize]);
        now = storm.begin(number, client.expect("there are clients"), now);
    }
    storm.finish(u64::MAX);
    loaded(folder, storm.history, now)
}

impl Storm {
    /// Ends what ends by a time.
    fn finish(&mut self, by: u64) {
        while let Some(first) = self.open.first_entry().filter(|first| first.key().0 <= by) {
            let ((at, client), (op, steps)) = first.remove_entry();
            self.history.ok(Time(at), Process::Client(client), op);
            self.history.steps.extend(steps);
        }
    }

    /// Begins an operation as soon as its client can; when that was.
    fn begin(&mut self, number: u64, client: u64, now: u64) -> u64 {
        let start = now.max(self.free[client as usize]);
        self.finish(start);
        // Every key is written before it is read.
        let is_load = number < 64;
        let key = if is_load { number } else { self.random.random_range(0..64u64) };
        let took = self.random.random_range(80_000..400_000);
        let is_write = is_load || self.random.random_range(0..10) < 2;
        let newest = &mut self.versions[key as usize];
        *newest += u64::from(is_write);
        let lags = number % 4096 < 1024 && *newest > 2;
        let version = if is_write || !lags { *newest } else { *newest - 1 };
        let asked = if is_write { Op::write(key, version as i64) } else { Op::read(key) };
        let answered = asked.clone().returning(version as i64).at_version(version);
        let invoke = self.history.invoke(Time(start), Process::Client(client), asked);
        let step = |site, verb: &'static str, from: u64, to: u64, reply| Step {
            operation: Some(invoke),
            process: Process::Client(client),
            start: Time(start + from),
            end: Some(Time(start + to)),
            site,
            verb: Cow::Borrowed(verb),
            object: Some(Object::of(Key(key))),
            argument: None,
            reply,
            lsn: None,
        };
        let found = Reply::Found(Content::Row { value: Value::Int(version as i64), version });
        let (half, last) = (took / 2, took - 1_000);
        let steps = if is_write {
            let done = Reply::Done { version: Some(version) };
            vec![
                step(Site::Primary, "UPDATE", 1_000, half, done),
                step(Site::Cache, "DEL", half, last, Reply::Done { version: None }),
            ]
        } else if number.is_multiple_of(3) {
            vec![
                step(Site::Cache, "GET", 1_000, half, Reply::Miss),
                step(Site::Replica, "SELECT", half, last, found),
            ]
        } else {
            vec![step(Site::Cache, "GET", 1_000, last, found)]
        };
        self.open.insert((start + took, client), (answered, steps));
        self.free[client as usize] = start + took + 1;
        start
    }
}

fn loaded(folder: &Path, history: History, end: u64) -> LoadedRun {
    let settings = RunSettings {
        schema: SCHEMA,
        began: "2026-03-01T08:00:00Z".to_owned(),
        strategy: "cache-aside".to_owned(),
        source: String::new(),
        app: None,
        invalidation: None,
        cluster: "sim".to_owned(),
        expect: "linearizable".to_owned(),
        seed: 1,
        workload: "register".to_owned(),
        clients: CLIENTS,
        keys: 64,
        skew: 0.0,
        reads: 0.8,
        arrivals: "closed".to_owned(),
        rate: None,
        time_ms: end / 1_000_000,
        settle_ms: 0,
        timeout_ms: 0,
        faults: Vec::new(),
        options: BTreeMap::new(),
        given: Some(BTreeMap::new()),
        pauses: "on".to_owned(),
        schedule: String::new(),
    };
    let receipts = (0..4)
        .map(|n| Receipt {
            fault: "replica-lag=200ms".to_owned(),
            injected: Time(end / 4 * n),
            observed: Some(Time(end / 4 * n + end / 100)),
            evidence: None,
            healed: Some(Time(end / 4 * n + end / 10)),
            recovered: None,
            errors: Vec::new(),
        })
        .collect();
    LoadedRun {
        folder: RunFolder {
            path: folder.to_owned(),
            name: "bench".to_owned(),
            id: "bench".to_owned(),
        },
        settings,
        history: history.into(),
        truncated: false,
        receipts,
        probes: Vec::new(),
        failure: None,
    }
}
