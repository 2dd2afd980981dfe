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

/// Whether a statement is more than one about its session and its transaction.
pub(super) const fn does_something(strength: Strength) -> bool {
    matches!(strength, Strength::Read | Strength::Lock | Strength::Write)
}

/// What stands in front of each bracket: functions, types and words of SQL.
fn called(lower: &str) -> impl Iterator<Item = &str> {
    lower.match_indices('(').map(|(at, _)| {
        let before = lower[..at].trim_end();
        let start = before.rfind(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.')));
        &before[start.map_or(0, |start| start + 1)..]
    })
}

/// Functions that only tell about the server and the session.
const ABOUT_THE_SERVER: [&str; 11] = [
    "version",
    "pg_catalog.version",
    "current_schema",
    "current_database",
    "current_user",
    "current_setting",
    "pg_backend_pid",
    "pg_is_in_recovery",
    "cast",
    "varchar",
    "numeric",
];

/// Whether a query reads no table: what drivers and pools ask about the server,
/// and catalogues, which nothing here changes. What calls a function that is
/// not known may read anything.
pub(super) fn is_about_nothing(text: &str) -> bool {
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower
        .split(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | '"')))
        .filter(|word| !word.is_empty())
        .collect();
    let tables: Vec<&str> = words
        .windows(2)
        .filter(|pair| matches!(pair[0], "from" | "join"))
        .map(|pair| pair[1])
        .collect();
    let is_catalogue = |table: &&str| {
        ["pg_catalog.", "pg_", "information_schema."].iter().any(|start| table.starts_with(start))
    };
    if !tables.is_empty() {
        // A catalogue beside a table, as a comma joins them, is a table.
        return tables.iter().all(is_catalogue) && !lower.contains(',');
    }
    if words.contains(&"from") || words.contains(&"table") {
        return false;
    }
    called(&lower).all(|name| ABOUT_THE_SERVER.contains(&name))
}

/// What may stand in front of a bracket in a query that only reads: words of
/// SQL, types with a size, and functions that change nothing.
const HARMLESS: &[&str] = &[
    "",
    "all",
    "and",
    "any",
    "array_agg",
    "as",
    "avg",
    "between",
    "bool_and",
    "bool_or",
    "by",
    "case",
    "cast",
    "ceil",
    "coalesce",
    "concat",
    "count",
    "cube",
    "date_trunc",
    "decimal",
    "distinct",
    "else",
    "except",
    "exists",
    "extract",
    "filter",
    "floor",
    "from",
    "greatest",
    "having",
    "in",
    "intersect",
    "is",
    "json_agg",
    "json_build_object",
    "jsonb_agg",
    "jsonb_build_object",
    "join",
    "lateral",
    "least",
    "left",
    "length",
    "like",
    "limit",
    "lower",
    "ltrim",
    "max",
    "md5",
    "min",
    "mod",
    "not",
    "now",
    "nullif",
    "numeric",
    "offset",
    "on",
    "or",
    "over",
    "power",
    "replace",
    "right",
    "rollup",
    "round",
    "row",
    "row_number",
    "row_to_json",
    "rtrim",
    "select",
    "sets",
    "some",
    "split_part",
    "sqrt",
    "string_agg",
    "substr",
    "substring",
    "sum",
    "then",
    "timestamp",
    "to_char",
    "to_json",
    "to_jsonb",
    "to_timestamp",
    "trim",
    "trunc",
    "union",
    "unnest",
    "upper",
    "using",
    "values",
    "varchar",
    "when",
    "where",
    "with",
    "within",
];

/// Whether a query calls what is not known to change nothing: a function of the
/// user's may write.
pub(super) fn calls_the_unknown(text: &str) -> bool {
    let lower = text.to_lowercase();
    called(&lower).any(|name| !HARMLESS.contains(&name))
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
    fn a_function_that_is_not_known_may_write() {
        let reads = [
            "SELECT name FROM profiles WHERE id = 1",
            "SELECT count(*), coalesce(max(name), '') FROM profiles WHERE id IN (1, 2)",
            "SELECT a FROM (SELECT lower(name) AS a FROM profiles) AS p WHERE EXISTS (SELECT 1)",
        ];
        assert!(!reads.into_iter().any(calls_the_unknown));
        let may_write = ["SELECT set_name(1, 'x')", "SELECT shop.count (1)", "SELECT nextval('s')"];
        assert!(may_write.into_iter().all(calls_the_unknown));
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

    #[test]
    fn what_drivers_ask_about_the_server_is_local() {
        let local = [
            "SELECT 1",
            "select pg_catalog.version()",
            "SELECT t.oid FROM pg_type t",
            "SELECT CAST('test plain returns' AS VARCHAR(60)) AS anon_1",
            "select current_schema()",
        ];
        for text in local {
            assert!(is_about_nothing(text), "{text}");
        }
        let not = [
            "SELECT name FROM profiles",
            "SELECT profiles.name AS profiles_name\nFROM profiles\nWHERE profiles.id = 1",
            "SELECT pg_advisory_lock(3)",
            "SELECT name_of(3)",
            "SELECT a FROM pg_type, profiles",
            "SELECT a FROM pg_type JOIN profiles ON true",
            "TABLE profiles",
            "SELECT (SELECT name FROM\tprofiles)",
        ];
        for text in not {
            assert!(!is_about_nothing(text), "{text}");
        }
    }
}
