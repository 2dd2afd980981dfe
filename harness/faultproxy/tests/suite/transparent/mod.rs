//! What real drivers send and get is the same, byte for byte, with messages
//! followed, and with each of them logged while directions are held, messages
//! delayed and streams cut into slices at random; and what they tell their
//! users is what they tell without a proxy.

mod recorder;

use crate::testbed::{eventually, native, proxy_to, start};
use quarrel_faultproxy::{
    FaultProxy, MessageLog, NewRule, NewToxic, Protocol, Release, RuleAction,
};
use quarrel_faultproxy::{ProxyEventKind, Stream, ToxicKind};
use recorder::Recorder;
use sqlx::{Connection, PgConnection};
use std::future::Future;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

/// Somebody asks what messages say, and what they meet on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Nobody,
    Logged,
}

/// Runs a driver without a proxy and with one. The output and the bytes must be
/// the same; how many requests the log has.
fn check(
    what: &str,
    (server, protocol): (SocketAddr, Protocol),
    drive: impl Fn(SocketAddr) -> String,
) {
    let direct = drive(server);
    for asked in [Asked::Nobody, Asked::Logged] {
        let (proxy, behind) = (start(), Recorder::to(server));
        let addr = proxy_to(&proxy, behind.addr);
        let before = Recorder::to(addr);
        let logs = if asked == Asked::Logged { MessageLog::On } else { MessageLog::Off };
        proxy.set_protocol("p", Some(protocol), logs).expect("it exists");
        if asked == Asked::Logged {
            delay(&proxy);
        }
        let proxied = std::thread::scope(|scope| {
            // Dropped whatever the driver does, it ends the disturbance.
            let (_going_on, done) = mpsc::channel();
            if asked == Asked::Logged {
                scope.spawn(|| disturb(&proxy, done));
            }
            drive(before.addr)
        });
        assert_eq!(proxied, direct, "{what}, {asked:?}");
        eventually("the connections end", || before.is_done() && behind.is_done());
        assert!(before.said() == behind.said(), "{what}, {asked:?}: bytes changed");
        let events = proxy.events(0, usize::MAX).events;
        let lost = events
            .iter()
            .find(|event| matches!(event.happening, ProxyEventKind::FramingLost { .. }));
        assert_eq!(lost, None, "{what}, {asked:?}");
        let is_request =
            |happening: &ProxyEventKind| matches!(happening, ProxyEventKind::Request { .. });
        let requests = events.iter().filter(|event| is_request(&event.happening)).count();
        assert_eq!(requests > 0, asked == Asked::Logged, "{what}");
    }
}

/// What ends when its other half is dropped, and brings nothing.
type Done = mpsc::Receiver<std::convert::Infallible>;

/// Waits for the end, but no longer than this; whether it has come.
fn is_done(done: &Done, within_ms: u64) -> bool {
    done.recv_timeout(Duration::from_millis(within_ms)) != Err(RecvTimeoutError::Timeout)
}

/// A few messages wait, in both directions.
fn delay(proxy: &FaultProxy) {
    for (ordinal, action) in [
        (3, RuleAction::DelayRequest { delay_ms: 5 }),
        (8, RuleAction::DelayReply { delay_ms: 5 }),
        (20, RuleAction::DelayRequest { delay_ms: 2 }),
        (33, RuleAction::DelayReply { delay_ms: 2 }),
    ] {
        proxy.add_rule("p", NewRule::new(action).ordinal(ordinal)).expect("it is followed");
    }
}

/// Holds directions, releases them in part and whole, and slices streams.
fn disturb(proxy: &FaultProxy, done: Done) {
    let mut random = 88_172_645_463_325_252_u64;
    while !is_done(&done, random >> 40 & 7) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let stream = Stream::BOTH[usize::from(random & 1 == 0)];
        match random >> 8 & 3 {
            0 => {
                let slicer =
                    ToxicKind::Slicer { average_size: 40, size_variation: 30, delay_us: 5 };
                let slicer = NewToxic::new(slicer, stream).named("slicer");
                proxy.add_toxic("p", slicer).expect("it is sound");
                is_done(&done, random >> 20 & 3);
                proxy.remove_toxic("p", "slicer").expect("it was added");
            }
            how => {
                proxy.hold("p", stream, None).expect("it exists");
                if how == 1 {
                    let part = Release::Bytes(random >> 30 & 63);
                    proxy.release("p", stream, None, part).expect("it is held");
                }
                is_done(&done, random >> 20 & 3);
                proxy.release("p", stream, None, Release::All).expect("it is held");
            }
        }
    }
}

/// What a program that reads `input` prints. It must end well.
fn fed(command: &mut Command, input: &str) -> String {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("input");
    std::fs::write(&path, input).expect("a new file");
    let input = std::fs::File::open(&path).expect("it was just written");
    let output = command.stdin(input).output();
    let output = output.unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn python(script: &str, args: &[&str], port: SocketAddr) -> String {
    // The drivers are those of the system's packages.
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "/usr/bin/python3".into());
    let mut command = Command::new(python);
    fed(command.args(["-c", script]).args(args).arg(port.port().to_string()), "")
}

const POSTGRES: &str = include_str!("drive_postgres.py");
const REDIS: &str = include_str!("drive_redis.py");

