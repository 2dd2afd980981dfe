use std::sync::Arc;

use super::Schema;

/// Every statement of a client, with its tables named in full.
///
/// Whatever a write needs of its session (how long to wait for a lock, what
/// the commit waits for) it sets by itself, for its own transaction only. The
/// same subquery yields no row where the mark of the run does not stand, and
/// then nothing is written.
#[derive(Debug)]
pub(super) struct Sql {
    pub(super) read_primary: Arc<str>,
    pub(super) read_replica: Arc<str>,
    pub(super) read_pair: Arc<str>,
    pub(super) read_many: Arc<str>,
    pub(super) load: Arc<str>,
    pub(super) write: Arc<str>,
    pub(super) write_remote_apply: Arc<str>,
    pub(super) write_if: Arc<str>,
    pub(super) write_new: Arc<str>,
    pub(super) write_pair: Arc<str>,
    pub(super) write_outbox: Arc<str>,
    pub(super) write_notify: Arc<str>,
    pub(super) primary_lsn: Arc<str>,
    pub(super) replica_lsn: Arc<str>,
    pub(super) outbox_clear: Arc<str>,
    pub(super) outbox_read: Arc<str>,
    pub(super) outbox_delete: Arc<str>,
}

/// A forgotten statement must not wait for its row for ever, and so hold its
/// client's connection.
const LOCK_TIMEOUT: &str = "5s";
const REPLAYED: &str = "(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() \
     ELSE pg_current_wal_insert_lsn() END)::text";
const NEXT: &str = "DO UPDATE SET value = excluded.value, version = kv.version + 1";

impl Sql {
    #[expect(clippy::too_many_lines, reason = "a list of statements")]
    pub(super) fn of(schema: &Schema) -> Self {
        let (kv, outbox) = (schema.table("kv"), schema.table("outbox"));
        let ours = |durability: &str| {
            let set = format!(
                "set_config('lock_timeout', '{LOCK_TIMEOUT}', true), \
                 set_config('synchronous_commit', '{durability}', true)"
            );
            format!("({}) AS ours", schema.marked(&set))
        };
        let local = ours("local");
        let upsert = |ours: &str, returning: &str| {
            format!(
                "INSERT INTO {kv} AS kv (key, value, version) \
                 SELECT $1::bigint, $2::text, 1 FROM {ours} \
                 ON CONFLICT (key) {NEXT} RETURNING {returning}"
            )
        };
        // The first eight digits of a segment's name are the timeline. Asked in
        // the statement itself: behind a pooler the next one may be executed
        // elsewhere.
        let at = "version, pg_current_wal_insert_lsn()::text, \
             left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)";
        let text = |text: String| -> Arc<str> { text.into() };
        Self {
            read_primary: text(format!("SELECT value, version FROM {kv} WHERE key = $1::bigint")),
            // The scalar subquery makes one row come back even when the key is
            // absent, so that the replay position is known in both cases. It is
            // read first: the row is then at least as new.
            read_replica: text(format!(
                "SELECT r.lsn, kv.value, kv.version FROM (SELECT {REPLAYED} AS lsn) r \
                 LEFT JOIN {kv} AS kv ON kv.key = $1::bigint"
            )),
            read_pair: text(format!(
                "SELECT key, value, version FROM {kv} WHERE key IN ($1::bigint, $2::bigint)"
            )),
            read_many: text(format!(
                "SELECT key, value, version FROM {kv} WHERE key = ANY($1::bigint[])"
            )),
            load: text(format!(
                "INSERT INTO {kv} AS kv (key, value, version) SELECT pair.key, pair.value, 1 \
                 FROM {local}, unnest($1::bigint[], $2::text[]) AS pair (key, value) \
                 ON CONFLICT DO NOTHING RETURNING key, {at}"
            )),
            write: text(upsert(&local, at)),
            write_remote_apply: text(upsert(&ours("remote_apply"), at)),
            write_if: text(format!(
                "UPDATE {kv} AS kv SET value = $2::text, version = version + 1 FROM {local} \
                 WHERE kv.key = $1::bigint AND kv.version = $3::bigint RETURNING {at}"
            )),
            write_new: text(format!(
                "INSERT INTO {kv} AS kv (key, value, version) \
                 SELECT $1::bigint, $2::text, 1 FROM {local} \
                 ON CONFLICT DO NOTHING RETURNING {at}"
            )),
            write_pair: text(format!(
                "INSERT INTO {kv} AS kv (key, value, version) SELECT pair.key, pair.value, 1 \
                 FROM {local}, \
                   (VALUES ($1::bigint, $2::text), ($3::bigint, $4::text)) AS pair (key, value) \
                 ON CONFLICT (key) {NEXT} RETURNING key, {at}"
            )),
            write_outbox: text(format!(
                "WITH w AS ({}), \
                   o AS (INSERT INTO {outbox} (key, version) SELECT $1::bigint, version FROM w) \
                 SELECT {at} FROM w",
                upsert(&local, "version")
            )),
            write_notify: text(format!(
                "WITH w AS ({}) \
                 SELECT {at}, pg_notify('{}', ($1::bigint)::text || ' ' || version::text)::text \
                 FROM w",
                upsert(&local, "version"),
                schema.channel()
            )),
            primary_lsn: text("SELECT pg_current_wal_insert_lsn()::text".to_owned()),
            replica_lsn: text(format!("SELECT {REPLAYED}")),
            outbox_clear: text(format!("DELETE FROM {outbox} USING {local}")),
            outbox_read: text(format!(
                "SELECT id, key, version FROM {outbox} ORDER BY id LIMIT $1::bigint"
            )),
            outbox_delete: text(format!(
                "DELETE FROM {outbox} AS outbox USING {local} WHERE outbox.id = ANY($1::bigint[])"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Schema, Sql};

    /// Every table that is named is named with its schema, and every statement
    /// that changes something asks for the mark.
    #[test]
    fn no_statement_depends_on_the_search_path() {
        let schema = Schema::new("quarrel_1", "r1").unwrap();
        let sql = format!("{:?}", Sql::of(&schema)).replace("\\\"", "\"");
        for table in ["kv", "outbox", Schema::MARK] {
            for verb in ["FROM", "INTO", "UPDATE", "JOIN"] {
                assert!(!sql.contains(&format!("{verb} {table} ")), "{verb} {table}: {sql}");
            }
        }
        for statement in sql.split(": \"").skip(1) {
            let changes =
                ["INSERT", "UPDATE", "DELETE"].iter().any(|verb| statement.starts_with(verb));
            let asks = statement.contains("FROM \"quarrel_1\".quarrel_run WHERE run = 'r1'");
            assert_eq!(changes || statement.starts_with("WITH"), asks, "{statement}");
        }
    }
}
