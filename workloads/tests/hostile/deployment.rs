use std::{future::Future, process::Command};

use rustix::process::Signal;

use super::Moment;
use crate::{
    lifecycle::{Child, Held},
    servers::{Guest, Pooler, Pooling, Postgres, Redis, dump, port, send, server, starve},
};

/// A strategy that everything lets be, so that whatever is seen comes from the
/// world.
const STRATEGY: &str = "version-guard";

/// How a run is asked for that something happens to at this moment.
fn arguments(moment: Moment) -> Vec<&'static str> {
    let run = match moment {
        // Should it begin after all, it ends.
        Moment::SetUp => &["--time", "2s"][..],
        Moment::Storm => &["--time", "60s"],
        // So many keys are not read in a moment, and more would be read in
        // batches.
        Moment::Settling => &["--time", "1s", "--keys", "1000", "--settle", "60s"],
    };
    [&[STRATEGY], run].concat()
}

/// Waits for the moment.
fn until(child: &mut Child, moment: Moment) {
    match moment {
        Moment::SetUp => {}
        Moment::Storm => child.until_said("storm:"),
        Moment::Settling => child.until_said("final:"),
    }
}

pub(super) fn wait_for<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(work)
}

/// A run on a cluster of its own, of this kind, and what happens to it.
pub(super) fn alone(kind: &str, moment: Moment, breaks: impl FnOnce(u32)) -> Option<i32> {
    let run = [&["--cluster", kind, "--seed=7"], &arguments(moment)[..]].concat();
    let mut child = Child::run(&run, &[]);
    until(&mut child, moment);
    breaks(child.pid());
    child.wait().code
}

/// A run on a cluster of its own, of this kind, in a shell that does something
/// first.
pub(super) fn run_under(kind: &str, shell: &str) -> Option<i32> {
    let results = tempfile::tempdir().unwrap();
    let run = ["run", "--cluster", kind, "--seed=7", "--format", "json"];
    let output = Command::new("sh")
        .args(["-c", &format!("{shell}; exec \"$@\""), "sh", env!("CARGO_BIN_EXE_quarrel")])
        .args(run)
        .args(arguments(Moment::SetUp))
        .env("QUARREL_RESULTS", results.path())
        .output();
    output.unwrap().status.code()
}

/// Sends a signal to a server of a run's own.
pub(super) fn signal(name: &'static str, signal: Signal) -> impl Fn(u32) {
    move |quarrel| send(&server(quarrel, name).0, signal)
}

/// Does something to a container of a run's own.
pub(super) fn container(name: &'static str, does: &'static str) -> impl Fn(u32) {
    move |quarrel| {
        let listed = Command::new("docker")
            .args(["ps", "--format", "{{.Names}} {{.Label \"dev.quarrel.owner\"}}"])
            .output()
            .unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        let (suffix, owner) = (format!("-{name}"), format!("/{quarrel}/"));
        let mut pairs = listed.lines().filter_map(|line| line.split_once(' '));
        let found = pairs.find(|(name, by)| name.ends_with(&suffix) && by.contains(&owner));
        let (found, _) = found.unwrap_or_else(|| panic!("no {name} of {quarrel}: {listed}"));
        let status = Command::new("docker").args([does, found]).status().unwrap();
        assert!(status.success(), "docker {does} {found}");
    }
}

/// Servers that are somebody's.
pub(super) struct Deployment {
    held: Held,
    pub(super) redis: Option<Redis>,
    pub(super) pooler: Option<Pooler>,
    pub(super) primary: String,
    pub(super) replica: String,
    pub(super) cache: String,
}

impl Deployment {
    /// Behind a pooler that gives servers to this, if any.
    pub(super) fn new(mode: Option<&'static str>) -> Self {
        let held = Held::up("native");
        let redis = Redis::start(&[]);
        let servers = ["probe-primary", "probe-replica"].map(|part| held.url(part).to_owned());
        let ports = servers.each_ref().map(|url| port(url));
        let pooler = mode
            .map(|mode| Pooler::start(&Pooling { mode, ports, database: "postgres", door: None }));
        let [primary, replica] = match &pooler {
            Some(pooler) => ["primary", "replica"].map(|name| pooler.url(name)),
            None => servers,
        };
        Self { cache: redis.url(), redis: Some(redis), held, pooler, primary, replica }
    }

    /// The primary, as its owner sees it.
    pub(super) fn owner(&self) -> Postgres {
        wait_for(Postgres::at(self.held.url("probe-primary")))
    }

    /// A run there that `breaks` happens to; its exit code.
    pub(super) fn run(
        mut self,
        moment: Moment,
        breaks: impl FnOnce(&mut Self, u32),
    ) -> Option<i32> {
        if moment == Moment::SetUp {
            breaks(&mut self, 0);
            return self.start(&arguments(moment)).wait().code;
        }
        let mut child = self.start(&arguments(moment));
        until(&mut child, moment);
        breaks(&mut self, child.pid());
        child.wait().code
    }

    pub(super) fn start(&self, arguments: &[&str]) -> Child {
        let Self { primary, replica, cache, .. } = self;
        Guest { primary, replica, cache }.run(arguments)
    }

    /// An application has tables of its own to make, which is not ours to do on
    /// somebody's servers; no code if it did.
    pub(super) fn run_an_application(&self) -> Option<i32> {
        let app = concat!(env!("CARGO_MANIFEST_DIR"), "/apps/stdio/app.toml");
        let before = dump(&self.primary);
        let code = self.start(&["--app", app, "--time", "2s"]).wait().code;
        (dump(&self.primary) == before).then_some(code)?
    }

    pub(super) fn primary_dies(&mut self, _: u32) {
        self.owner().stop();
    }

    pub(super) fn replica_dies(&mut self, _: u32) {
        wait_for(Postgres::at(self.held.url("probe-replica"))).stop();
    }

    /// Whoever keeps it starts it again at once.
    pub(super) fn primary_starts_anew(&mut self, _: u32) {
        self.owner().restart();
    }

    pub(super) fn cache_dies(&mut self, _: u32) {
        self.redis = None;
    }

    pub(super) fn cache_starts_anew(&mut self, _: u32) {
        self.redis.as_mut().unwrap().restart();
    }

    pub(super) fn cache_stands_still(&mut self, _: u32) {
        let redis = self.redis.as_ref().unwrap();
        send(&[redis.process.id().cast_signed()], Signal::STOP);
    }

    pub(super) fn pooler_dies(&mut self, _: u32) {
        self.pooler = None;
    }

    /// The cache's keeper takes rights away.
    pub(super) fn rights_go(&mut self, _: u32) {
        let mut cache = self.redis.as_ref().unwrap().connect();
        let words = ["SETUSER", "default", "-get", "-set", "-eval", "-evalsha"];
        redis::cmd("ACL").arg(&words).exec(&mut cache).unwrap();
    }

    pub(super) fn files_run_out(&mut self, quarrel: u32) {
        starve(quarrel);
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        // One that was started anew is nobody's child.
        self.owner_if_there().iter().for_each(Postgres::stop);
    }
}

impl Deployment {
    fn owner_if_there(&self) -> Option<Postgres> {
        wait_for(Postgres::find(self.held.url("probe-primary")))
    }
}
