use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};
use sqlx::{Connection as _, Executor as _, PgConnection};

use super::{
    Moment::{self, SetUp, Settling, Storm},
    Row,
    deployment::{Deployment, alone, container, run_under, signal, wait_for},
};
use crate::{
    lifecycle::possible,
    servers::{Redis, starve},
};

type Breaks = fn(&mut Deployment, u32);

/// What happens to servers that are somebody's.
const TROUBLE: [(&str, Breaks, &[Moment]); 7] = [
    ("the primary dies", Deployment::primary_dies, &[SetUp, Storm, Settling]),
    ("the cache dies", Deployment::cache_dies, &[SetUp, Storm, Settling]),
    ("the primary starts anew", Deployment::primary_starts_anew, &[Storm, Settling]),
    ("the cache starts anew", Deployment::cache_starts_anew, &[Storm, Settling]),
    ("the cache stands still", Deployment::cache_stands_still, &[Storm]),
    ("rights are taken away", Deployment::rights_go, &[SetUp, Storm, Settling]),
    ("files run out", Deployment::files_run_out, &[Storm, Settling]),
];

pub(super) fn rows() -> Vec<Row> {
    let mut rows = on_native();
    for (what, breaks, moments) in TROUBLE {
        rows.extend(moments.iter().map(|&moment| external(what, moment, &[4], breaks)));
    }
    rows.extend(on_external());
    if possible("container engine", Command::new("docker").arg("version")) {
        rows.extend(on_docker());
    }
    rows.extend(on_external_replica());
    for (mode, place) in [("session", "pooler, session"), ("transaction", "pooler, transaction")] {
        rows.extend(behind_pooler(mode, place));
    }
    rows
}

fn row(
    what: &'static str,
    place: &'static str,
    moment: Moment,
    right: &'static [i32],
    happen: impl Fn() -> Option<i32> + Send + Sync + 'static,
) -> Row {
    Row { what, place, moment, right, happen: Box::new(happen) }
}

fn external(
    what: &'static str,
    moment: Moment,
    right: &'static [i32],
    breaks: impl Fn(&mut Deployment, u32) + Send + Sync + 'static,
) -> Row {
    row(what, "external", moment, right, move || Deployment::new(None).run(moment, &breaks))
}

/// Ctrl-C: what there is, is judged; it may say nothing yet.
fn interrupt(quarrel: u32) {
    kill_process(Pid::from_raw(quarrel.cast_signed()).unwrap(), Signal::INT).unwrap();
}

fn on_native() -> Vec<Row> {
    let on = |what, moment, right, breaks: fn(u32)| {
        row(what, "native", moment, right, move || alone("native", moment, breaks))
    };
    let mut rows = vec![on("nothing", SetUp, &[0, 3], |_| {})];
    for name in ["primary", "replica", "cache"] {
        let what = match name {
            "primary" => "the primary dies",
            "replica" => "the replica dies",
            _ => "the cache dies",
        };
        for moment in [Storm, Settling] {
            rows.push(row(what, "native", moment, &[4], move || {
                alone("native", moment, signal(name, Signal::KILL))
            }));
        }
    }
    rows.push(row("the cache stands still", "native", Storm, &[4], || {
        alone("native", Storm, signal("cache", Signal::STOP))
    }));
    rows.extend([
        on("files run out", Storm, &[4], starve),
        // Nothing is lost if all that is still needed is open.
        on("files run out", Settling, &[0, 4], starve),
        on("it is interrupted", Storm, &[0, 3], interrupt),
        on("it is interrupted", Settling, &[0, 3], interrupt),
        row("too few files are allowed", "native", SetUp, &[4], || {
            run_under("native", "ulimit -n 300")
        }),
    ]);
    rows
}

