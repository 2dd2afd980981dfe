//! Does the simulator tell the truth? The same calls are made on it and on a
//! real cluster, and every answer is compared.

mod facts;

use std::{fmt, time::Duration};

use proptest::{collection::vec, prelude::*, sample::select};
use quarrel_checkers::{Content, Key, Lsn, Site, Value};

pub use self::facts::{Fact, facts};

use super::{Reaction, Watcher, World};
use quarrel_strategy::{
    cluster::{Cluster, Control, ControlError, Link, Node},
    stores::{
        Backend, ConnectionState, Durability, Item, Request, Response, Script, ScriptCall,
        StoreError, Want,
    },
};

/// Between two looks at the replica.
const POLL: Duration = Duration::from_millis(2);
/// Looks before the replica is given up.
const MAX_POLLS: u32 = 5_000;
/// What a real expiry may differ by: the time that calls take.
const SLACK: Duration = Duration::from_secs(5);

/// The connection on which the client of a script is told of changes.
const ME: Watcher = Watcher(0);
/// A row that no script is about.
const SPARE: Key = Key(i64::MAX.unsigned_abs());

/// One act of a script.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// A call.
    Ask(Request),
    /// The replica stops replaying.
    PauseReplay,
    /// The replica replays again, and has caught up before the next act.
    ResumeReplay,
    /// A call that is executed and whose reply the client never sees.
    ReplyLost(Request),
    /// The cache saves a snapshot.
    SaveCache,
    /// The cache dies and starts again.
    CrashCache,
    /// The cache forgets everything.
    WipeCache,
    /// So much time passes that this is over.
    Outlive(Item),
}

/// The simulator and the real thing answered differently.
#[derive(Clone, Debug)]
pub struct Mismatch {
    /// Which act, counted from 0.
    pub at: usize,
    /// What it was.
    pub act: Act,
    /// What the simulator answered.
    pub simulated: String,
    /// What the real stores answered.
    pub real: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, act, simulated, real } = self;
        write!(f, "act {at}, {act:?}: simulated {simulated}, real {real}")
    }
}

/// Scripts of `acts` acts over three keys from `first_key` on. `scripts` are
/// Lua scripts to call on their entries.
#[expect(clippy::too_many_lines, reason = "a list of what can be asked")]
pub fn scripts(
    first_key: u64,
    acts: usize,
    scripts: Vec<&'static Script>,
) -> impl proptest::strategy::Strategy<Value = Vec<Act>> {
    let key = (0..3_u64).prop_map(move |key| Key(first_key + key));
    let value = value_stored();
    let item = (key.clone(), select(vec!["", "marker"]), select(vec![None, Some(1_u64)]))
        .prop_map(|(key, space, version)| Item { space, key, version });
    let content = (0..4_u8, 0..4_u64, value.clone()).prop_map(|(kind, number, value)| match kind {
        0 => Content::Marker,
        1 => Content::Tombstone(number),
        2 => Content::Number(number),
        _ => Content::Row { value, version: number },
    });
    let ttl = select(vec![None, Some(Duration::from_secs(100))]);
    let durability = Durability::Local;
    let database = prop_oneof![
        key.clone().prop_map(Request::PrimaryRead),
        key.clone().prop_map(Request::ReplicaRead),
        Just(Request::PrimaryLsn),
        Just(Request::ReplicaLsn),
        (key.clone(), value.clone()).prop_map(move |(key, value)| Request::PrimaryWrite {
            key,
            value,
            durability
        }),
        (key.clone(), value.clone(), 0..3_u64)
            .prop_map(|(key, value, expected)| Request::PrimaryWriteIf { key, value, expected }),
        (key.clone(), value.clone())
            .prop_map(|(key, value)| Request::PrimaryWriteOutbox { key, value }),
        (0..2_u64, value.clone(), value.clone()).prop_map(move |(key, one, other)| {
            let [first, second] = [key, key + 1].map(|n| Key(first_key + n));
            Request::PrimaryLoad(vec![(first, one), (second, other)])
        }),
        select(vec![Site::Primary, Site::Replica, Site::Cache]).prop_map(move |site| {
            let keys = (0..3).map(|n| Key(first_key + n)).collect();
            Request::ReadMany { site, keys }
        }),
        (0..2_u64).prop_map(move |key| Request::PrimaryReadPair(
            [key + 1, key].map(|n| Key(first_key + n))
        )),
        (0..2_u64, value.clone(), value).prop_map(move |(key, one, other)| {
            let [first, second] = [key + 1, key].map(|n| Key(first_key + n));
            Request::PrimaryWritePair([(first, one), (second, other)])
        }),
    ];
    let stored = (item.clone(), content.clone(), ttl.clone());
    let cache = prop_oneof![
        2 => item.clone().prop_map(Request::CacheGet),
        1 => item.clone().prop_map(Request::CacheDel),
        1 => item.clone().prop_map(Request::CacheTtl),
        2 => stored.clone().prop_map(|(item, content, ttl)| Request::CacheSet { item, content, ttl }),
        1 => stored.clone()
            .prop_map(|(item, content, ttl)| Request::CacheSetIfAbsent { item, content, ttl }),
    ];
    // Scripts compare versions: what they store is a row.
    let row =
        (0..4_u64, value_stored()).prop_map(|(version, value)| Content::Row { value, version });
    let scripted = (select(with_a_default(scripts)), vec(item, 3), row, 0..4_u64, ttl).prop_map(
        |(script, items, content, number, ttl)| {
            let Some(script) = script else { return Request::CacheGet(items[0]) };
            let call = ScriptCall {
                content: Some(content),
                number: Some(number),
                ttl,
                ..ScriptCall::on(items)
            };
            Request::CacheScript { script, call }
        },
    );
    let act = prop_oneof![
        6 => database.prop_map(Act::Ask),
        6 => cache.prop_map(Act::Ask),
        3 => scripted.prop_map(Act::Ask),
        1 => Just(Act::PauseReplay),
        1 => Just(Act::ResumeReplay),
    ];
    vec(act, 1..=acts)
}

