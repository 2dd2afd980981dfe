use std::time::Duration;

use futures::future::{Either, select};
use quarrel_checkers::{Certainty, Content, Value};
use quarrel_strategy::{
    cluster::{Cluster, Link},
    record::Clock,
    stores::{Backend, Durability, Item, Request, Response, StoreError},
};

use super::{
    HEARTBEAT, Look, Sign, caught_up,
    sign::{heartbeat, pause, question, replayed, small_question, written},
};

/// Looks for a sign, over connections that were made before the fault.
///
/// A new connection takes several round trips: over a slow link it would take
/// longer than many a fault lasts.
pub struct Lookout {
    sign: Sign,
    client: Backend,
    probe: Backend,
    round: u64,
    before: Before,
}

/// What was so before the fault, and is to be different after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    /// Nothing was looked at, or it did not answer.
    Unknown,
    /// The cache held the mark.
    Marked,
    /// The primary's timeline.
    Timeline(u64),
}

/// The entry by which a cache that forgets is told from one that does not.
const MARK: Item = Item::named("mark", HEARTBEAT);

/// What the mark holds when a fault begins, and what later.
const OLD: u64 = 1;
const NEW: u64 = 2;

/// Silence of this length is a sign: a healthy call takes a few milliseconds,
/// and clients may wait longer than a fault lasts.
const PATIENCE: Duration = Duration::from_millis(250);

impl Lookout {
    /// Connects. What does not answer now is connected to when needed.
    pub async fn prepare(sign: Sign, cluster: &dyn Cluster) -> Self {
        let mut client = cluster.client();
        let mut probe = cluster.probe();
        let mut before = Before::Unknown;
        match sign {
            Sign::ReplicaBehind { .. } | Sign::ReplicaBehindBytes { .. } | Sign::Unconfirmed => {
                drop(written(&mut probe).await);
                drop(replayed(&mut probe).await);
            }
            Sign::Slow { link, .. }
            | Sign::Unreachable(link)
            | Sign::Silent(link)
            | Sign::Throttled { link, .. }
            | Sign::Limited { link, .. }
            | Sign::RepliesLost(link) => {
                drop(client.call(&small_question(link)).await);
                drop(probe.call(&small_question(link)).await);
            }
            Sign::Wiped | Sign::RolledBack => {
                if mark(&mut probe, OLD).await.is_ok() {
                    before = Before::Marked;
                }
            }
            Sign::Promoted => {
                before = cluster.timeline().await.map_or(Before::Unknown, Before::Timeline);
            }
            Sign::Evictions | Sign::Struck(_) | Sign::ClosesLate { .. } | Sign::Own(_) => {}
        }
        Self { sign, client, probe, round: 0, before }
    }

    /// Watches until the sign shows; the evidence, in words. Never returns
    /// without it, so the caller bounds it by the fault's own time; only for a
    /// fault that shows when it ends it returns none, at once.
    pub async fn observe(&mut self, cluster: &dyn Cluster, clock: &Clock) -> Option<String> {
        if matches!(self.sign, Sign::RolledBack) {
            // The snapshot is taken: from here on it is the past.
            if mark(&mut self.probe, NEW).await.is_err() {
                self.before = Before::Unknown;
            }
            return None;
        }
        loop {
            self.round += 1;
            if let Some(evidence) = self.look(cluster, clock).await {
                return Some(evidence);
            }
            pause(&mut self.probe, Duration::from_millis(5)).await;
        }
    }

    /// Looks once more when the fault has been taken away: evidence that only
    /// its end brings, if it is of that kind.
    ///
    /// # Errors
    ///
    /// When the end shows that it did nothing, or that it goes on.
    pub async fn ended(&mut self, cluster: &dyn Cluster) -> Result<Option<String>, String> {
        match self.sign {
            Sign::RolledBack if self.before == Before::Marked => {
                match self.mark_after_restart(cluster).await {
                    Response::Content(Some(Content::Number(OLD))) => Ok(Some(format!(
                        "an entry that was {NEW} when the cache died was {OLD} when it was back"
                    ))),
                    other => Err(format!("no old entry came back: {other:?}")),
                }
            }
            Sign::Unconfirmed => {
                // The commits that waited hold their row until they are
                // confirmed; another fault must not meet them.
                while heartbeat(&mut self.probe, self.round).await.is_err() {
                    pause(&mut self.probe, Duration::from_millis(5)).await;
                }
                Ok(None)
            }
            Sign::ClosesLate { link, by } => match cluster.close_lag(link).await {
                Ok(lag) if lag >= by.mul_f64(0.9) => {
                    Err(format!("the end of a connection still came {lag:.0?} late"))
                }
                Ok(_) => Ok(None),
                Err(why) => Err(why),
            },
            _ => Ok(None),
        }
    }