fn on_docker() -> Vec<Row> {
    let on = |what, moment, right, breaks: Box<dyn Fn(u32) + Send + Sync>| {
        row(what, "docker", moment, right, move || alone("docker", moment, &breaks))
    };
    let dies = |what, name, moment| on(what, moment, &[4], Box::new(container(name, "kill")));
    vec![
        on("nothing", SetUp, &[0, 3], Box::new(|_| {})),
        row("no engine answers", "docker", SetUp, &[4], || {
            run_under("docker", "export DOCKER_HOST=unix:///nowhere/docker.sock")
        }),
        row("an image is nowhere", "docker", SetUp, &[4], || {
            run_under("docker", "export QUARREL_CACHE_IMAGE=quarrel/nowhere:none")
        }),
        row("too few files are allowed", "docker", SetUp, &[4], || {
            run_under("docker", "ulimit -n 300")
        }),
        dies("the primary dies", "primary", Storm),
        dies("the replica dies", "replica", Storm),
        dies("the cache dies", "cache", Storm),
        dies("the proxy dies", "proxy", Storm),
        dies("the primary dies", "primary", Settling),
        dies("the replica dies", "replica", Settling),
        dies("the cache dies", "cache", Settling),
        on("the cache stands still", Storm, &[4], Box::new(container("cache", "pause"))),
        on("the cache stands still", Settling, &[4], Box::new(container("cache", "pause"))),
        on("files run out", Storm, &[4], Box::new(starve)),
        on("it is interrupted", Storm, &[0, 3], Box::new(interrupt)),
        on("it is interrupted", Settling, &[0, 3], Box::new(interrupt)),
    ]
}

/// The replica is not asked by the strategy; it is watched all the same.
fn on_external_replica() -> Vec<Row> {
    let dies = |moment| external("the replica dies", moment, &[4], Deployment::replica_dies);
    vec![dies(SetUp), dies(Storm), dies(Settling)]
}

fn on_external() -> Vec<Row> {
    vec![
        external("nothing", SetUp, &[0, 3], |_, _| {}),
        external("the cache is a Sentinel", SetUp, &[4], |there, _| {
            let sentinel = Redis::sentinel();
            there.cache = sentinel.url();
            there.redis = Some(sentinel);
        }),
        external("the cache is a replica", SetUp, &[4], |there, _| {
            let follower = Redis::start(&["--replicaof", "127.0.0.1 1"]);
            there.cache = follower.url();
            there.redis = Some(follower);
        }),
        external("the primary is a replica", SetUp, &[4], |there, _| {
            there.primary = there.replica.clone();
        }),
        external("there is no room", SetUp, &[4], |there, _| {
            let sql = "CREATE ROLE small LOGIN CONNECTION LIMIT 9; \
                       GRANT CREATE ON DATABASE postgres TO small";
            wait_for(there.owner().execute(sql));
            there.primary = there.primary.replace("postgres@", "small@");
        }),
        external("somebody else's queries fail", Storm, &[4], |there, _| {
            let url = there.primary.clone();
            // It ends with the server.
            std::thread::spawn(move || wait_for(fail(url)));
        }),
        external("it is interrupted", Storm, &[0, 3], |_, quarrel| interrupt(quarrel)),
        row("an application is to run there", "external", SetUp, &[4], || {
            Deployment::new(None).run_an_application()
        }),
    ]
}

/// Asks what cannot be answered until nobody is there.
async fn fail(url: String) {
    let mut other = PgConnection::connect(&url).await.unwrap();
    while let Err(sqlx::Error::Database(_)) = other.execute(sqlx::raw_sql("SELECT 1/0")).await {}
}

fn behind_pooler(mode: &'static str, place: &'static str) -> Vec<Row> {
    let there = move || Deployment::new(Some(mode));
    let behind = |what, moment, breaks: Breaks| {
        row(what, place, moment, &[4], move || there().run(moment, breaks))
    };
    vec![
        row("nothing", place, SetUp, &[0, 3], move || there().run(SetUp, |_, _| {})),
        behind("the pooler dies", SetUp, Deployment::pooler_dies),
        behind("the pooler dies", Storm, Deployment::pooler_dies),
        behind("the pooler dies", Settling, Deployment::pooler_dies),
        behind("the primary dies", Storm, Deployment::primary_dies),
        behind("the primary dies", Settling, Deployment::primary_dies),
        behind("the replica dies", Storm, Deployment::replica_dies),
        behind("the primary starts anew", Storm, Deployment::primary_starts_anew),
        behind("the cache starts anew", Settling, Deployment::cache_starts_anew),
        behind("the cache dies", Storm, Deployment::cache_dies),
        behind("rights are taken away", SetUp, Deployment::rights_go),
        behind("files run out", Storm, Deployment::files_run_out),
        row("it is interrupted", place, Storm, &[0, 3], move || {
            there().run(Storm, |_, quarrel| interrupt(quarrel))
        }),
    ]
}