fn value_stored() -> impl proptest::strategy::Strategy<Value = Value> + Clone {
    select(vec![Value::Int(7), Value::from("Alice"), Value::from("ä b|c"), Value::Nil])
}

/// `select` needs something to select from.
fn with_a_default(scripts: Vec<&'static Script>) -> Vec<Option<&'static Script>> {
    if scripts.is_empty() { vec![None] } else { scripts.into_iter().map(Some).collect() }
}

/// Makes the same calls on a fresh simulated world and on `cluster`, whose keys
/// must not have been used before.
///
/// # Errors
///
/// The first call that was answered differently.
pub async fn compare(cluster: &dyn Cluster, script: &[Act]) -> Result<(), Box<Mismatch>> {
    let mut comparison = Comparison {
        world: World::new(),
        cluster,
        real: cluster.client(),
        replay: Replay::Runs,
        written: (Lsn(0), Lsn(0)),
    };
    let mut result = Ok(());
    // What an earlier script left under way is over before this one begins;
    // if it never is, the first act says so.
    drop(comparison.follow().await);
    for (at, act) in script.iter().enumerate() {
        let (simulated, real) = comparison.act(act).await;
        let real = match comparison.follow().await {
            Ok(()) => real,
            Err(error) => format!("{real}, then {error}"),
        };
        if simulated != real {
            result = Err(Box::new(Mismatch { at, act: act.clone(), simulated, real }));
            break;
        }
    }
    if comparison.replay == Replay::Paused {
        drop(cluster.apply(&Control::ResumeReplay).await);
    }
    result
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Replay {
    Runs,
    Paused,
}

struct Comparison<'a> {
    world: World,
    cluster: &'a dyn Cluster,
    real: Backend,
    replay: Replay,
    /// The ends of both logs at the last look.
    written: (Lsn, Lsn),
}

impl Comparison<'_> {
    async fn act(&mut self, act: &Act) -> (String, String) {
        match act {
            Act::Ask(request) => self.ask(request).await,
            Act::PauseReplay => {
                self.replay = Replay::Paused;
                self.control(&[Control::PauseReplay]).await
            }
            Act::ResumeReplay => {
                self.replay = Replay::Runs;
                self.control(&[Control::ResumeReplay]).await
            }
            Act::ReplyLost(request) => self.lose_reply(request).await,
            Act::SaveCache => {
                self.world.cache.save();
                self.control(&[Control::SaveCache]).await
            }
            Act::WipeCache => {
                self.world.cache.wipe(self.world.now);
                self.control(&[Control::WipeCache]).await
            }
            Act::CrashCache => {
                self.world.cache.restore();
                let crash = [Control::Kill(Node::Cache), Control::Start(Node::Cache)];
                let done = self.control(&crash).await;
                self.until_the_cache_answers().await;
                done
            }
            Act::Outlive(item) => {
                self.outlive(item).await;
                let left = |expiry: Option<_>| format!("it is there: {}", expiry.is_some());
                let real = match self.real.call(&Request::CacheTtl(*item)).await {
                    Ok(Response::Expiry(expiry)) => left(expiry),
                    other => format!("{other:?}"),
                };
                (left(self.world.cache.ttl(item, self.world.now)), real)
            }
        }
    }

    async fn lose_reply(&mut self, request: &Request) -> (String, String) {
        let link = match request.site() {
            Site::Cache => Link::ClientCache,
            Site::Replica => Link::ClientReplica,
            Site::Primary | Site::Client => Link::ClientPrimary,
        };
        // A connection that has to be made first would never be.
        drop(self.real.call(&question(request.site())).await);
        let dropped = self.cluster.apply(&Control::DropReplies(link)).await;
        let real = self.real.call(request).await;
        let restored = self.cluster.apply(&Control::Restore(link)).await;
        self.real = self.cluster.client();
        drop(self.world.apply_for(ME, request));
        self.world.cache.hang_up(ME);
        let simulated = Err(StoreError::unknown(request.site(), "no answer in time"));
        let real = match dropped.and(restored) {
            Ok(()) => told(&real, Lsn(0)),
            Err(error) => error.to_string(),
        };
        (told(&simulated, Lsn(0)), real)
    }

    /// A client whose connection died with the cache has a new one.
    async fn until_the_cache_answers(&mut self) {
        for _ in 0..MAX_POLLS {
            self.real = self.cluster.client();
            if self.real.call(&question(Site::Cache)).await.is_ok() {
                return;
            }
            drop(self.real.call(&Request::Sleep(POLL)).await);
        }
    }

    async fn outlive(&mut self, item: &Item) {
        if let Some(Some(left)) = self.world.cache.ttl(item, self.world.now) {
            self.world.now = self.world.now + left + Duration::from_millis(1);
        }
        for _ in 0..MAX_POLLS {
            match self.real.call(&Request::CacheTtl(*item)).await {
                Ok(Response::Expiry(Some(_))) => {}
                _ => return,
            }
            drop(self.real.call(&Request::Sleep(POLL)).await);
        }
    }

    async fn ask(&mut self, request: &Request) -> (String, String) {
        if request.listens() {
            // The server has said it; here it must have arrived, too.
            self.real.hear_out().await;
        }
        let simulated = match self.world.apply_for(ME, request) {
            Reaction::Answer(answer) => answer,
            Reaction::Waits(wait) => {
                return (format!("{wait:?}"), "a call that may wait".to_owned());
            }
        };
        let real = self.real.call(request).await;
        let before = self.written;
        if let (Request::PrimaryLsn, Ok(Response::Lsn(one)), Ok(Response::Lsn(two))) =
            (request, &simulated, &real)
        {
            self.written = (*one, *two);
        }
        let real = same_expiry(&simulated, real);
        (told(&simulated, before.0), told(&real, before.1))
    }

    async fn control(&mut self, controls: &[Control]) -> (String, String) {
        let mut real: Result<(), ControlError> = Ok(());
        for control in controls {
            real = real.and(self.cluster.apply(control).await);
        }
        ("Ok(())".to_owned(), format!("{real:?}"))
    }

    /// Unless it is paused, the replica shows every commit before the next act.
    async fn follow(&mut self) -> Result<(), StoreError> {
        if self.replay == Replay::Paused {
            return Ok(());
        }
        self.world.catch_up();
        let Response::Lsn(written) = self.real.call(&Request::PrimaryLsn).await? else {
            return Ok(());
        };
        for _ in 0..MAX_POLLS {
            if let Response::Lsn(replayed) = self.real.call(&Request::ReplicaLsn).await?
                && replayed >= written
            {
                return Ok(());
            }
            self.real.call(&Request::Sleep(POLL)).await?;
        }
        Err(StoreError {
            site: Site::Replica,
            certainty: quarrel_checkers::Certainty::Definite,
            message: "the replica did not catch up".to_owned(),
            connection: ConnectionState::Usable,
            want: Want::Theirs,
        })
    }
}

