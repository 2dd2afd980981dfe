//! What the checks cost, against the goals set for them: CPU time of one
//! thread, medians, nanoseconds an operation.
//!
//! ```text
//! cargo bench -p quarrel-checkers --bench goals            # up to 10⁶ operations
//! cargo bench -p quarrel-checkers --bench goals -- large   # 10⁷ too
//! ```

use std::{fs, hint::black_box, io::BufReader, time::Instant};

use quarrel_checkers::{
    Budget, Checker, JudgeOptions,
    formats::{self, Format, ImportOptions},
    generate::{Random, Store, Workload},
    judge, models,
    register::{Interner, Records, check_json_lines},
    search::{Failures, Linearizable, Partition, Witness},
};

/// CPU time of this thread in nanoseconds, where the system tells; else of a
/// wall clock.
fn cpu_ns(start: Instant) -> u64 {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").ok();
    let told = stat.and_then(|stat| stat.split(' ').next()?.parse().ok());
    told.unwrap_or_else(|| u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX))
}

/// Histories so short that many checks are timed together.
const BATCH: u32 = 400;

/// The median over several runs.
fn median(runs: usize, mut work: impl FnMut()) -> f64 {
    let start = Instant::now();
    let mut times: Vec<u64> = (0..runs)
        .map(|_| {
            let before = cpu_ns(start);
            work();
            cpu_ns(start) - before
        })
        .collect();
    times.sort_unstable();
    times[runs / 2] as f64
}

fn report(goal: &str, what: &str, limit: f64, measured: f64, unit: &str) {
    let verdict = if measured <= limit { "reached" } else { "MISSED" };
    println!("{goal:4} {what:58} {measured:9.1} {unit:6} (goal {limit}) {verdict}");
}

fn workload(operations: u64, clients: u64, indeterminate_permille: u64, store: Store) -> Workload {
    Workload {
        operations,
        clients,
        keys: 100,
        indeterminate_permille,
        store,
        seed: 1,
        ..Workload::default()
    }
}

fn stale(operations: u64) -> Store {
    Store::OneStaleRead { from: operations * 9 / 10 }
}

fn check_ns(records: &Records, runs: usize) -> f64 {
    median(runs, || {
        black_box(records.check().expect("values are unique"));
    }) / records.len() as f64
}

fn register(operations: u64, runs: usize, limits: [f64; 2]) {
    let valid = workload(operations, 8, 0, Store::Linearizable).records();
    let ns = check_ns(&valid, runs);
    report(
        "G1",
        &format!("register check, {operations} operations, 100 keys"),
        limits[0],
        ns,
        "ns/op",
    );

    let mut random = Random::seeded(1);
    let pairs: Vec<(u32, u64)> = {
        let values: Vec<u64> = (0..operations / 2).map(|_| random.next()).collect();
        (0..operations)
            .map(|n| (n as u32 % 100, values[(n * 7 / 16) as usize % values.len()]))
            .collect()
    };
    let interning = median(runs, || {
        let mut interner = Interner::with_capacity(operations as usize / 2);
        let mut numbers = Vec::with_capacity(pairs.len());
        interner.number_all(&pairs, &mut numbers);
        black_box(numbers);
    }) / operations as f64;
    report(
        "G2",
        &format!("the same with arbitrary values, {operations}"),
        limits[1],
        ns + interning,
        "ns/op",
    );
}

fn concurrency(operations: u64, runs: usize) {
    let easy = workload(operations, 2, 0, Store::Linearizable).records();
    let hard = workload(operations, 128, 50, stale(operations)).records();
    // Paired, so that a slow moment hits both.
    let mut ratios: Vec<f64> = (0..runs).map(|_| check_ns(&hard, 3) / check_ns(&easy, 3)).collect();
    ratios.sort_by(f64::total_cmp);
    report(
        "G5",
        "128 clients, 5 % unknown, invalid / 2 clients, valid",
        1.3,
        ratios[runs / 2],
        "times",
    );
}

