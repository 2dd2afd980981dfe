use std::time::Duration;

use quarrel_checkers::{Key, Lsn, Site, Value};
use quarrel_strategy::{
    cluster::{Cluster, Link},
    stores::{Backend, Durability, Item, Request, Response, StoreError},
};

/// The row and the cache entry that probes of faults write. No workload uses
/// this key.
pub const HEARTBEAT: Key = Key(u64::MAX);

/// Waits until everything answers over every link and the replica has replayed
/// all that the primary had written when the wait began; what was seen.
pub async fn recovered(cluster: &dyn Cluster) -> String {
    loop {
        let mut client = cluster.client();
        let answers = async {
            for link in [Link::ClientPrimary, Link::ClientReplica, Link::ClientCache] {
                client.call(&question(link)).await?;
            }
            Ok::<_, StoreError>(())
        };
        if answers.await.is_ok()
            && let Ok(lsn) = caught_up(cluster).await
        {
            return format!("every link answers, the replica has replayed {lsn}");
        }
        pause(&mut cluster.probe(), Duration::from_millis(20)).await;
    }
}

/// Waits until the replica has replayed everything that the primary has
/// written; up to where.
///
/// # Errors
///
/// When one of them does not answer, or the replica does not get there.
pub async fn caught_up(cluster: &dyn Cluster) -> Result<Lsn, StoreError> {
    caught_up_within(cluster, CATCH_UP).await
}

/// The same, within `limit`.
///
/// # Errors
///
/// As [`caught_up`].
pub async fn caught_up_within(cluster: &dyn Cluster, limit: Duration) -> Result<Lsn, StoreError> {
    let clock = cluster.clock();
    let end = clock.now() + limit;
    let mut probe = cluster.probe();
    let written = written(&mut probe).await?;
    // By the clock: a look at a slow server takes longer than the pause.
    loop {
        if replayed(&mut probe).await? >= written {
            return Ok(written);
        }
        if clock.now() >= end {
            break;
        }
        pause(&mut probe, LOOK_EVERY).await;
    }
    Err(StoreError::unknown(Site::Replica, format!("did not replay {written} within {limit:?}")))
}

/// Between two looks at how far the replica is.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// A replica that does not get there in half a minute never will.
const CATCH_UP: Duration = Duration::from_secs(30);

/// Writes the heartbeat row; where the log ends after its commit.
pub(super) async fn heartbeat(probe: &mut Backend, number: u64) -> Result<Lsn, StoreError> {
    let value = Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
    let durability = Durability::Local;
    probe.call(&Request::PrimaryWrite { key: HEARTBEAT, value, durability }).await?;
    written(probe).await
}

pub(super) async fn written(probe: &mut Backend) -> Result<Lsn, StoreError> {
    probe.call(&Request::PrimaryLsn).await.map(position)
}

pub(super) async fn replayed(probe: &mut Backend) -> Result<Lsn, StoreError> {
    probe.call(&Request::ReplicaLsn).await.map(position)
}

fn position(response: Response) -> Lsn {
    match response {
        Response::Lsn(lsn) => lsn,
        other => unreachable!("{other:?} does not answer a question for a log position"),
    }
}

pub(super) const fn question(link: Link) -> Request {
    match link {
        Link::ClientPrimary => Request::PrimaryRead(HEARTBEAT),
        Link::ClientReplica | Link::ReplicaPrimary => Request::ReplicaRead(HEARTBEAT),
        Link::ClientCache => Request::CacheGet(Item::entry(HEARTBEAT)),
    }
}

/// A question with a short answer, which makes the connection.
pub(super) const fn small_question(link: Link) -> Request {
    match link {
        Link::ClientPrimary => Request::PrimaryLsn,
        Link::ClientReplica | Link::ReplicaPrimary => Request::ReplicaLsn,
        Link::ClientCache => Request::CacheGet(Item::named("none", HEARTBEAT)),
    }
}

pub(super) async fn pause(backend: &mut Backend, duration: Duration) {
    // Sleeping never fails; in the simulator it is the simulator's sleep.
    drop(backend.call(&Request::Sleep(duration)).await);
}
