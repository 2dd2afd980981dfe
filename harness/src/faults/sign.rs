use std::time::Duration;

use futures::future::{Either, select};
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

/// Looks for a sign, over connections that were made before the fault.
///
/// A new connection takes several round trips: over a slow link it would take
/// longer than many a fault lasts.
pub struct Lookout {
    sign: Sign,
    client: Backend,
    probe: Backend,
    round: u64,
}

impl Lookout {
    /// Connects. What does not answer now is connected to when needed.
    pub async fn prepare(sign: Sign, cluster: &dyn Cluster) -> Self {
        let mut client = cluster.client();
        let mut probe = cluster.probe();
        match sign {
            Sign::ReplicaBehind { .. } | Sign::ReplicaBehindBytes { .. } => {
                drop(written(&mut probe).await);
                drop(replayed(&mut probe).await);
            }
            Sign::Slow { link, .. }
            | Sign::Unreachable(link)
            | Sign::Silent(link)
            | Sign::Throttled { link, .. }
            | Sign::Limited { link, .. } => drop(client.call(&question(link)).await),
            Sign::RepliesLost(link) => {
                drop(client.call(&question(link)).await);
                drop(probe.call(&question(link)).await);
            }
            Sign::Evictions => drop(probe.call(&question(Link::ClientCache)).await),
            Sign::Struck(_) | Sign::Taken => {}
        }
        Self { sign, client, probe, round: 0 }
    }

    /// Watches until the sign shows; the evidence, in words. Never returns
    /// without it, so the caller bounds it by the fault's own time.
    pub async fn observe(&mut self, cluster: &dyn Cluster, clock: &Clock) -> String {
        loop {
            self.round += 1;
            if let Some(evidence) = self.look(cluster, clock).await {
                return evidence;
            }
            pause(&mut self.probe, Duration::from_millis(5)).await;
        }
    }

    async fn look(&mut self, cluster: &dyn Cluster, clock: &Clock) -> Option<String> {
        match self.sign {
            Sign::ReplicaBehind { by } => self.replica_behind(by, clock).await,
            Sign::Slow { link, by } => {
                let start = clock.now();
                self.client.call(&question(link)).await.ok()?;
                let took = clock.now().since(start);
                (took >= by.mul_f64(0.9)).then(|| format!("a call over {link} took {took:.1?}"))
            }
            Sign::Unreachable(link) => {
                let error = cluster.client().call(&question(link)).await.err()?;
                (error.certainty == Certainty::Definite).then(|| {
                    format!("a new client could not connect over {link}: {}", error.message)
                })
            }
            Sign::Silent(link) => self.silent(link).await,
            Sign::RepliesLost(Link::ClientReplica | Link::ReplicaPrimary) => {
                self.silent(Link::ClientReplica).await
            }
            Sign::RepliesLost(link) => self.reply_lost(link).await,
            Sign::ReplicaBehindBytes { by } => self.bytes_behind(by).await,
            Sign::Throttled { link, kb_per_s } => self.throttled(link, kb_per_s, clock).await,
            Sign::Limited { link, bytes } => {
                self.lengthen(link, bytes + 1, cluster).await?;
                let error = self.client.call(&question(link)).await.err()?;
                Some(format!("{bytes} bytes over {link} broke the connection: {}", error.message))
            }
            Sign::Evictions => self.evicted().await,
            Sign::Taken => Some("the cluster took it".to_owned()),
            // Whoever asks here has no clients.
            Sign::Struck(_) => None,
        }
    }

    async fn silent(&mut self, link: Link) -> Option<String> {
        match answer(&mut self.client, &question(link), &mut self.probe).await {
            Heard::Nothing => Some(format!("a call over {link} got no answer in {PATIENCE:?}")),
            Heard::Error(error) => {
                Some(format!("a call over {link} got no answer: {}", error.message))
            }
            Heard::Answer => None,
        }
    }

    async fn replica_behind(&mut self, by: Duration, clock: &Clock) -> Option<String> {
        let lsn = heartbeat(&mut self.probe, self.round).await.ok()?;
        let start = clock.now();
        loop {
            let behind = replayed(&mut self.probe).await.ok()?;
            let waited = clock.now().since(start);
            if behind >= lsn {
                return None;
            }
            // A little less than the fault promises: the row was written
            // before its acknowledgement came back.
            if waited >= by.mul_f64(0.8) {
                return Some(format!(
                    "the primary had written up to {lsn}, the replica had replayed {behind} {waited:.0?} later"
                ));
            }
            pause(&mut self.probe, Duration::from_millis(5)).await;
        }
    }