#[test]
fn libpq_and_the_drivers_of_python_do_not_notice() {
    let node = native::postgres();
    for driver in ["psycopg2", "psycopg", "asyncpg"] {
        check(driver, (node.addr, Protocol::Postgres), |addr| python(POSTGRES, &[driver], addr));
    }
    let script = "CREATE TEMP TABLE t (id int, v text);\n\
        COPY t FROM STDIN;\n1\tone\n2\ttwo\n\\.\n\
        SELECT * FROM t \\; SELECT 2 \\; \\g\n\
        SELECT 1/0;\n\
        COPY (SELECT * FROM generate_series(1, 5000)) TO STDOUT;\n\
        DO $$ BEGIN RAISE NOTICE 'hello'; END $$;\n\
        BEGIN; SELECT 1; ROLLBACK;\n";
    check("psql", (node.addr, Protocol::Postgres), |addr| {
        fed(&mut native::psql_script(addr), script)
    });
}

#[test]
fn pgbench_does_not_notice_in_any_mode() {
    let node = native::postgres();
    native::sql(node.addr, &["CREATE TABLE b (id int PRIMARY KEY, v int)"]);
    let script = "\\set id random(1, 20)\nBEGIN;\n\
        INSERT INTO b VALUES (:id, 1) ON CONFLICT (id) DO UPDATE SET v = b.v + 1;\n\
        SELECT v FROM b WHERE id = :id;\nEND;\n";
    let piped = format!("\\startpipeline\n{script}\\endpipeline\n");
    for (mode, script) in [
        ("simple", script),
        ("extended", script),
        ("prepared", script),
        ("extended", &*piped),
        ("prepared", &*piped),
    ] {
        check(mode, (node.addr, Protocol::Postgres), |addr| {
            let said = fed(&mut native::pgbench(addr, mode, &["-c", "3", "-t", "25"]), script);
            let all = said.contains("transactions actually processed: 75/75");
            format!("all processed: {all}")
        });
    }
}

#[test]
fn the_programs_and_drivers_of_redis_do_not_notice() {
    let node = native::redis();
    check("redis-py", (node.addr, Protocol::Redis), |addr| python(REDIS, &[], addr));
    let script = "FLUSHALL\nSET a 1\nHSET h f v g w\nHGETALL h\nMULTI\nINCR a\nINCR a\nEXEC\n\
        LPUSH a 1\nCLIENT TRACKING ON BCAST\nSET a 5\nGET nothing\nDEL a h\n";
    check("redis-cli", (node.addr, Protocol::Redis), |addr| {
        let mut command = Command::new("redis-cli");
        fed(command.args(["-3", "-h", "127.0.0.1", "-p", &addr.port().to_string()]), script)
    });
    check("redis-benchmark", (node.addr, Protocol::Redis), |addr| {
        let mut command = Command::new("redis-benchmark");
        command.args(["-h", "127.0.0.1", "-p", &addr.port().to_string(), "-q"]);
        command.args(["-P", "16", "-c", "5", "-n", "1000", "-t", "set,get,lpush,lrange_100,mset"]);
        let said = fed(&mut command, "");
        format!("{}", said.matches("requests per second").count())
    });
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future)
}

#[test]
fn the_drivers_of_rust_do_not_notice() {
    let node = native::postgres();
    check("sqlx", (node.addr, Protocol::Postgres), |addr| {
        let url = format!("postgres://postgres@{addr}/postgres");
        block_on(async {
            let mut connection = PgConnection::connect(&url).await.expect("it connects");
            let many = "CREATE TEMP TABLE t (id bigint, v text); SELECT 1";
            sqlx::raw_sql(many).execute(&mut connection).await.expect("it runs");
            for id in 0..120_i64 {
                let insert = sqlx::query("INSERT INTO t VALUES ($1, $2)");
                let insert = insert.bind(id).bind(format!("v{id}"));
                insert.execute(&mut connection).await.expect("it inserts");
            }
            let mut copy = connection.copy_in_raw("COPY t FROM STDIN").await.expect("it copies");
            copy.send(&b"500\tcopied\n".repeat(2000)[..]).await.expect("it takes data");
            copy.finish().await.expect("it ends");
            let sum = "SELECT count(*), sum(id)::bigint FROM t WHERE id >= $1";
            let sum = sqlx::query_as(sum).bind(7_i64).fetch_one(&mut connection).await;
            let sum: (i64, i64) = sum.expect("it answers");
            connection.close().await.expect("it closes");
            format!("{sum:?}")
        })
    });
    let node = native::redis();
    check("redis-rs", (node.addr, Protocol::Redis), |addr| {
        block_on(async {
            let client = redis::Client::open(format!("redis://{addr}/?protocol=resp3"));
            let client = client.expect("a sound URL");
            let mut connection =
                client.get_multiplexed_async_connection().await.expect("it connects");
            let mut pipeline = redis::pipe();
            pipeline.cmd("FLUSHALL").ignore();
            for n in 0..400 {
                pipeline.set(format!("k{n}"), n).ignore().incr("sum", n);
            }
            let sums: Vec<i64> = pipeline.query_async(&mut connection).await.expect("it answers");
            let mut atomic = redis::pipe();
            atomic.atomic().get("k7").hset("h", "f", "v").hgetall("h");
            let got: (i64, i64, std::collections::BTreeMap<String, String>) =
                atomic.query_async(&mut connection).await.expect("it answers");
            format!("{:?} {got:?}", sums.last())
        })
    });
}
