use std::{
    fs,
    future::Future,
    io::{BufRead as _, BufReader},
    os::unix::fs::PermissionsExt as _,
    process::{Child as Process, Command, Stdio},
    thread,
    time::Duration,
};

use rustix::process::Signal;
use sqlx::{Connection as _, Executor as _, PgConnection};
use tokio::runtime::Runtime;

use super::{
    Moment, PAUSE, Place,
    own::interrupt,
    places::{arguments, word},
};
use crate::{
    lifecycle::{Child, Held},
    servers::{Guest, Pooler, Pooling, Postgres, Redis, dump, find_server, port, send, starve},
};

pub(super) fn wait_for<T>(work: impl Future<Output = T>) -> T {
    runtime().block_on(work)
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A schema and rows that are called as quarrel's are, and are not.
const THEIRS: &str = "CREATE SCHEMA quarrel_0; \
                      CREATE TABLE quarrel_0.kv (key bigint PRIMARY KEY, value text); \
                      INSERT INTO quarrel_0.kv VALUES (1, 'theirs')";

/// Servers that are somebody's.
pub(super) struct Deployment {
    held: Held,
    pub(super) redis: Option<Redis>,
    pooler: Option<Pooler>,
    toxiproxy: Option<Toxiproxy>,
    pub(super) primary: String,
    pub(super) replica: String,
    pub(super) cache: String,
}

impl Deployment {
    pub(super) fn at(place: Place) -> Self {
        let held = Held::up("native");
        let redis = Redis::start(&[]);
        let servers = ["probe-primary", "probe-replica"].map(|part| held.url(part).to_owned());
        let ports = servers.each_ref().map(|url| port(url));
        let pooled = |mode| Pooling { mode, ports, database: "postgres", door: None };
        let pooler = match place {
            Place::Sessions => Some(Pooler::start(&pooled("session"))),
            Place::Transactions => Some(Pooler::start(&pooled("transaction"))),
            _ => None,
        };
        let [primary, replica] = match &pooler {
            Some(pooler) => ["primary", "replica"].map(|name| pooler.url(name)),
            None => servers,
        };
        let (cache, redis) = (redis.url(), Some(redis));
        let there = Self { held, redis, pooler, toxiproxy: None, primary, replica, cache };
        wait_for(there.owner("primary").execute(THEIRS));
        there
    }

    /// The same, with a Toxiproxy.
    pub(super) fn proxied(place: Place) -> Self {
        let mut there = Self::at(place);
        there.toxiproxy = Some(Toxiproxy::start());
        there
    }

    /// A Postgres, as its owner sees it.
    pub(super) fn owner(&self, name: &str) -> Postgres {
        wait_for(Postgres::at(self.url(name)))
    }

    fn url(&self, name: &str) -> &str {
        self.held.url(match name {
            "primary" => "probe-primary",
            _ => "probe-replica",
        })
    }

    /// A run there that `breaks` happens to; its exit code.
    pub(super) fn run(
        mut self,
        moment: Moment,
        breaks: impl FnOnce(&mut Self, u32),
    ) -> Option<i32> {
        if moment == Moment::SetUp {
            breaks(&mut self, 0);
            return self.start(moment).wait().code;
        }
        let mut child = self.start(moment);
        child.until_said(word(moment));
        breaks(&mut self, child.pid());
        child.wait().code
    }

    /// A run that nothing happens to, or that is interrupted, and leaves what is
    /// there as it was; no code if it did not.
    pub(super) fn spared_by(self, moment: Option<Moment>) -> Option<i32> {
        let before = self.all();
        let mut child = self.start(moment.unwrap_or(Moment::SetUp));
        if let Some(moment) = moment {
            child.until_said(word(moment));
            if moment == Moment::SetUp {
                self.until_schema(&mut child);
            }
            interrupt(child.pid());
        }
        let code = child.wait().code;
        (self.all() == before).then_some(code)?
    }

    /// Everything that stands in its database, schemas included.
    fn all(&self) -> String {
        dump(self.url("primary"))
    }

    /// Waits until a run has made something there.
    fn until_schema(&self, child: &mut Child) {
        let made =
            "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname ~ '^quarrel_[0-9a-f]{8}$')";
        let runtime = runtime();
        let mut owner = runtime.block_on(PgConnection::connect(self.url("primary"))).unwrap();
        child.until(PAUSE, "schema", |_| {
            runtime.block_on(sqlx::query_scalar(made).fetch_one(&mut owner)).unwrap()
        });
    }

    fn start(&self, moment: Moment) -> Child {
        let toxiproxy = self.toxiproxy.as_ref().map(|proxy| proxy.api.as_str());
        let through = toxiproxy.map(|api| ["--toxiproxy", api]).into_iter().flatten();
        let run = arguments(moment).into_iter().chain(through).collect::<Vec<_>>();
        self.start_with(&run)
    }

    fn start_with(&self, run: &[&str]) -> Child {
        let Self { primary, replica, cache, .. } = self;
        Guest { primary, replica, cache }.run(run)
    }

    /// A run in a shell that does something first.
    pub(super) fn run_under(&self, shell: &str, moment: Moment) -> Option<i32> {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("quarrel-in-a-shell");
        let quarrel = env!("CARGO_BIN_EXE_quarrel");
        fs::write(&program, format!("#!/bin/sh\n{shell}\nexec '{quarrel}' \"$@\"\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let run = [&["--cluster", "external", "--seed=7"], &arguments(moment)[..]].concat();
        let variables = [
            ("QUARREL_PRIMARY_URL", self.primary.as_str()),
            ("QUARREL_REPLICA_URL", &self.replica),
            ("QUARREL_CACHE_URL", &self.cache),
        ];
        Child::run_of(&program, &run, &variables).wait().code
    }

    /// An application has tables of its own to make, which is not ours to do on
    /// somebody's servers; no code if it did.
    pub(super) fn run_an_application(&self) -> Option<i32> {
        let app = concat!(env!("CARGO_MANIFEST_DIR"), "/apps/stdio/app.toml");
        let before = self.all();
        let code = self.start_with(&["--app", app, "--time", "2s"]).wait().code;
        (self.all() == before).then_some(code)?
    }

    pub(super) fn dies(&mut self, name: &str) {
        match name {
            "cache" => self.redis = None,
            name => self.owner(name).stop(),
        }
    }

    /// Whoever keeps it starts it again at once.
    pub(super) fn starts_anew(&mut self, name: &str) {
        match name {
            "cache" => self.redis.as_mut().unwrap().restart(),
            name => self.owner(name).restart(),
        }
    }

    /// The cluster's holder wakes it before it ends it.
    pub(super) fn stands_still(&mut self, name: &str) {
        let pids = match name {
            "cache" => vec![self.redis.as_ref().unwrap().process.id().cast_signed()],
            name => find_server(self.held.pid, name).expect("it runs").0,
        };
        send(&pids, Signal::STOP);
    }

    pub(super) fn pooler_dies(&mut self, _: u32) {
        self.pooler = None;
    }

    /// With its open links.
    pub(super) fn toxiproxy_dies(&mut self, _: u32) {
        let Toxiproxy { process, .. } = self.toxiproxy.as_mut().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// The cache's keeper takes rights away.
    pub(super) fn rights_go(&mut self, _: u32) {
        self.tell_cache("ACL", &["SETUSER", "default", "-get", "-set", "-eval", "-evalsha"]);
    }

    /// A failover makes another server the cache.
    pub(super) fn cache_becomes_a_replica(&mut self, _: u32) {
        self.tell_cache("REPLICAOF", &["127.0.0.1", "1"]);
    }

    fn tell_cache(&self, command: &str, words: &[&str]) {
        let mut cache = self.redis.as_ref().unwrap().connect();
        redis::cmd(command).arg(words).exec(&mut cache).unwrap();
    }

    pub(super) fn files_run_out(&mut self, quarrel: u32) {
        starve(quarrel);
    }

    /// Asks what cannot be answered until nobody is there.
    pub(super) fn somebodys_queries_fail(&mut self, _: u32) {
        let url = self.url("primary").to_owned();
        // It ends with the server.
        thread::spawn(move || {
            wait_for(async {
                let mut other = PgConnection::connect(&url).await.unwrap();
                let wrong = || sqlx::raw_sql("SELECT 1/0");
                while let Err(sqlx::Error::Database(_)) = other.execute(wrong()).await {}
            });
        });
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        // One that was started anew is nobody's child.
        for name in ["replica", "primary"] {
            // One that stands still does not answer.
            let soon = Duration::from_secs(2);
            let there = wait_for(async {
                tokio::time::timeout(soon, Postgres::find(self.url(name))).await.ok().flatten()
            });
            there.iter().for_each(Postgres::stop);
        }
    }
}

/// Quarrel's own, in a process that can be killed.
struct Toxiproxy {
    process: Process,
    api: String,
}

impl Toxiproxy {
    fn start() -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_quarrel"))
            .args(["proxy", "--port", "0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // It says where it is once it listens.
        let mut said = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut said).unwrap();
        let api = said.strip_prefix("API on http://").and_then(|said| said.split_once(','));
        let api = api.unwrap_or_else(|| panic!("no address in {said:?}")).0.to_owned();
        Self { process, api }
    }
}

impl Drop for Toxiproxy {
    fn drop(&mut self) {
        // It may have been killed already.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
