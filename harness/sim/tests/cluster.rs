//! Storms on the simulated cluster: one seed, one history.

use std::{sync::Arc, time::Duration};

use quarrel_checkers::{F, History, Kind, Time};

use quarrel_run::{
    faults::{Fault, Receipt, Schedule},
    runner::{Arrivals, Pauses, Plan, Skew, StormOutcome, storm},
};
use quarrel_sim::{SimCluster, subjects};
use quarrel_strategy::{
    cluster::Cluster,
    record::{Recorder, Stop},
};

fn plan(seed: u64, faults: &[&str], time: Duration) -> Plan {
    let faults: Vec<_> = faults.iter().map(|text| Fault::parse(text).unwrap()).collect();
    Plan {
        strategy: subjects::cache_aside(),
        workload: Arc::new(quarrel_strategy::strategy::RegisterWorkload),
        clients: 4,
        keys: 5,
        first_key: 0,
        skew: Skew(0.0),
        read_share: 0.8,
        arrivals: Arrivals::Paced(1_000.0),
        time,
        seed,
        pauses: Pauses::default(),
        schedule: Schedule::periodic(&faults, time, seed),
        settle: Duration::from_secs(1),
        deadline: None,
        probe_every: Duration::from_millis(10),
    }
}

fn stormed(seed: u64, faults: &[&str]) -> (History, StormOutcome) {
    stormed_for(seed, faults, Duration::from_secs(4))
}

fn stormed_for(seed: u64, faults: &[&str], time: Duration) -> (History, StormOutcome) {
    let cluster = SimCluster::new(seed);
    let recorder = Arc::new(Recorder::new(cluster.clock()));
    let (plan, stop) = (plan(seed, faults, time), Stop::default());
    let shared: Arc<dyn Cluster> = Arc::new(cluster.clone());
    let outcome = cluster
        .run(storm(shared, plan, Arc::clone(&recorder), None, stop, &|_| {}))
        .expect("a storm waits for nothing but its cluster")
        .expect("the simulator carries every fault");
    (recorder.history(), outcome)
}

fn bytes(history: &History) -> String {
    let events = history.events.iter().map(|event| serde_json::to_string(event).unwrap());
    let steps = history.steps.iter().map(|step| serde_json::to_string(step).unwrap());
    events.chain(steps).collect::<Vec<_>>().join("\n")
}

const FAULTS: [&str; 3] = ["replica-lag", "redis-cut", "redis-latency"];

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let (one, outcome) = stormed(7, &FAULTS);
    let (two, again) = stormed(7, &FAULTS);
    assert!(bytes(&one) == bytes(&two), "two runs of one seed differ");
    assert_eq!(outcome.probes, again.probes);
    assert_eq!(outcome.receipts, again.receipts);
    let (other, _) = stormed(8, &FAULTS);
    assert!(bytes(&one) != bytes(&other), "the seed decides nothing");
}

/// Prints what [`another_process_gives_the_same_bytes`] compares; run alone it
/// checks that there is something to compare.
#[test]
fn the_bytes_of_a_seed() {
    use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
    let bytes = bytes(&stormed(9, &FAULTS).0);
    assert!(bytes.len() > 100_000);
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(&bytes);
    println!("bytes of seed 9: {hash:016x}");
}

#[test]
fn another_process_gives_the_same_bytes() {
    let run = || {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "the_bytes_of_a_seed", "--nocapture"])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let line = text.lines().find(|line| line.contains("bytes of seed 9"));
        line.expect("the test prints its hash").to_owned()
    };
    assert_eq!(run(), run());
}

#[test]
fn a_calm_storm_completes_every_operation() {
    let (history, outcome) = stormed(1, &[]);
    assert!(history.events.len() > 5_000, "{}", history.events.len());
    assert!(history.events.iter().all(|event| matches!(event.kind, Kind::Invoke | Kind::Ok)));
    assert!(outcome.receipts.is_empty() && !outcome.probes.is_empty());
    // Its phases follow each other: no write after the heal began, and the last
    // reads after that.
    let last = |f: F| history.events.iter().filter(|e| e.op.f == f).map(|e| e.time).max().unwrap();
    assert!(Time::ZERO < outcome.storm_began && outcome.storm_began < last(F::Write));
    assert!(last(F::Write) <= outcome.heal_began && outcome.heal_began <= outcome.final_began);
    assert!(outcome.final_began < last(F::Read));
}

#[test]
fn every_builtin_fault_is_observed_and_healed() {
    for entry in quarrel_run::faults::builtin().filter(|entry| entry.is_in_storms()) {
        let fault = Fault::parse(entry.name()).unwrap();
        let cluster = SimCluster::new(3);
        for control in fault.inject().iter().chain(&fault.heal()) {
            assert_eq!(cluster.supports(control), Ok(()), "{}", entry.name());
        }
        // Nobody gives up where every call takes a fraction of a millisecond.
        let faults = match entry.name() {
            "client-give-up" => vec![entry.name(), "redis-latency"],
            name => vec![name],
        };
        let (_, outcome) = stormed_for(3, &faults, Duration::from_secs(10));
        let of_fault = |receipt: &&Receipt| receipt.fault.starts_with(entry.name());
        let mut own = outcome.receipts.iter().filter(of_fault);
        assert!(own.any(|receipt| receipt.observed.is_some()), "{}", entry.name());
        for receipt in &outcome.receipts {
            // The latency comes and goes in its own time.
            let alone = receipt.fault.starts_with("client-give-up");
            assert!(alone || receipt.observed.is_some(), "{receipt:?}");
            assert!(receipt.healed.is_some() && receipt.errors.is_empty(), "{receipt:?}");
        }
    }
}
