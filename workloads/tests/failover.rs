//! A failover loses what the replica had not received,
//! and gives versions out twice; the old primary comes back as a replica.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use quarrel_checkers::{
    Guarantee, History, HistoryRef, JudgeOptions, Key, Validity, Value, judge_stale,
};
use quarrel_harness::{
    cluster::{Cluster, Control, Fencing, Link, docker, native},
    faults::{Fault, caught_up, recovered},
    run::Run,
    sim::SimCluster,
    stores::{Durability, Request, Response, Row},
    strategy::{OptionSpec, Options},
};
use quarrel_workloads::strategies::{WriteThrough, aside::Aside};

const KEY: Key = Key(7);

async fn write(cluster: &dyn Cluster, value: i64) -> u64 {
    let (value, durability) = (Value::Int(value), Durability::Local);
    let write = Request::PrimaryWrite { key: KEY, value, durability };
    match cluster.client().call(&write).await {
        Ok(Response::Written { version, .. }) => version,
        other => panic!("{other:?}"),
    }
}

async fn read(cluster: &dyn Cluster, request: &Request) -> Option<Row> {
    match cluster.client().call(request).await {
        Ok(Response::Row { row, .. }) => row,
        other => panic!("{other:?}"),
    }
}

async fn primary(cluster: &dyn Cluster) -> Option<Row> {
    read(cluster, &Request::PrimaryRead(KEY)).await
}

async fn replica(cluster: &dyn Cluster) -> Option<Row> {
    read(cluster, &Request::ReplicaRead(KEY)).await
}

async fn apply(cluster: &dyn Cluster, control: Control) {
    if let Err(error) = cluster.apply(&control).await {
        panic!("{error}");
    }
}

fn row(value: i64, version: u64) -> Option<Row> {
    Some(Row { value: Value::Int(value), version })
}

/// Cut off, promoted, back: what each store shows on the way. `old` is the row
/// before, at `version`.
async fn fail_over(cluster: &dyn Cluster, fencing: Fencing, old: i64, version: u64) -> i64 {
    caught_up(cluster).await.expect("the replica follows");
    apply(cluster, Control::Cut(Link::ReplicaPrimary)).await;
    if fencing == Fencing::Unfenced {
        apply(cluster, Control::Promote(fencing)).await;
    }
    let lost = old + 1;
    assert_eq!(write(cluster, lost).await, version + 1, "the old primary acknowledges");
    assert_eq!(primary(cluster).await, row(lost, version + 1));
    assert_eq!(replica(cluster).await, row(old, version), "which never received it");
    if fencing == Fencing::Fenced {
        apply(cluster, Control::Promote(fencing)).await;
    }
    apply(cluster, Control::Switch).await;
    assert_eq!(primary(cluster).await, row(old, version), "the acknowledged write is lost");
    let new = old + 2;
    assert_eq!(write(cluster, new).await, version + 1, "and its version is used twice");
    apply(cluster, Control::Rejoin).await;
    recovered(cluster).await;
    assert_eq!(replica(cluster).await, row(new, version + 1), "the old primary follows the new");
    new
}

async fn a_failover_loses_what_the_replica_had_not_received(cluster: &dyn Cluster) {
    assert_eq!(write(cluster, 10).await, 1);
    // Twice, so that every server plays every part.
    let value = fail_over(cluster, Fencing::Fenced, 10, 1).await;
    let value = fail_over(cluster, Fencing::Unfenced, value, 2).await;
    assert_eq!(primary(cluster).await, row(value, 3));
    assert_eq!(cluster.down().await, [] as [String; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn native_servers_fail_over() {
    let cluster = native::start(native::NativeOptions::default()).await.expect("a native cluster");
    a_failover_loses_what_the_replica_had_not_received(&*cluster).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn containers_fail_over() {
    let proxy = Some(env!("CARGO_BIN_EXE_quarrel").into());
    let options = docker::DockerOptions { proxy, ..Default::default() };
    let cluster = docker::start(options).await.expect("a docker cluster");
    a_failover_loses_what_the_replica_had_not_received(&*cluster).await;
}

/// A storm whose writers race, across two failovers: whatever values alone prove
/// of it the primary's order proves, too, and both figures are told.
#[tokio::test]
async fn what_values_prove_of_a_storm_no_version_takes_back() {
    let catalogue = quarrel_workloads::catalogue();
    let specs: &[OptionSpec] = catalogue.strategy("write-through").unwrap().options;
    let options = Options::resolve("write-through", specs, &BTreeMap::new()).unwrap();
    let aside = Aside::from_options(&options).unwrap();
    let mut told_more = false;
    for seed in 5..8 {
        let run = Run::new("write-through", WriteThrough(aside)).seed(seed);
        let run = run.fault(Fault::parse("failover").unwrap()).time(Duration::from_secs(4));
        let ran = run.on(Arc::new(SimCluster::new(seed))).await.unwrap();
        let mut history = HistoryRef::from(&ran.run.history).to_history();
        let judged = |history: &History| judge_stale(history, &[], &JudgeOptions::default(), &[]);
        let (with, stale) = judged(&history);
        for event in &mut history.events {
            (event.op.version, event.timeline) = (None, None);
        }
        let (without, by_values) = judged(&history);
        let named = |found: &[quarrel_checkers::ReadFinding]| -> BTreeSet<_> {
            found.iter().map(|found| found.invoke).collect()
        };
        let (all, some) = (named(&stale), named(&by_values));
        assert!(some.is_subset(&all), "seed {seed}: {:?}", some.difference(&all));
        let known: Vec<_> = stale.into_iter().filter(|found| found.is_stale_by_value).collect();
        assert_eq!(named(&known), some, "seed {seed}");
        for rung in &without.ladder {
            let is_contradicted = rung.validity == Validity::Invalid
                && with.validity(rung.guarantee) != Validity::Invalid;
            assert!(!is_contradicted, "seed {seed}: {rung:?}, {:?}", with.rung(rung.guarantee));
        }
        let order = with.metrics.order().unwrap();
        let expected = format!("; by values alone {} of {} stale reads", some.len(), all.len());
        if some.len() < all.len() {
            assert!(order.starts_with("by the primary's order"), "seed {seed}: {order}");
            assert!(order.contains(&expected), "seed {seed}: {order}");
        }
        assert_eq!(without.metrics.order().as_deref(), Some("by values alone"));
        assert_eq!(with.validity(Guarantee::ReadYourWrites), Validity::Invalid, "seed {seed}");
        told_more |= some.len() < all.len();
    }
    assert!(told_more, "versions never told more than values");
}