    /// What the mark holds in a cache that has just been started: the probe's
    /// connection died with it. The caller bounds the wait.
    async fn mark_after_restart(&mut self, cluster: &dyn Cluster) -> Response {
        loop {
            if let Ok(held) = self.probe.call(&Request::CacheGet(MARK)).await {
                return held;
            }
            self.probe = cluster.probe();
            pause(&mut self.probe, Duration::from_millis(5)).await;
        }
    }

    async fn look(&mut self, cluster: &dyn Cluster, clock: &Clock) -> Option<String> {
        match self.sign {
            Sign::ReplicaBehind { by } => self.replica_behind(by, clock).await,
            Sign::Slow { link, by } => {
                let start = clock.now();
                self.client.call(&small_question(link)).await.ok()?;
                let took = clock.now().since(start);
                (took >= by.mul_f64(0.9)).then(|| format!("a call over {link} took {took:.1?}"))
            }
            Sign::Unreachable(link) => {
                let error = cluster.client().call(&question(link)).await.err()?;
                (error.certainty == Certainty::Definite).then(|| {
                    format!("a new client could not connect over {link}: {}", error.message)
                })
            }
            Sign::Silent(link) => match self.ask(&small_question(link)).await {
                Heard::Nothing => Some(format!("a call over {link} got no answer in {PATIENCE:?}")),
                Heard::Error(error) => {
                    Some(format!("a call over {link} got no answer: {}", error.message))
                }
                Heard::Answer => None,
            },
            Sign::RepliesLost(link) => self.reply_lost(link).await,
            Sign::Unconfirmed => self.unconfirmed(cluster).await,
            Sign::ReplicaBehindBytes { by } => self.bytes_behind(by).await,
            Sign::Throttled { link, kb_per_s } => {
                self.throttled(link, kb_per_s, cluster, clock).await
            }
            Sign::Limited { link, bytes } => {
                long(link, cluster, bytes + 1).await?;
                let error = cluster.client().call(&question(link)).await.err()?;
                Some(format!("{bytes} bytes over {link} broke the connection: {}", error.message))
            }
            Sign::Evictions => evicted(&mut self.probe, self.round).await,
            Sign::Wiped => {
                let held = self.probe.call(&Request::CacheGet(MARK)).await.ok()?;
                (self.before == Before::Marked && held == Response::Content(None))
                    .then(|| "an entry that the cache held before was gone".to_owned())
            }
            Sign::Promoted => self.promoted(cluster).await,
            Sign::ClosesLate { link, by } => {
                let lag = cluster.close_lag(link).await.ok()?;
                (lag >= by.mul_f64(0.9)).then(|| {
                    format!(
                        "the end of a connection over {link} came {lag:.0?} after the last byte"
                    )
                })
            }
            Sign::Own(Look(look)) => look(cluster).await,
            // Clients are asked elsewhere, and a rollback shows at its end.
            Sign::Struck(_) | Sign::RolledBack => None,
        }
    }

    async fn promoted(&mut self, cluster: &dyn Cluster) -> Option<String> {
        let Before::Timeline(before) = self.before else { return None };
        let now = cluster.timeline().await.ok().filter(|now| *now > before)?;
        let value = Value::Int(i64::try_from(self.round).unwrap_or(i64::MAX));
        let durability = Durability::Local;
        let write = Request::PrimaryWrite { key: HEARTBEAT, value: value.clone(), durability };
        self.client.call(&write).await.ok()?;
        // Beside the links the new primary holds what came over them.
        let held = self.probe_row(cluster).await?;
        (held == value).then(|| {
            format!(
                "the primary's timeline was {before} and is {now}, and a client's write reached it"
            )
        })
    }

