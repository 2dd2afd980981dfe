//! A failover loses what the replica had not received,
//! and gives versions out twice; the old primary comes back as a replica.

use quarrel_checkers::{Key, Value};
use quarrel_harness::{
    cluster::{Cluster, Control, Fencing, Link, docker, native},
    faults::{caught_up, recovered},
    stores::{Durability, Request, Response, Row},
};

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
