//! What drivers, pools and object caches say that needs to be known to be
//! understood.

use quarrel_faultproxy::{Strength, Transaction};

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
    block: Transaction,
) -> Strength {
    match (settles, block) {
        (Some(Strength::Write | Strength::Commit), Transaction::Idle) => Strength::Commit,
        _ => own,
    }
}

pub(super) fn returns_to_a_savepoint(text: &str) -> bool {
    let mut words = text.split_whitespace().map(str::to_uppercase).skip(1);
    words.find(|word| !matches!(word.as_str(), "WORK" | "TRANSACTION")).as_deref() == Some("TO")
}

/// What a pool says when a connection comes back to it: nothing of it is about
/// rows.
pub(super) fn is_a_reset(text: &str) -> bool {
    let lower = text.to_lowercase();
    let mut parts = lower.split(';').map(str::trim).filter(|part| !part.is_empty()).peekable();
    let is_part = |part: &str| {
        let starts = ["close all", "unlisten *", "reset all", "discard all", "deallocate all"];
        starts.contains(&part) || part == "select pg_advisory_unlock_all()"
    };
    parts.peek().is_some() && parts.all(is_part)
}

/// Whether it runs a script, which can touch keys that nobody named: those of
/// an object cache, for one, find there what an entry depends on.
pub(super) fn runs_a_script(name: &str) -> bool {
    ["EVAL", "FCALL"].iter().any(|start| name.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Some drivers send a Sync by itself behind every statement, and some a
    /// BEGIN in one group with the first.
    #[test]
    fn a_sync_commits_outside_of_a_transaction_and_a_begin_may_stand_in_front_of_a_write() {
        let sync = |block| strongest_of(Strength::Nothing, Some(Strength::Write), block);
        assert_eq!(sync(Transaction::Open), Strength::Nothing);
        assert_eq!(sync(Transaction::Failed), Strength::Nothing);
        assert_eq!(sync(Transaction::Idle), Strength::Commit);
        assert!(begins_a_transaction("BEGIN") && begins_a_transaction("START TRANSACTION"));
        assert!(!begins_a_transaction("UPDATE") && !begins_a_transaction("BEGINNING"));
    }

    #[test]
    fn a_reset_is_nothing_else_besides() {
        assert!(is_a_reset("SELECT pg_advisory_unlock_all(); CLOSE ALL; UNLISTEN *; RESET ALL;"));
        assert!(is_a_reset("DISCARD ALL"));
        assert!(!is_a_reset("RESET ALL; DELETE FROM t") && !is_a_reset("") && !is_a_reset(";"));
    }

    #[test]
    fn only_to_a_savepoint_is_not_all_the_way() {
        let to = ["ROLLBACK TO a", "rollback to savepoint a", "ROLLBACK WORK TO a"];
        assert!(to.into_iter().all(returns_to_a_savepoint));
        assert!(!["ROLLBACK", "ROLLBACK WORK", "ABORT"].into_iter().any(returns_to_a_savepoint));
    }

    #[test]
    fn scripts_may_touch_what_they_do_not_name() {
        assert!(["EVAL", "EVALSHA", "EVALSHA_RO", "FCALL"].into_iter().all(runs_a_script));
        assert!(!runs_a_script("GET"));
    }
}
