use std::time::Duration;

use quarrel_checkers::{Content, Key, Value};
use quarrel_strategy::stores::{Durability, Feed, Item, Request, Row};

use super::Act;

/// Something that is known of Postgres or Redis and that the simulator claims
/// to do as they do.
#[derive(Clone, Debug)]
pub struct Fact {
    /// What.
    pub name: &'static str,
    /// A script that shows it.
    pub script: Vec<Act>,
}

type Script = fn(Key) -> Vec<Act>;

/// Long enough for a call on a slow machine, short enough to be waited for.
const SHORT: Duration = Duration::from_millis(500);

/// The facts that single calls cannot show by chance, on ten keys each from
/// `first_key` on. What random scripts show as well (compare-and-set, versions,
/// expiries, scripts) is not repeated here; what the simulator says of
/// `remote_apply` and of failovers is compared by the races of these names, as
/// more than one client is needed to see it.
///
/// Not simulated, and so not compared: conflicts on a standby, time-outs and
/// cancellations on the server, persistence of Redis by itself.
#[must_use]
pub fn facts(first_key: u64) -> Vec<Fact> {
    let all: [(&'static str, Script); 11] = [
        ("a paused replica shows what it had until its position reaches the fence", fence),
        ("a restarted Redis has what it saved, also what was deleted since", snapshot),
        ("a restarted Redis has lost what it had not saved", no_snapshot),
        ("a wiped Redis has nothing", wiped),
        ("an entry is gone when its time is over", expiry),
        ("a call whose reply is lost has run", reply_lost),
        ("an outbox has a row for each commit that wrote one", outbox),
        ("a slot tells every commit, in order", slot),
        ("who listens hears of each commit that notifies", notify),
        ("who listens hears once what is published from then on, and nothing before", channel),
        ("who has read an entry is told once that it changed, and of a wipe", tracking),
    ];
    let key = |at: usize| Key(first_key + 10 * at as u64);
    let facts = all.into_iter().enumerate();
    facts.map(|(at, (name, script))| Fact { name, script: script(key(at)) }).collect()
}

fn write(key: Key, value: &str) -> Act {
    let durability = Durability::Local;
    Act::Ask(Request::PrimaryWrite { key, value: Value::from(value), durability })
}

fn set(key: Key, value: &str, ttl: Option<Duration>) -> Act {
    let content = Content::Row { value: Value::from(value), version: 1 };
    Act::Ask(Request::CacheSet { item: Item::entry(key), content, ttl })
}

fn get(key: Key) -> Act {
    Act::Ask(Request::CacheGet(Item::entry(key)))
}

fn del(key: Key) -> Request {
    Request::CacheDel(Item::entry(key))
}

fn poll(feed: Feed) -> Act {
    Act::Ask(Request::FeedPoll { feed, limit: 10, wait: SHORT })
}

fn fence(key: Key) -> Vec<Act> {
    let shows = [Act::Ask(Request::ReplicaLsn), Act::Ask(Request::ReplicaRead(key))];
    let mut acts = vec![write(key, "Alex"), Act::PauseReplay, write(key, "Alice")];
    acts.push(Act::Ask(Request::PrimaryLsn));
    acts.extend(shows.clone());
    acts.push(write(Key(key.0 + 1), "Alicia"));
    acts.extend(shows.clone());
    acts.push(Act::ResumeReplay);
    acts.extend(shows);
    acts
}

fn snapshot(key: Key) -> Vec<Act> {
    let deleted = Act::Ask(del(key));
    vec![set(key, "Alex", None), Act::SaveCache, deleted, get(key), Act::CrashCache, get(key)]
}

fn no_snapshot(key: Key) -> Vec<Act> {
    let other = Key(key.0 + 1);
    vec![
        set(key, "Alex", None),
        Act::SaveCache,
        set(other, "Alice", None),
        Act::CrashCache,
        get(key),
        get(other),
    ]
}

fn wiped(key: Key) -> Vec<Act> {
    vec![set(key, "Alex", None), Act::WipeCache, get(key), Act::Ask(del(key)), get(key)]
}

fn expiry(key: Key) -> Vec<Act> {
    let item = Item::entry(key);
    vec![
        set(key, "Alex", Some(SHORT)),
        Act::Outlive(item),
        get(key),
        Act::Ask(Request::CacheTtl(item)),
    ]
}

fn reply_lost(key: Key) -> Vec<Act> {
    let (value, durability) = (Value::from("Alice"), Durability::Local);
    vec![
        set(key, "Alex", None),
        Act::ReplyLost(del(key)),
        get(key),
        Act::ReplyLost(Request::PrimaryWrite { key, value, durability }),
        Act::Ask(Request::PrimaryRead(key)),
        write(key, "Alicia"),
    ]
}

fn outbox(key: Key) -> Vec<Act> {
    let row =
        |key, value: &str| Act::Ask(Request::PrimaryWriteOutbox { key, value: Value::from(value) });
    vec![
        Act::Ask(Request::FeedOpen(Feed::Outbox)),
        row(key, "Alex"),
        write(key, "Alice"),
        row(Key(key.0 + 1), "Bob"),
        row(key, "Alicia"),
        poll(Feed::Outbox),
        Act::Ask(Request::FeedClose(Feed::Outbox)),
    ]
}

fn slot(key: Key) -> Vec<Act> {
    vec![
        Act::Ask(Request::FeedOpen(Feed::Slot)),
        write(key, "Alex"),
        write(Key(key.0 + 1), "Bob"),
        write(key, "Alice"),
        poll(Feed::Slot),
        Act::Ask(Request::FeedClose(Feed::Slot)),
    ]
}

fn notify(key: Key) -> Vec<Act> {
    let told =
        |value: &str| Act::Ask(Request::PrimaryWriteNotify { key, value: Value::from(value) });
    // Nobody hears the first one: the first poll begins to listen.
    vec![told("Alex"), poll(Feed::Notify), told("Alice"), write(key, "Alicia"), poll(Feed::Notify)]
}

fn publish(key: Key, row: Option<Row>) -> Act {
    Act::Ask(Request::CachePublish { key, row })
}

fn channel(key: Key) -> Vec<Act> {
    let hear = || Act::Ask(Request::CacheHear);
    let row = Row { value: Value::from("Alice in chains"), version: 3 };
    vec![
        publish(key, None),
        hear(),
        hear(),
        publish(key, None),
        publish(Key(key.0 + 1), Some(row)),
        publish(key, None),
        hear(),
        hear(),
        // Of entries that are gone nobody says anything on the channel.
        Act::WipeCache,
        hear(),
        publish(key, None),
        Act::CrashCache,
        hear(),
        hear(),
        publish(key, None),
        hear(),
    ]
}

fn tracking(key: Key) -> Vec<Act> {
    let told = || Act::Ask(Request::CacheInvalidations);
    let read = || Act::Ask(Request::CacheGetTracked(Item::entry(key)));
    vec![
        told(),
        read(),
        told(),
        set(key, "Alex", None),
        set(key, "Alice", None),
        told(),
        told(),
        read(),
        Act::Ask(del(key)),
        told(),
        read(),
        Act::WipeCache,
        told(),
        told(),
        read(),
        Act::CrashCache,
        told(),
    ]
}