fn delta(operations: u64, runs: usize) {
    let valid = workload(operations, 8, 0, Store::Linearizable).records();
    let ns = median(runs, || {
        black_box(valid.delta().expect("values are unique"));
    }) / operations as f64;
    report("G6", "delta if linearizable / check", 1.1, ns / check_ns(&valid, runs), "times");
    let stale = workload(operations, 8, 0, Store::Replica { lag_ns: 100_000 }).records();
    let ns = median(runs, || {
        black_box(stale.delta().expect("values are unique"));
    }) / operations as f64;
    report("G6", "delta if stale", 120.0, ns, "ns/op");
}

fn files(operations: u64, runs: usize) {
    let history = workload(operations, 8, 0, Store::Linearizable).history();
    let mut file = Vec::new();
    formats::write(&history, Format::JsonLines, &mut file).expect("a vector takes everything");
    let streamed = median(runs, || {
        let input = BufReader::with_capacity(1 << 16, file.as_slice());
        black_box(check_json_lines(input).expect("it is suitable"));
    });
    let bytes = file.len() as f64 / operations as f64;
    let what = format!("JSON lines ({bytes:.0} B/op) to the verdict, {operations}");
    report("G3", &what, 180.0, streamed / operations as f64, "ns/op");
    let parsed = median(runs.min(3), || {
        black_box(formats::parse(&file, &ImportOptions::default()).expect("it is a history"));
    });
    println!("     {:58} {:9.1} ns/op", "JSON lines to a history", parsed / operations as f64);
    for (name, store) in
        [("valid", Store::Linearizable), ("stale", Store::Replica { lag_ns: 100_000 })]
    {
        let history = workload(operations, 8, 0, store).history();
        let judged = median(runs.min(3), || {
            black_box(judge(&history, &[], &JudgeOptions::default()));
        });
        let what = format!("the whole judgement of a {name} history");
        println!("     {what:58} {:9.1} ns/op", judged / operations as f64);
    }
}

/// Recorded histories of other projects, where they lie beside the clone.
fn corpora(runs: usize) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/histories/porcupine");
    let Ok(verdicts) = fs::read_to_string(format!("{folder}/verdicts.txt")) else {
        println!("G8   not measured: no corpus at {folder}");
        return;
    };
    let read = |name: &str| {
        let bytes = fs::read(format!("{folder}/{name}")).expect("the corpus is complete");
        formats::parse(&bytes, &ImportOptions::default()).expect("it is a history").history
    };
    let names = verdicts.lines().filter_map(|line| line.split(' ').next());
    let times: Vec<f64> = names
        .map(|name| {
            let history = read(&format!("{name}.log"));
            let checker = Linearizable::new(models::CasRegister)
                .failures(Failures::Observed)
                .witness(Witness::Omitted);
            // The clock ticks too slowly for a single one.
            let batch = median(runs, || {
                for _ in 0..BATCH {
                    black_box(checker.check(&history, Budget::default()));
                }
            });
            batch / f64::from(BATCH)
        })
        .collect();
    let total: f64 = times.iter().sum();
    let what = format!("{} etcd logs together", times.len());
    report("G8", &what, 30.0 * times.len() as f64 / 102.0, total / 1e6, "ms");
    let slowest = times.iter().copied().fold(0.0, f64::max);
    println!("     {:58} {:9.1} us", "the slowest of them", slowest / 1e3);
    let history = read("kv-c10-ok.txt");
    let whole =
        Linearizable::new(models::Map).partition(Partition::Whole).witness(Witness::Omitted);
    let time = median(runs, || {
        black_box(whole.check(&history, Budget { steps: u64::MAX }));
    });
    report("G8", "kv c10-ok, not partitioned", 290.0, time / 1e6, "ms");
}

fn main() {
    register(1_000_000, 15, [14.0, 60.0]);
    concurrency(1_000_000, 9);
    delta(1_000_000, 9);
    files(1_000_000, 5);
    corpora(5);
    if std::env::args().any(|argument| argument == "large") {
        register(10_000_000, 5, [18.0, 100.0]);
    }
}
