//! The Lua scripts of the strategies, each with the same thing in Rust for the
//! simulator.
//!
//! `ARGV` is content, number, time to live in milliseconds. Versions are read
//! off the front of an entry: `3|Alice` and `T3` are both version 3.

use quarrel_checkers::Content;
use quarrel_harness::stores::{Response, Script, ScriptCall};

/// Sets `KEYS[1]`-like names with the call's time to live.
macro_rules! with_put {
    ($body:literal) => {
        concat!(
            "local function put(key, value) ",
            "if ARGV[3] == '0' then redis.call('SET', key, value) ",
            "else redis.call('SET', key, value, 'PX', ARGV[3]) end end\n",
            $body
        )
    };
}

/// Stores a row, or a tombstone, unless the entry is newer: items `[entry]`,
/// content.
pub static COMPARE_AND_SET: Script = Script {
    verb: "CAS",
    lua: with_put!(
        "local held = redis.call('GET', KEYS[1])
         if held then
           -- A plain number is a pointer or a token, and has no version.
           local old = tonumber(string.match(held, '^(%d+)|') or string.match(held, '^T(%d+)$') or '')
           local new = tonumber(string.match(ARGV[1], '^(%d+)|') or string.match(ARGV[1], '^T(%d+)$'))
           if old and old > new then return false end
         end
         put(KEYS[1], ARGV[1])
         return 1"
    ),
    model: |store, call| {
        let entry = call.items[0];
        let content = call.content.clone().expect("CAS is called with a content");
        let held = store.get(&entry).as_ref().and_then(version);
        if held > version(&content) {
            return Response::Refused;
        }
        store.set(entry, content, call.ttl);
        done()
    },
};

/// Moves a number up, never down: items `[pointer]`, number.
pub static RAISE: Script = Script {
    verb: "MAX",
    lua: with_put!(
        "local held = tonumber(redis.call('GET', KEYS[1]) or '')
         if held and held > tonumber(ARGV[2]) then return false end
         put(KEYS[1], ARGV[2])
         return 1"
    ),
    model: |store, call| {
        let number = number(call);
        if matches!(store.get(&call.items[0]), Some(Content::Number(held)) if held > number) {
            return Response::Refused;
        }
        store.set(call.items[0], Content::Number(number), call.ttl);
        done()
    },
};

/// Reads an entry, or takes the lease to fill it: items `[entry, lease]`, the
/// token as number, the life of the lease. Returns the entry, or the token;
/// refuses if somebody else holds the lease.
pub static LEASE: Script = Script {
    verb: "LEASE",
    lua: with_put!(
        "local held = redis.call('GET', KEYS[1])
         if held then return held end
         if redis.call('EXISTS', KEYS[2]) == 1 then return false end
         put(KEYS[2], ARGV[2])
         return tonumber(ARGV[2])"
    ),
    model: |store, call| {
        if let Some(held) = store.get(&call.items[0]) {
            return Response::Content(Some(held));
        }
        if store.get(&call.items[1]).is_some() {
            return Response::Refused;
        }
        store.set(call.items[1], Content::Number(number(call)), call.ttl);
        Response::Content(Some(Content::Number(number(call))))
    },
};

/// Fills an entry if the lease is still the caller's: items `[entry, lease]`,
/// content, token.
pub static FILL: Script = Script {
    verb: "FILL",
    lua: with_put!(
        "if redis.call('GET', KEYS[2]) ~= ARGV[2] then return false end
         redis.call('DEL', KEYS[2])
         put(KEYS[1], ARGV[1])
         return 1"
    ),
    model: |store, call| {
        if store.get(&call.items[1]) != Some(Content::Number(number(call))) {
            return Response::Refused;
        }
        store.del(&call.items[1]);
        let content = call.content.clone().expect("FILL is called with a content");
        store.set(call.items[0], content, call.ttl);
        done()
    },
};