    /// Whether a write over the link ran whose answer never came.
    async fn reply_lost(&mut self, link: Link) -> Option<String> {
        let value = Value::Int(i64::try_from(self.round).unwrap_or(i64::MAX));
        let write = match link {
            Link::ClientCache => {
                let content = Content::Row { value: value.clone(), version: self.round };
                Request::CacheSet { item: Item::entry(HEARTBEAT), content, ttl: None }
            }
            _ => Request::PrimaryWrite {
                key: HEARTBEAT,
                value: value.clone(),
                durability: Durability::Local,
            },
        };
        let heard = answer(&mut self.client, &write, &mut self.probe).await;
        let held = match self.probe.call(&question(link)).await.ok()? {
            Response::Content(Some(Content::Row { value, .. })) => Some(value),
            Response::Row { row, .. } => row.map(|row| row.value),
            _ => None,
        };
        if held != Some(value) {
            return None;
        }
        let verb = write.verb();
        match heard {
            Heard::Nothing => Some(format!("{verb} ran, its answer did not come in {PATIENCE:?}")),
            Heard::Error(error) if error.certainty == Certainty::Indefinite => {
                Some(format!("{verb} ran, its answer did not come: {}", error.message))
            }
            Heard::Error(_) | Heard::Answer => None,
        }
    }

    async fn bytes_behind(&mut self, by: u64) -> Option<String> {
        heartbeat(&mut self.probe, self.round).await.ok()?;
        let lsn = written(&mut self.probe).await.ok()?;
        let behind = replayed(&mut self.probe).await.ok()?;
        let bytes = lsn.0.saturating_sub(behind.0);
        (bytes >= by).then(|| {
            format!("the primary had written up to {lsn}, the replica was {bytes} bytes behind")
        })
    }

    async fn throttled(&mut self, link: Link, kb_per_s: u64, clock: &Clock) -> Option<String> {
        // A tenth of a second's worth.
        let bytes = (kb_per_s * 100).clamp(200, 200_000);
        self.lengthen_beside(link, bytes).await?;
        let start = clock.now();
        let answer = self.client.call(&question(link)).await;
        let took = clock.now().since(start);
        // A stalled link never answers.
        (answer.is_err() || took >= Duration::from_millis(50))
            .then(|| format!("{bytes} bytes over {link} took {took:.1?}"))
    }

    /// Makes the heartbeat this long, for a client that connects anew.
    async fn lengthen(&mut self, link: Link, bytes: u64, cluster: &dyn Cluster) -> Option<()> {
        self.client = cluster.client();
        self.lengthen_beside(link, bytes).await
    }

    /// Makes the row or the entry of the heartbeat this long, beside the link,
    /// and waits until the replica has it if the link leads there.
    async fn lengthen_beside(&mut self, link: Link, bytes: u64) -> Option<()> {
        let text = "x".repeat(usize::try_from(bytes).unwrap_or(usize::MAX));
        let value = Value::from(text.as_str());
        if link == Link::ClientCache {
            let content = Content::Row { value, version: 0 };
            let set = Request::CacheSet { item: Item::entry(HEARTBEAT), content, ttl: None };
            self.probe.call(&set).await.ok()?;
            return Some(());
        }
        let durability = Durability::Local;
        let write = Request::PrimaryWrite { key: HEARTBEAT, value, durability };
        self.probe.call(&write).await.ok()?;
        let lsn = written(&mut self.probe).await.ok()?;
        while link == Link::ClientReplica && replayed(&mut self.probe).await.ok()? < lsn {
            pause(&mut self.probe, Duration::from_millis(2)).await;
        }
        Some(())
    }

    /// Sets entries and looks which of them are still there.
    async fn evicted(&mut self) -> Option<String> {
        const ENTRIES: u64 = 50;
        let first = self.round * ENTRIES;
        let items = (first..first + ENTRIES).map(|n| Item::versioned(HEARTBEAT, n));
        let items: Vec<Item> = items.collect();
        let ttl = Some(Duration::from_secs(2));
        for item in &items {
            let content = Content::Number(self.round);
            // Redis may say that it is full: that is what the fault is about.
            drop(self.probe.call(&Request::CacheSet { item: *item, content, ttl }).await);
        }
        let mut gone = 0;
        for item in &items {
            let held = self.probe.call(&Request::CacheGet(*item)).await.ok()?;
            gone += u64::from(held == Response::Content(None));
        }
        (gone > 0).then(|| format!("{gone} of {ENTRIES} entries just set were gone"))
    }
}

/// Silence of this length is a sign: a healthy call takes a few milliseconds,
/// and clients may wait longer than a fault lasts.
const PATIENCE: Duration = Duration::from_millis(400);

/// What came of a call.
enum Heard {
    Answer,
    Error(StoreError),
    Nothing,
}

/// Makes a call and waits for its answer no longer than [`PATIENCE`].
async fn answer(client: &mut Backend, request: &Request, sleeper: &mut Backend) -> Heard {
    let call = std::pin::pin!(client.call(request));
    let wait = std::pin::pin!(pause(sleeper, PATIENCE));
    match select(call, wait).await {
        Either::Left((Ok(_), _)) => Heard::Answer,
        Either::Left((Err(error), _)) => Heard::Error(error),
        Either::Right(_) => Heard::Nothing,
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
