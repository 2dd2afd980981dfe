//! Lua on Redis and its model in Rust do the same.

use std::{collections::BTreeMap, time::Duration};

use quarrel_checkers::{Content, Key, Time, Value};
use quarrel_harness::stores::{Item, Request, Response, Script, ScriptCall, ScriptStore, Ttl};
use quarrel_workloads::strategies::scripts::ALL;
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng as _},
};

use crate::simulation::{client, key, my_turn};

/// What a script sees, without time: nothing here expires.
#[derive(Default)]
struct Shelf(BTreeMap<Item, Content>);

impl ScriptStore for Shelf {
    fn now(&self) -> Time {
        Time::ZERO
    }

    fn get(&self, item: &Item) -> Option<Content> {
        self.0.get(item).cloned()
    }

    fn set(&mut self, item: Item, content: Content, _ttl: Ttl) {
        self.0.insert(item, content);
    }

    fn del(&mut self, item: &Item) -> bool {
        self.0.remove(item).is_some()
    }
}

/// A call of `script` on the items of `key`, with small numbers, so that calls
/// meet.
fn call(script: &Script, key: Key, random: &mut ChaCha8Rng) -> ScriptCall {
    let small = |random: &mut ChaCha8Rng| u64::from(random.next_u32() % 4 + 1);
    let entry = Item::entry(key);
    let (lease, quarantine) = (Item::named("lease", key), Item::named("quarantine", key));
    let items = match script.verb {
        "CAS" => vec![entry],
        "MAX" => vec![Item::named("pointer", key)],
        "UNLOCK" => vec![lease],
        "LEASE" | "FILL" | "VOID" => vec![entry, lease],
        _ => vec![entry, lease, quarantine],
    };
    let version = small(random);
    let mut call = ScriptCall::on(items);
    call.content = match (script.verb, random.next_u32() % 3) {
        ("CAS", 0) => Some(Content::Tombstone(version)),
        ("CAS" | "FILL", _) => Some(Content::Row { value: Value::from("x|T9"), version }),
        _ => None,
    };
    call.number = Some(small(random));
    call.ttl = random.next_u32().is_multiple_of(2).then_some(Duration::from_secs(100));
    call
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lua_and_model_agree() {
    let _turn = my_turn().await;
    let mut random = ChaCha8Rng::seed_from_u64(20);
    let mut session = client();
    let mut refused = 0;
    for _ in 0..40 {
        let key = key();
        let mut shelf = Shelf::default();
        for _ in 0..40 {
            let script = ALL[random.next_u32() as usize % ALL.len()];
            let call = call(script, key, &mut random);
            let expected = (script.model)(&mut shelf, &call);
            let request = Request::CacheScript { script, call: call.clone() };
            let found = session.call(request).await.expect("redis answers");
            assert_eq!(found, expected, "{} {call:?}", script.verb);
            refused += u32::from(found == Response::Refused);
            for item in &call.items {
                let held = session.cache().get(*item).await.expect("redis answers");
                assert_eq!(held, shelf.get(item), "{} {call:?}: {item:?}", script.verb);
            }
        }
    }
    assert!((200..1_400).contains(&refused), "both ways are taken: {refused} of 1600 refused");
}
