//! Rules reach the messages of the drivers that applications use.

use crate::testbed::{native, proxy_to, start};
use quarrel_faultproxy::{FaultProxy, MessageLog, NewRule, Protocol, RuleAction};
use sqlx::{Connection, PgConnection};
use std::future::Future;
use std::time::Duration;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let limited = async { tokio::time::timeout(Duration::from_secs(20), future).await };
    runtime.expect("a runtime").block_on(limited).expect("in time")
}

fn fired(server: &FaultProxy) -> Vec<u64> {
    server.rules("p").expect("it exists").iter().map(|rule| rule.fired).collect()
}

#[test]
fn sqlx_binds_binary_parameters_and_caches_statements() {
    let (server, node) = (start(), native::postgres());
    let addr = proxy_to(&server, node.addr);
    server.set_protocol("p", Some(Protocol::Postgres), MessageLog::Off).expect("it exists");
    native::sql(
        node.addr,
        &["CREATE TABLE t (id bigint PRIMARY KEY, v int)", "INSERT INTO t VALUES (17, 0), (18, 0)"],
    );
    let delay = RuleAction::DelayRequest { delay_ms: 100 };
    server.add_rule("p", NewRule::new(delay).on("UPDATE").key("17")).expect("followed");
    server.add_rule("p", NewRule::new(RuleAction::ResetAfter).on("COMMIT")).expect("followed");
    block_on(async {
        let url = format!("postgres://postgres@{addr}/postgres");
        let mut connection = PgConnection::connect(&url).await.expect("it connects");
        let mut transaction = connection.begin().await.expect("it begins");
        for id in [17i64, 18, 17] {
            let begin = std::time::Instant::now();
            sqlx::query("UPDATE t SET v = v + 1 WHERE id = $1")
                .bind(id)
                .execute(&mut *transaction)
                .await
                .expect("it updates");
            if id == 17 {
                assert!(begin.elapsed() >= Duration::from_millis(100));
            }
        }
        transaction.commit().await.expect_err("the client cannot know");
    });
    assert_eq!(fired(&server), [2, 1]);
    let values = native::sql(node.addr, &["SELECT string_agg(v::text, ',' ORDER BY id) FROM t"]);
    assert_eq!(values, "2,1");
}

#[test]
fn redis_rs_pipelines_and_runs_scripts() {
    let (server, node) = (start(), native::redis());
    let addr = proxy_to(&server, node.addr);
    server.set_protocol("p", Some(Protocol::Redis), MessageLog::Off).expect("it exists");
    let delay = RuleAction::DelayReply { delay_ms: 100 };
    server.add_rule("p", NewRule::new(delay).key("b")).expect("followed");
    block_on(async {
        let client = redis::Client::open(format!("redis://{addr}/?protocol=resp3"));
        let client = client.expect("a sound URL");
        let mut connection = client.get_multiplexed_async_connection().await.expect("it connects");
        let begin = std::time::Instant::now();
        let mut pipeline = redis::pipe();
        pipeline.set("a", 1).ignore().incr("b", 5).get("a");
        let got: (i64, i64) = pipeline.query_async(&mut connection).await.expect("it answers");
        assert_eq!(got, (5, 1));
        assert!(begin.elapsed() >= Duration::from_millis(100));
        let script = redis::Script::new("return redis.call('GET', KEYS[1])");
        let got: i64 = script.key("b").invoke_async(&mut connection).await.expect("it runs");
        assert_eq!(got, 5);
    });
    // INCR, and the script: once by its digest, unknown to the server, then
    // again after it was loaded.
    assert!(matches!(fired(&server)[..], [2 | 3]), "{:?}", fired(&server));
}
