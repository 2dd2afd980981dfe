//! What a statement of SQL is, as far as its words tell.
//!
//! Words in literals and comments count, too. They can only make more of a
//! statement: what is not known to be nothing is held for its turn.

use std::collections::HashMap;

use quarrel_faultproxy::{Ends, attend::WireRequest};

/// What is to be known of a statement besides how much it can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Saying {
    /// It goes back to a savepoint, and not all the way.
    ToSavepoint,
    /// What a pool says when a connection comes back to it.
    Reset,
    /// It has to do with advisory locks.
    Locks,
    /// Its session is told of what others do from now on.
    Listens,
    /// It changes rows, and nothing else.
    ChangesRows,
    /// It reads no table: what drivers ask about the server, and catalogues,
    /// which nothing here changes.
    AboutNothing,
    /// It calls, or does, what is not known to change nothing.
    CallsTheUnknown,
    /// It is none of these.
    Plain,
}

impl Saying {
    /// Of a statement with this name, in upper case.
    pub(super) fn of(name: &str, text: &str) -> Self {
        let lower = text.to_lowercase();
        let lower = lower.trim();
        if matches!(name, "ROLLBACK" | "ABORT") {
            return if returns_to_a_savepoint(lower) { Self::ToSavepoint } else { Self::Plain };
        }
        if is_a_reset(lower) {
            return Self::Reset;
        }
        if lower.contains("advisory") {
            return Self::Locks;
        }
        match name {
            "LISTEN" => Self::Listens,
            "INSERT" | "UPDATE" | "DELETE" | "MERGE" => Self::ChangesRows,
            "WITH" if changes_rows(lower) => Self::ChangesRows,
            "COPY" if !calls_the_unknown(lower) => Self::ChangesRows,
            "BEGIN" | "START" | "SAVEPOINT" | "RELEASE" | "SET" | "SHOW" | "COMMIT" | "END" => {
                Self::AboutNothing
            }
            "SELECT" | "WITH" | "VALUES" if is_about_nothing(lower) => Self::AboutNothing,
            "SELECT" | "WITH" | "VALUES" | "TABLE" | "FETCH" | "MOVE" | "EXPLAIN" | "DECLARE"
                if !calls_the_unknown(lower) =>
            {
                Self::Plain
            }
            _ => Self::CallsTheUnknown,
        }
    }
}

/// Texts that are remembered. Those of most drivers are few; where values stand
/// in them, every one is another.
const MOST: usize = 512;

/// What texts are that were heard before.
#[derive(Debug, Default)]
pub(super) struct Sayings(HashMap<String, Saying>);

impl Sayings {
    /// What the statements of a request are; of one that was not told as a
    /// whole, that the rest may be anything.
    pub(super) fn of(&mut self, request: &WireRequest, ends: Ends) -> Vec<Saying> {
        let mut all: Vec<_> =
            request.statements.iter().map(|one| self.one(&one.name, &one.text)).collect();
        if request.text_cut || ends == Ends::Open {
            all.push(Saying::CallsTheUnknown);
        }
        all
    }

    fn one(&mut self, name: &str, text: &str) -> Saying {
        if let Some(known) = self.0.get(text) {
            return *known;
        }
        let saying = Saying::of(name, text);
        if self.0.len() >= MOST {
            self.0.clear();
        }
        self.0.insert(text.to_owned(), saying);
        saying
    }
}

fn words(lower: &str) -> impl Iterator<Item = &str> {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '"');
    lower.split(move |c: char| !is_part(c)).filter(|word| !word.is_empty())
}

fn changes_rows(lower: &str) -> bool {
    words(lower).any(|word| matches!(word, "insert" | "update" | "delete" | "merge"))
}

fn returns_to_a_savepoint(lower: &str) -> bool {
    let mut words = words(lower).skip_while(|word| !matches!(*word, "rollback" | "abort")).skip(1);
    words.find(|word| !matches!(*word, "work" | "transaction")) == Some("to")
}

