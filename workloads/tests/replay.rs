//! Every race that ships with quarrel, forced on real Postgres and Redis.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use quarrel_harness::{
    cluster::{Cluster, native},
    race::{Race, RunError, force},
    strategy::{AnyStrategy, Options},
};

fn strategy(race: &Race) -> Arc<dyn AnyStrategy> {
    let catalogue = quarrel_workloads::catalogue();
    let entry = catalogue.strategy(&race.strategy).unwrap();
    let given: BTreeMap<_, _> = race.options.iter().cloned().collect();
    (entry.build)(&Options::resolve(entry.name, entry.options, &given).unwrap()).unwrap()
}

fn races() -> Vec<(String, Race)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("races");
    let mut races: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "race"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(path).unwrap().parse().unwrap())
        })
        .collect();
    races.sort_by(|(a, _), (b, _)| a.cmp(b));
    races
}

/// How often each race is forced.
const TIMES: u64 = 3;
/// How often it must be met.
const HITS: u64 = 2;

async fn every_race_is_met_on(cluster: &dyn Cluster) {
    let mut first_key = 1_000;
    let mut only_simulated = Vec::new();
    for (name, race) in races() {
        let mut hits = 0;
        let mut complaints = Vec::new();
        for _ in 0..TIMES {
            first_key += 1_000;
            match force(&race, &|| strategy(&race), cluster, first_key, &mut |_| {}).await {
                Ok(run) => match run.complaint() {
                    None => hits += 1,
                    Some(complaint) => complaints.push(complaint),
                },
                Err(RunError::Unsupported { .. }) => {
                    only_simulated.push(name.clone());
                    break;
                }
                Err(error) => complaints.push(error.to_string()),
            }
        }
        let simulated = only_simulated.last() == Some(&name);
        assert!(simulated || hits >= HITS, "{name}: {hits}/{TIMES}\n{}", complaints.join("\n"));
    }
    assert_eq!(only_simulated, ["failover", "remote-apply-inversion"]);
}

#[tokio::test]
async fn every_race_is_met_on_native_servers() {
    let cluster = native::start(native::NativeOptions::default()).await.unwrap();
    every_race_is_met_on(&*cluster).await;
    assert_eq!(cluster.down().await, Vec::<String>::new());
}
