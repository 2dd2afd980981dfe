//! The simulator against real Postgres and Redis: the same calls, the same
//! answers.

use proptest::{
    strategy::{Strategy as _, ValueTree as _},
    test_runner::{Config, RngSeed, TestRunner},
};
use quarrel_harness::{
    cluster::{Cluster, native},
    sim::{
        SimCluster,
        conformance::{Act, compare, facts, scripts},
    },
};

/// How many scripts are compared, and of how many acts at most.
const SCRIPTS: u64 = 60;
const ACTS: usize = 25;

async fn tells_the_truth_about(cluster: &dyn Cluster) {
    for fact in facts(500_000) {
        if let Err(mismatch) = compare(cluster, &fact.script).await {
            panic!("{}: {mismatch}\n{:#?}", fact.name, fact.script);
        }
    }
    let config = Config { rng_seed: RngSeed::Fixed(1), ..Config::default() };
    let mut runner = TestRunner::new(config);
    for number in 0..SCRIPTS {
        let first_key = 1_000_000 + number * 10;
        let all = quarrel_workloads::strategies::scripts::ALL.to_vec();
        let script: Vec<Act> = scripts(first_key, ACTS, all)
            .new_tree(&mut runner)
            .expect("scripts can always be drawn")
            .current();
        if let Err(mismatch) = compare(cluster, &script).await {
            panic!("script {number}: {mismatch}\n{script:#?}");
        }
    }
}

#[tokio::test]
async fn the_simulator_tells_the_truth_about_native_servers() {
    let cluster = native::start(native::NativeOptions::default()).await.unwrap();
    tells_the_truth_about(&*cluster).await;
    assert_eq!(cluster.down().await, Vec::<String>::new());
}

#[cfg(feature = "docker")]
#[tokio::test]
async fn the_simulator_tells_the_truth_about_containers() {
    use quarrel_harness::cluster::docker::{DockerOptions, start};

    let proxy = Some(env!("CARGO_BIN_EXE_quarrel").into());
    let cluster = match start(DockerOptions { proxy, ..DockerOptions::default() }).await {
        Ok(cluster) => cluster,
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "CI must be able to run containers: {error}");
            return eprintln!("skipped: {error}");
        }
    };
    tells_the_truth_about(&*cluster).await;
    assert_eq!(cluster.down().await, Vec::<String>::new());
}

#[test]
fn the_simulated_cluster_agrees_with_its_own_world() {
    let cluster = SimCluster::new(1);
    cluster.run(tells_the_truth_about(&cluster)).unwrap();
}
