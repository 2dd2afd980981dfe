use std::time::Duration;

use quarrel_checkers::{Certainty, Content, Key, Lsn, Value};

use super::Strike;
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
    /// A write over the link gets no answer, yet a probe beside the link finds
    /// it done. A link to the replica, where nobody writes, is just silent.
    RepliesLost(Link),
    /// The primary's log is this many bytes ahead of the replica's.
    ReplicaBehindBytes {
        /// By how many.
        by: u64,
    },
    /// A long row takes its time over the link.
    Throttled {
        /// Which.
        link: Link,
        /// The rate, in kilobytes a second.
        kb_per_s: u64,
    },
    /// A row longer than this breaks the connection.
    Limited {
        /// Which link.
        link: Link,
        /// Bytes let through.
        bytes: u64,
    },
    /// Entries that were just set are gone.
    Evictions,
    /// Clients were struck. Their own gates see it, not the cluster.
    Struck(Strike),
    /// That the cluster took it is all there is to see at once.
    Taken,
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
        Sign::RepliesLost(link) => replies_lost(link, cluster, round).await,
        Sign::ReplicaBehindBytes { by } => {
            let mut probe = cluster.probe();
            heartbeat(&mut probe, round).await.ok()?;
            let (lsn, behind) = (written(&mut probe).await.ok()?, replayed(&mut probe).await.ok()?);
            let bytes = lsn.0.saturating_sub(behind.0);
            (bytes >= by).then(|| {
                format!("the primary had written up to {lsn}, the replica was {bytes} bytes behind")
            })
        }
        Sign::Throttled { link, kb_per_s } => {
            // A tenth of a second's worth.
            let bytes = (kb_per_s * 100).clamp(200, 200_000);
            long(link, cluster, bytes).await?;
            let mut client = cluster.client();
            client.call(&small_question(link)).await.ok()?;
            let start = clock.now();
            let answer = client.call(&question(link)).await;
            let took = clock.now().since(start);
            // A stalled link never answers.
            (answer.is_err() || took >= Duration::from_millis(50))
                .then(|| format!("{bytes} bytes over {link} took {took:.1?}"))
        }
        Sign::Limited { link, bytes } => {
            long(link, cluster, bytes + 1).await?;
            let error = cluster.client().call(&question(link)).await.err()?;
            Some(format!("{bytes} bytes over {link} broke the connection: {}", error.message))
        }
        Sign::Evictions => evicted(cluster, round).await,
        Sign::Taken => Some("the cluster took it".to_owned()),
        // Whoever asks here has no clients.
        Sign::Struck(_) => None,
    }
}

/// Whether a write ran whose answer never came.
async fn replies_lost(link: Link, cluster: &dyn Cluster, round: u64) -> Option<String> {
    let value = Value::Int(i64::try_from(round).unwrap_or(i64::MAX));
    let (write, ask) = match link {
        Link::ClientPrimary => {
            let durability = Durability::Local;
            let write = Request::PrimaryWrite { key: HEARTBEAT, value: value.clone(), durability };
            (write, Request::PrimaryRead(HEARTBEAT))
        }
        Link::ClientCache => {
            let item = Item::entry(HEARTBEAT);
            let content = Content::Row { value: value.clone(), version: round };
            (Request::CacheSet { item, content, ttl: None }, Request::CacheGet(item))
        }
        Link::ClientReplica | Link::ReplicaPrimary => {
            (Request::ReplicaRead(HEARTBEAT), Request::ReplicaLsn)
        }
    };
    // The connection is made by asking; its set-up may be what is lost.
    let error = cluster.client().call(&write).await.err()?;
    let held = match cluster.probe().call(&ask).await.ok()? {
        Response::Content(Some(Content::Row { value, .. })) => Some(value),
        Response::Row { row, .. } => row.map(|row| row.value),
        _ => None,
    };
    Some(if error.certainty == Certainty::Indefinite && held == Some(value) {
        format!("{} ran over {link}, its answer did not come: {}", write.verb(), error.message)
    } else {
        format!("a new client got no answer over {link}: {}", error.message)
    })
}

/// Makes the row and the entry of the heartbeat this long, and waits until the
/// replica has it if the link leads there.
async fn long(link: Link, cluster: &dyn Cluster, bytes: u64) -> Option<()> {
    let text = "x".repeat(usize::try_from(bytes).unwrap_or(usize::MAX));
    let value = Value::from(text.as_str());
    let mut probe = cluster.probe();
    if link == Link::ClientCache {
        let content = Content::Row { value, version: 0 };
        let set = Request::CacheSet { item: Item::entry(HEARTBEAT), content, ttl: None };
        probe.call(&set).await.ok()?;
    } else {
        let durability = Durability::Local;
        let write = Request::PrimaryWrite { key: HEARTBEAT, value, durability };
        probe.call(&write).await.ok()?;
    }
    if link == Link::ClientReplica {
        caught_up(cluster).await.ok()?;
    }
    Some(())
}

/// Sets entries and looks which of them are still there.
async fn evicted(cluster: &dyn Cluster, round: u64) -> Option<String> {
    const ENTRIES: u64 = 50;
    let mut probe = cluster.probe();
    let items = (0..ENTRIES).map(|n| Item::versioned(HEARTBEAT, round * ENTRIES + n));
    let items: Vec<Item> = items.collect();
    let ttl = Some(Duration::from_secs(2));
    for item in &items {
        let content = Content::Number(round);
        // Redis may say that it is full: that is what the fault is about.
        drop(probe.call(&Request::CacheSet { item: *item, content, ttl }).await);
    }
    let mut gone = 0;
    for item in &items {
        let held = probe.call(&Request::CacheGet(*item)).await.ok()?;
        gone += u64::from(held == Response::Content(None));
    }
    (gone > 0).then(|| format!("{gone} of {ENTRIES} entries just set were gone"))
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

/// A question with a short answer, which makes the connection.
const fn small_question(link: Link) -> Request {
    match link {
        Link::ClientPrimary => Request::PrimaryLsn,
        Link::ClientReplica | Link::ReplicaPrimary => Request::ReplicaLsn,
        Link::ClientCache => Request::CacheGet(Item::named("none", HEARTBEAT)),
    }
}

async fn pause(backend: &mut Backend, duration: Duration) {
    // Sleeping never fails; in the simulator it is the simulator's sleep.
    drop(backend.call(&Request::Sleep(duration)).await);
}