    async fn probe_row(&mut self, cluster: &dyn Cluster) -> Option<Value> {
        // A new probe: the old one knows the old primary.
        let answer = cluster.probe().call(&Request::PrimaryRead(HEARTBEAT)).await.ok()?;
        match answer {
            Response::Row { row, .. } => row.map(|row| row.value),
            _ => None,
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

    /// Whether a commit waits for what the replica has done already.
    async fn unconfirmed(&mut self, cluster: &dyn Cluster) -> Option<String> {
        // Each look has a connection of its own: the last one may still wait.
        self.client = cluster.probe();
        let value = Value::Int(i64::try_from(self.round).unwrap_or(i64::MAX));
        let durability = Durability::RemoteApply;
        let write = Request::PrimaryWrite { key: HEARTBEAT, value: value.clone(), durability };
        if let Heard::Answer = self.ask(&write).await {
            return None;
        }
        let held = match self.probe.call(&Request::ReplicaRead(HEARTBEAT)).await.ok()? {
            Response::Row { row, .. } => row.map(|row| row.value),
            _ => None,
        };
        (held == Some(value)).then(|| {
            format!(
                "a commit waited longer than {PATIENCE:?} for the replica, which showed its row"
            )
        })
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

    async fn throttled(
        &mut self,
        link: Link,
        kb_per_s: u64,
        cluster: &dyn Cluster,
        clock: &Clock,
    ) -> Option<String> {
        // A tenth of a second's worth.
        let bytes = (kb_per_s * 100).clamp(200, 200_000);
        long(link, cluster, bytes).await?;
        let start = clock.now();
        let heard = self.ask(&question(link)).await;
        let took = clock.now().since(start);
        // A stalled link never answers.
        (!matches!(heard, Heard::Answer) || took >= Duration::from_millis(50))
            .then(|| format!("{bytes} bytes over {link} took {took:.1?} or more"))
    }

    /// Whether a write ran whose answer did not come.
    async fn reply_lost(&mut self, link: Link) -> Option<String> {
        let value = Value::Int(i64::try_from(self.round).unwrap_or(i64::MAX));
        let durability = Durability::Local;
        let (write, look) = match link {
            Link::ClientPrimary => (
                Request::PrimaryWrite { key: HEARTBEAT, value: value.clone(), durability },
                Request::PrimaryRead(HEARTBEAT),
            ),
            Link::ClientCache => {
                let item = Item::entry(HEARTBEAT);
                let content = Content::Row { value: value.clone(), version: self.round };
                (Request::CacheSet { item, content, ttl: None }, Request::CacheGet(item))
            }
            // Nobody writes to the replica: silence is all there is to see.
            Link::ClientReplica | Link::ReplicaPrimary => {
                return match self.ask(&small_question(link)).await {
                    Heard::Answer => None,
                    _ => Some(format!("a call over {link} got no answer in {PATIENCE:?}")),
                };
            }
        };
        let heard = self.ask(&write).await;
        let held = match self.probe.call(&look).await.ok()? {
            Response::Content(Some(Content::Row { value, .. })) => Some(value),
            Response::Row { row, .. } => row.map(|row| row.value),
            _ => None,
        };
        if held != Some(value) {
            return None;
        }
        match heard {
            Heard::Nothing => {
                Some(format!("{} ran, its answer did not come in {PATIENCE:?}", write.verb()))
            }
            Heard::Error(error) if error.certainty == Certainty::Indefinite => {
                Some(format!("{} ran, its answer did not come: {}", write.verb(), error.message))
            }
            Heard::Error(_) | Heard::Answer => None,
        }
    }

    /// Makes a call and waits for its answer no longer than [`PATIENCE`].
    async fn ask(&mut self, request: &Request) -> Heard {
        let call = std::pin::pin!(self.client.call(request));
        let wait = std::pin::pin!(pause(&mut self.probe, PATIENCE));
        match select(call, wait).await {
            Either::Left((Ok(_), _)) => Heard::Answer,
            Either::Left((Err(error), _)) => Heard::Error(error),
            Either::Right(_) => Heard::Nothing,
        }
    }
}

async fn mark(probe: &mut Backend, number: u64) -> Result<Response, StoreError> {
    let content = Content::Number(number);
    probe.call(&Request::CacheSet { item: MARK, content, ttl: None }).await
}

/// What came of a call.
enum Heard {
    Answer,
    Error(StoreError),
    Nothing,
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
async fn evicted(probe: &mut Backend, round: u64) -> Option<String> {
    const ENTRIES: u64 = 50;
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