/// Deletes an entry and voids the lease on it: items `[entry, lease]`.
pub static VOID: Script = Script {
    verb: "VOID",
    lua: "redis.call('DEL', KEYS[1], KEYS[2])
          return 1",
    model: |store, call| {
        store.del(&call.items[0]);
        store.del(&call.items[1]);
        done()
    },
};

/// Deletes an entry, voids the lease on it and blocks new ones: items
/// `[entry, lease, quarantine]`, the token as number, the longest block.
/// Refuses while somebody else blocks.
pub static QUARANTINE: Script = Script {
    verb: "QUARANTINE",
    lua: with_put!(
        "if redis.call('EXISTS', KEYS[3]) == 1 then return false end
         redis.call('DEL', KEYS[1], KEYS[2])
         put(KEYS[3], ARGV[2])
         return 1"
    ),
    model: |store, call| {
        if store.get(&call.items[2]).is_some() {
            return Response::Refused;
        }
        store.del(&call.items[0]);
        store.del(&call.items[1]);
        store.set(call.items[2], Content::Number(number(call)), call.ttl);
        done()
    },
};

/// Deletes an entry and ends the caller's block: items `[entry, lease,
/// quarantine]`, token.
pub static RELEASE: Script = Script {
    verb: "RELEASE",
    lua: "redis.call('DEL', KEYS[1], KEYS[2])
          if redis.call('GET', KEYS[3]) == ARGV[2] then redis.call('DEL', KEYS[3]) end
          return 1",
    model: |store, call| {
        store.del(&call.items[0]);
        store.del(&call.items[1]);
        if store.get(&call.items[2]) == Some(Content::Number(number(call))) {
            store.del(&call.items[2]);
        }
        done()
    },
};

/// As [`LEASE`] with a third item, the quarantine: while it is held the answer
/// is 0, which is no token.
pub static LEASE_UNLESS_QUARANTINED: Script = Script {
    verb: "IQLEASE",
    lua: with_put!(
        "if redis.call('EXISTS', KEYS[3]) == 1 then return 0 end
         local held = redis.call('GET', KEYS[1])
         if held then return held end
         if redis.call('EXISTS', KEYS[2]) == 1 then return false end
         put(KEYS[2], ARGV[2])
         return tonumber(ARGV[2])"
    ),
    model: |store, call| {
        if store.get(&call.items[2]).is_some() {
            return Response::Content(Some(Content::Number(0)));
        }
        (LEASE.model)(store, call)
    },
};

/// Deletes a lock if it is still the caller's: items `[lock]`, token.
pub static UNLOCK: Script = Script {
    verb: "UNLOCK",
    lua: "if redis.call('GET', KEYS[1]) ~= ARGV[2] then return false end
          redis.call('DEL', KEYS[1])
          return 1",
    model: |store, call| {
        if store.get(&call.items[0]) != Some(Content::Number(number(call))) {
            return Response::Refused;
        }
        store.del(&call.items[0]);
        done()
    },
};

/// Every script, for tests that compare the two halves.
pub static ALL: &[&Script] = &[
    &COMPARE_AND_SET,
    &RAISE,
    &LEASE,
    &FILL,
    &VOID,
    &QUARANTINE,
    &RELEASE,
    &LEASE_UNLESS_QUARANTINED,
    &UNLOCK,
];

const fn done() -> Response {
    Response::Content(Some(Content::Number(1)))
}

/// The version of a row or a tombstone.
fn version(content: &Content) -> Option<u64> {
    match content {
        Content::Row { version, .. } | Content::Tombstone(version) => Some(*version),
        Content::Marker | Content::Number(_) => None,
    }
}

fn number(call: &ScriptCall) -> u64 {
    call.number.expect("this script is called with a number")
}

/// A token that no other client is likely to draw. It has 32 bits: Lua's
/// numbers are exact only up to 53.
pub fn token(session: &mut quarrel_harness::strategy::Session) -> u64 {
    use rand_chacha::rand_core::Rng as _;
    // 0 means "no token".
    u64::from(session.random().next_u32()) + 1
}