fn is_a_reset(lower: &str) -> bool {
    let resets = ["close all", "unlisten *", "reset all", "discard all", "deallocate all"];
    resets.contains(&lower) || lower == "select pg_advisory_unlock_all()"
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

/// What drivers ask catalogues with.
const ABOUT_CATALOGUES: [&str; 9] = [
    "array",
    "array_to_string",
    "col_description",
    "current_schemas",
    "format_type",
    "generate_subscripts",
    "obj_description",
    "pg_encoding_to_char",
    "pg_get_",
];

/// Tables of the server that say what others do right now.
const ABOUT_OTHERS: [&str; 4] = ["pg_stat", "pg_locks", "pg_prepared_xacts", "pg_sequences"];

fn is_about_nothing(lower: &str) -> bool {
    let words: Vec<&str> = words(lower).collect();
    let from = words.windows(2).filter(|pair| matches!(pair[0], "from" | "join"));
    let tables: Vec<&str> = from.map(|pair| pair[1]).collect();
    if tables.is_empty() {
        let is_read = words.iter().any(|word| matches!(*word, "from" | "table" | "join"));
        return !is_read && called(lower).all(|name| ABOUT_THE_SERVER.contains(&name));
    }
    let is_known = |name: &str| {
        let name = name.strip_prefix("pg_catalog.").unwrap_or(name);
        ABOUT_THE_SERVER.contains(&name)
            || HARMLESS.contains(&name)
            || name.ends_with("_is_visible")
            || ABOUT_CATALOGUES.iter().any(|start| name.starts_with(start))
    };
    // A catalogue beside a table, as a comma joins them, is a table.
    tables.into_iter().all(is_catalogue) && !lower.contains(',') && called(lower).all(is_known)
}

fn is_catalogue(table: &str) -> bool {
    let starts = |start: &&str| table.starts_with(*start);
    let bare = table.strip_prefix("pg_catalog.").unwrap_or(table);
    (["pg_catalog.", "pg_", "information_schema."].iter().any(starts))
        && !ABOUT_OTHERS.iter().any(|start| bare.starts_with(start))
}

/// What may stand in front of a bracket in a query that only reads: words of
/// SQL, types with a size, and functions that change nothing.
#[rustfmt::skip]
const HARMLESS: &[&str] = &[
    "", "all", "and", "any", "array_agg", "as", "avg", "between", "bool_and", "bool_or", "by",
    "case", "cast", "ceil", "coalesce", "concat", "count", "cube", "date_trunc", "decimal",
    "distinct", "else", "except", "exists", "extract", "filter", "floor", "from", "greatest",
    "having", "in", "intersect", "is", "join", "json_agg", "json_build_object", "jsonb_agg",
    "jsonb_build_object", "lateral", "least", "left", "length", "like", "limit", "lower", "ltrim",
    "max", "md5", "min", "mod", "not", "now", "nullif", "numeric", "offset", "on", "or", "over",
    "power", "replace", "right", "rollup", "round", "row", "row_number", "row_to_json", "rtrim",
    "select", "sets", "some", "split_part", "sqrt", "string_agg", "substr", "substring", "sum",
    "then", "timestamp", "to_char", "to_json", "to_jsonb", "to_timestamp", "trim", "trunc", "union",
    "unnest", "upper", "using", "values", "varchar", "when", "where", "with", "within",
];

/// Whether a query calls what is not known to change nothing: a function of the
/// user's may write.
fn calls_the_unknown(lower: &str) -> bool {
    called(lower).any(|name| HARMLESS.binary_search(&name).is_err())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Saying {
        let name = text.trim().split(' ').next().unwrap_or_default();
        Saying::of(&name.to_uppercase(), text)
    }

    fn all_are(saying: Saying, texts: &[&str]) {
        for text in texts {
            assert_eq!(of(text), saying, "{text}");
        }
    }

    #[test]
    fn a_function_that_is_not_known_may_write() {
        let reads = [
            "SELECT name FROM profiles WHERE id = 1",
            "SELECT count(*), coalesce(max(name), '') FROM profiles WHERE id IN (1, 2)",
            "SELECT a FROM (SELECT lower(name) AS a FROM profiles) AS p WHERE EXISTS (SELECT 1)",
        ];
        all_are(Saying::Plain, &reads);
        let may_write = [
            "SELECT set_name(1, 'x')",
            "SELECT shop.count (1)",
            "SELECT nextval('s')",
            "SELECT pg_notify('c', 'x') FROM pg_type",
            "CALL f()",
            "NOTIFY c",
        ];
        all_are(Saying::CallsTheUnknown, &may_write);
        assert!(HARMLESS.is_sorted());
    }

    #[test]
    fn a_reset_is_nothing_else_besides() {
        let resets = [
            "SELECT pg_advisory_unlock_all()",
            "CLOSE ALL",
            " UNLISTEN *",
            "RESET ALL",
            "DISCARD ALL",
        ];
        all_are(Saying::Reset, &resets);
        assert_ne!(of("RESET ALL; DELETE FROM t"), Saying::Reset);
        let commented = "/* a: 1 */ ROLLBACK TO a";
        assert_eq!(Saying::of("ROLLBACK", commented), Saying::ToSavepoint);
    }

    #[test]
    fn only_to_a_savepoint_is_not_all_the_way() {
        let to = ["ROLLBACK TO a", "rollback to savepoint advisory", "ROLLBACK WORK TO a"];
        all_are(Saying::ToSavepoint, &to);
        all_are(Saying::Plain, &["ROLLBACK", "ROLLBACK WORK", "ABORT"]);
    }

    #[test]
    fn what_drivers_ask_about_the_server_is_about_nothing() {
        let local = [
            "SELECT 1",
            "select pg_catalog.version()",
            "SELECT t.oid FROM pg_type t",
            "SELECT CAST('test plain returns' AS VARCHAR(60)) AS anon_1",
            "select current_schema()",
            "SELECT format_type(a.atttypid) FROM pg_catalog.pg_attribute a",
        ];
        all_are(Saying::AboutNothing, &local);
        let not = [
            "SELECT name FROM profiles",
            "SELECT profiles.name AS profiles_name\nFROM profiles\nWHERE profiles.id = 1",
            "SELECT pg_advisory_lock(3)",
            "SELECT name_of(3)",
            "SELECT a FROM pg_type, profiles",
            "SELECT a FROM pg_type JOIN profiles ON true",
            "TABLE profiles",
            "SELECT (SELECT name FROM\tprofiles)",
            "SELECT 1 FROM pg_locks",
            "SELECT 1 FROM pg_catalog.pg_stat_activity",
        ];
        for text in not {
            assert_ne!(of(text), Saying::AboutNothing, "{text}");
        }
    }

    #[test]
    fn only_so_many_texts_are_remembered() {
        let mut sayings = Sayings::default();
        for n in 0..3 * MOST {
            let text = format!("UPDATE t SET n = {n}");
            assert_eq!(sayings.one("UPDATE", &text), Saying::ChangesRows);
            assert!(sayings.0.len() <= MOST);
        }
    }
}