/// A call that changes nothing which a script looks at, and that makes
/// connections ready: a first write prepares its statement in a round trip of
/// its own.
fn question(site: Site) -> Request {
    match site {
        Site::Cache => Request::CacheGet(Item::entry(SPARE)),
        Site::Replica => Request::ReplicaRead(SPARE),
        Site::Primary | Site::Client => Request::PrimaryWrite {
            key: SPARE,
            value: Value::Int(0),
            durability: Durability::Local,
        },
    }
}

/// An answer without what may differ: log positions, and the words of errors.
fn told(answer: &Result<Response, StoreError>, written: Lsn) -> String {
    match answer {
        Ok(Response::Row { row, .. }) => format!("{row:?}"),
        Ok(Response::Written { version, .. }) => format!("version {version}"),
        Ok(Response::WrittenPair { versions, .. }) => format!("versions {versions:?}"),
        Ok(Response::Loaded { keys, .. }) => {
            let keys: std::collections::BTreeSet<_> = keys.iter().collect();
            format!("new: {keys:?}")
        }
        Ok(Response::Lsn(lsn)) if *lsn < written => "behind what was last seen written".to_owned(),
        Ok(Response::Lsn(_)) => "at or beyond what was last seen written".to_owned(),
        Ok(Response::Changes(changes)) => {
            let changes =
                changes.iter().map(|change| format!("{} v{}", change.key, change.version));
            changes.collect::<Vec<_>>().join(", ")
        }
        Ok(other) => format!("{other:?}"),
        Err(error) => format!("{:?} error at the {}", error.certainty, error.site),
    }
}

/// Real time passes between calls: an expiry that is nearly the simulated one
/// is the simulated one.
fn same_expiry(
    simulated: &Result<Response, StoreError>,
    real: Result<Response, StoreError>,
) -> Result<Response, StoreError> {
    match (simulated, &real) {
        (Ok(Response::Expiry(Some(Some(one)))), Ok(Response::Expiry(Some(Some(two)))))
            if one.abs_diff(*two) <= SLACK =>
        {
            Ok(Response::Expiry(Some(Some(*one))))
        }
        _ => real,
    }
}
