//! What drivers and object caches do that needs to be known to understand them.

use quarrel_faultproxy::{Strength, TransactionStatus};

/// Whether it opens a transaction block. Drivers send it in one group with the
/// first statement, before which the server says that none is open.
pub(super) fn begins_a_transaction(name: &str) -> bool {
    matches!(name.split(' ').next(), Some("BEGIN" | "START"))
}

/// The strongest of a group with what its Sync settles: by itself a Sync
/// commits, but in a transaction block it does not.
pub(super) const fn strongest_of(
    own: Strength,
    settles: Option<Strength>,
    block: TransactionStatus,
) -> Strength {
    match (settles, block) {
        (Some(Strength::Write | Strength::Commit), TransactionStatus::Idle) => Strength::Commit,
        _ => own,
    }
}

/// Whether a statement is more than one about its session and its transaction.
pub(super) const fn does_something(strength: Strength) -> bool {
    matches!(strength, Strength::Read | Strength::Lock | Strength::Write)
}

/// Commands of Redis that touch the keys that they name, and no others. What is
/// not among them may touch any: a script, for one, those in which an object
/// cache keeps what an entry depends on; SORT those of a pattern; and a module's
/// command what it likes.
#[rustfmt::skip]
const NAME_THEIR_KEYS: &[&str] = &[
    "APPEND", "DECR", "DECRBY", "DEL", "DUMP", "EXEC", "EXISTS", "EXPIRE", "EXPIREAT", "GET",
    "GETDEL", "GETEX", "GETRANGE", "GETSET", "HDEL", "HEXISTS", "HGET", "HGETALL", "HINCRBY",
    "HKEYS", "HLEN", "HMGET", "HMSET", "HSET", "HSETNX", "HVALS", "INCR", "INCRBY", "JSON.DEL",
    "JSON.GET", "JSON.SET", "LINDEX", "LLEN", "LPOP", "LPUSH", "LRANGE", "LREM", "LSET", "LTRIM",
    "MGET", "MSET", "MSETNX", "PERSIST", "PEXPIRE", "PEXPIREAT", "PSETEX", "PTTL", "RENAME",
    "RENAMENX", "RESTORE", "RPOP", "RPUSH", "SADD", "SCARD", "SET", "SETEX", "SETNX", "SETRANGE",
    "SISMEMBER", "SMEMBERS", "SREM", "STRLEN", "TOUCH", "TTL", "TYPE", "UNLINK", "WATCH", "ZADD",
    "ZCARD", "ZRANGE", "ZREM", "ZSCORE",
];

/// Whether the keys of a command are all that it may touch.
pub(super) fn names_its_keys(name: &str) -> bool {
    NAME_THEIR_KEYS.binary_search(&name).is_ok()
}

/// Whether a command of Redis has a client told of what others do from now on.
pub(super) fn asks_to_be_told(name: &str) -> bool {
    matches!(name, "CLIENT TRACKING" | "CLIENT CACHING" | "MONITOR")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Some drivers send a Sync by itself behind every statement, and some a
    /// BEGIN in one group with the first.
    #[test]
    fn a_sync_commits_outside_of_a_transaction_and_a_begin_may_stand_in_front_of_a_write() {
        let sync = |block| strongest_of(Strength::Nothing, Some(Strength::Write), block);
        assert_eq!(sync(TransactionStatus::Open), Strength::Nothing);
        assert_eq!(sync(TransactionStatus::Failed), Strength::Nothing);
        assert_eq!(sync(TransactionStatus::Idle), Strength::Commit);
        assert!(begins_a_transaction("BEGIN") && begins_a_transaction("START TRANSACTION"));
        assert!(!begins_a_transaction("UPDATE") && !begins_a_transaction("BEGINNING"));
    }

    #[test]
    fn scripts_and_what_is_not_known_may_touch_what_they_do_not_name() {
        let any = ["EVAL", "EVALSHA", "EVALSHA_RO", "FCALL", "SORT", "FT.SEARCH", "FLUSHALL"];
        assert!(!any.into_iter().any(names_its_keys));
        assert!(["GET", "SET", "DEL", "EXEC"].into_iter().all(names_its_keys));
        assert!(NAME_THEIR_KEYS.is_sorted());
    }
}
