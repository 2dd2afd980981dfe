//! Every race that ships with quarrel, forced on real Postgres and Redis.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc, time::Duration};

use quarrel_harness::{
    cluster::{Cluster, Control, Fencing, native},
    race::{Race, RaceError, force},
    stores::TimeLimits,
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

/// How often each race is forced at most: one that fails is given two more
/// chances, as a machine under load may hold a commit up.
const CHANCES: u64 = 3;

/// Nobody gives up on a slow machine: calls that go wrong do so by the race.
fn limits() -> TimeLimits {
    let slow = Duration::from_secs(10);
    TimeLimits { connect: slow, call: slow }
}

async fn every_race_is_met_on(cluster: &dyn Cluster) {
    let mut first_key = 1_000;
    let mut only_simulated = Vec::new();
    for (name, race) in races() {
        let mut complaints = Vec::new();
        let mut met = false;
        while !met && complaints.len() < usize::try_from(CHANCES).unwrap() {
            first_key += 1_000;
            match force(&race, &|| strategy(&race), cluster, first_key, &mut |_| {}).await {
                Ok(run) => match run.complaint() {
                    None => met = true,
                    Some(complaint) => complaints.push(complaint),
                },
                Err(RaceError::Unsupported { .. }) => {
                    only_simulated.push(name.clone());
                    met = true;
                }
                Err(error) => complaints.push(error.to_string()),
            }
        }
        assert!(met, "{name}: never as written\n{}", complaints.join("\n"));
    }
    // Everything but a failover can be done to any servers of our own.
    let promotes = cluster.supports(&Control::Promote(Fencing::Fenced)).is_ok();
    let expected: &[&str] = if promotes { &[] } else { &["failover"] };
    assert_eq!(only_simulated, expected);
}

#[tokio::test]
async fn every_race_is_met_on_native_servers() {
    let options = native::NativeOptions { limits: limits(), ..native::NativeOptions::default() };
    let cluster = native::start(options).await.unwrap();
    assert!(cluster.supports(&Control::Promote(Fencing::Fenced)).is_ok());
    every_race_is_met_on(&*cluster).await;
    assert_eq!(cluster.down().await, Vec::<String>::new());
}

#[cfg(feature = "docker")]
#[tokio::test]
async fn every_race_is_met_on_containers() {
    use quarrel_harness::cluster::docker::{DockerOptions, start};

    let proxy = Some(env!("CARGO_BIN_EXE_quarrel").into());
    let options = DockerOptions { limits: limits(), seed: 0, proxy };
    let cluster = match start(options).await {
        Ok(cluster) => cluster,
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "CI must be able to run containers: {error}");
            return eprintln!("skipped: {error}");
        }
    };
    every_race_is_met_on(&*cluster).await;
    assert_eq!(cluster.down().await, Vec::<String>::new());
}
