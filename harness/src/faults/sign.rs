use std::time::Duration;

use quarrel_checkers::{Certainty, Content, Key, Lsn, Value};

use crate::{
    cluster::{Cluster, Link},
    record::Clock,
    stores::{Backend, Durability, Item, Request, Response, StoreError},
};

/// The row and the cache entry that probes of faults write. No workload uses
/// this key.
pub const HEARTBEAT: Key = Key(u64::MAX);

/// How one sees that a fault took hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// A row written now is not on the replica this much later (a paused
    /// replay shows the same after any time).
    ReplicaBehind {
        /// By how much.
        by: Duration,
    },
    /// A call over the link takes at least this long.
    Slow {
        /// Which.
        link: Link,
        /// By how much.
        by: Duration,
    },
    /// No connection can be made over the link.
    Unreachable(Link),
    /// A connection can be made, but nothing answers.
    Silent(Link),
    /// A write to the cache gets no answer, yet a probe beside the link finds
    /// it done.
    RepliesLost,
}

/// Watches until the sign shows; the evidence, in words. Never returns without
/// it, so the caller bounds it by the fault's own time.
pub async fn observe(sign: Sign, cluster: &dyn Cluster, clock: &Clock) -> String {
    let mut round = 0;
    loop {
        round += 1;
        if let Some(evidence) = look(sign, cluster, clock, round).await {
            return evidence;
        }
        pause(&mut cluster.probe(), Duration::from_millis(5)).await;
    }
}

async fn look(sign: Sign, cluster: &dyn Cluster, clock: &Clock, round: u64) -> Option<String> {
    match sign {
        Sign::ReplicaBehind { by } => {
            let mut probe = cluster.probe();
            let lsn = heartbeat(&mut probe, round).await.ok()?;
            // A little less than the fault promises: the row was written
            // before its acknowledgement came back.
            let wait = by.mul_f64(0.8);
            pause(&mut probe, wait).await;
            let replayed = replayed(&mut probe).await.ok()?;
            (replayed < lsn).then(|| {
                format!("the primary had written up to {lsn}, the replica had replayed {replayed} {wait:?} later")
            })
        }
        Sign::Slow { link, by } => {
            let mut client = cluster.client();
            // The first call makes the connection.
            client.call(&question(link)).await.ok()?;
            let start = clock.now();
            client.call(&question(link)).await.ok()?;
            let took = clock.now().since(start);
            (took >= by.mul_f64(0.9)).then(|| format!("a call over {link} took {took:.1?}"))
        }
        Sign::Unreachable(link) => {
            let error = cluster.client().call(&question(link)).await.err()?;
            (error.certainty == Certainty::Definite)
                .then(|| format!("a new client could not connect over {link}: {}", error.message))
        }
        Sign::Silent(link) => {
            let error = cluster.client().call(&question(link)).await.err()?;
            Some(format!("a call over {link} got no answer: {}", error.message))
        }
        Sign::RepliesLost => {
            let content = Content::Number(round);
            let set = Request::CacheSet {
                item: Item::entry(HEARTBEAT),
                content: content.clone(),
                ttl: None,
            };
            // The connection is made by asking; its set-up may be what is lost.
            let error = cluster.client().call(&set).await.err()?;
            let get = Request::CacheGet(Item::entry(HEARTBEAT));
            let held = cluster.probe().call(&get).await.ok()?;
            match (error.certainty, held) {
                (Certainty::Indefinite, Response::Content(Some(held))) if held == content => {
                    Some(format!("SET ran, its answer did not come: {}", error.message))
                }
                _ => Some(format!("a new client got no answer: {}", error.message)),
            }
        }
    }
}

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
/// When one of them does not answer.
pub async fn caught_up(cluster: &dyn Cluster) -> Result<Lsn, StoreError> {
    let mut probe = cluster.probe();
    let written = written(&mut probe).await?;
    while replayed(&mut probe).await? < written {
        pause(&mut probe, Duration::from_millis(2)).await;
    }
    Ok(written)
}

/// Writes the heartbeat row; where the log ends after its commit.
async fn heartbeat(probe: &mut Backend, number: u64) -> Result<Lsn, StoreError> {
    let value = Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
    let durability = Durability::Local;
    probe.call(&Request::PrimaryWrite { key: HEARTBEAT, value, durability }).await?;
    written(probe).await
}

async fn written(probe: &mut Backend) -> Result<Lsn, StoreError> {
    probe.call(&Request::PrimaryLsn).await.map(position)
}

async fn replayed(probe: &mut Backend) -> Result<Lsn, StoreError> {
    probe.call(&Request::ReplicaLsn).await.map(position)
}

fn position(response: Response) -> Lsn {
    match response {
        Response::Lsn(lsn) => lsn,
        other => unreachable!("{other:?} does not answer a question for a log position"),
    }
}

const fn question(link: Link) -> Request {
    match link {
        Link::ClientPrimary => Request::PrimaryRead(HEARTBEAT),
        Link::ClientReplica | Link::ReplicaPrimary => Request::ReplicaRead(HEARTBEAT),
        Link::ClientCache => Request::CacheGet(Item::entry(HEARTBEAT)),
    }
}

async fn pause(backend: &mut Backend, duration: Duration) {
    // Sleeping never fails; in the simulator it is the simulator's sleep.
    drop(backend.call(&Request::Sleep(duration)).await);
}
