use std::{
    fs,
    net::SocketAddr,
    path::Path,
    process::Child,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use quarrel_strategy::cluster::{Boxed, ClusterError, Node};
use rustix::process::Signal;

use super::{
    Binaries, EmbeddedProxy, Ports,
    process::{gone, run, signal_tree, spawn, tree, unprivileged},
    template::SLOT,
    workspace::Workspace,
};
use crate::NodeControl;

/// The three server processes.
#[derive(Debug)]
pub(super) struct Servers {
    binaries: Binaries,
    workspace: Workspace,
    ports: Ports,
    running: Mutex<[Option<Child>; 3]>,
    /// Lives as long as the servers that are reached through it.
    _proxy: EmbeddedProxy,
}

const LIMIT: Duration = Duration::from_secs(5);

impl Servers {
    pub(super) fn start(
        binaries: Binaries,
        workspace: Workspace,
        ports: Ports,
        upstream: SocketAddr,
        proxy: EmbeddedProxy,
    ) -> Result<Self, ClusterError> {
        let running = Mutex::new([None, None, None]);
        let servers = Self { binaries, workspace, ports, running, _proxy: proxy };
        let started = servers.configure(upstream).and_then(|()| {
            [Node::Primary, Node::Replica, Node::Cache]
                .into_iter()
                .try_for_each(|node| servers.launch(node))
        });
        started.map_err(|why| {
            servers.stop_now();
            servers.workspace.remove();
            ClusterError::new(format!("cannot start the servers: {why}"), "quarrel doctor")
        })?;
        Ok(servers)
    }

    fn configure(&self, upstream: SocketAddr) -> Result<(), String> {
        let primary = self.workspace.data("primary");
        let replica = self.workspace.data("replica");
        // Only commits with remote_apply wait for the replica: everybody else's
        // synchronous_commit is local.
        let named = "synchronous_standby_names = 'replica'";
        append(&primary, &format!("port = {}\n{named}", self.ports.primary))?;
        append(
            &replica,
            &format!(
                "port = {}\n{named}\nprimary_slot_name = '{SLOT}'\n\
                 primary_conninfo = 'host={} port={} user=postgres application_name=replica connect_timeout=2'",
                self.ports.replica,
                upstream.ip(),
                upstream.port(),
            ),
        )?;
        let slot = replica.join("pg_replslot").join(SLOT);
        fs::remove_dir_all(slot).map_err(|e| e.to_string())?;
        fs::write(replica.join("standby.signal"), "").map_err(|e| e.to_string())
    }

    /// Starts a node's process, or starts it again.
    fn launch(&self, node: Node) -> Result<(), String> {
        let name = node.to_string();
        let log = self.workspace.log(&name);
        let command = match node {
            Node::Primary | Node::Replica => {
                let mut command = unprivileged(self.binaries.postgres("postgres"));
                command.arg("-D").arg(self.workspace.data(&name));
                command
            }
            Node::Cache => {
                let mut command = std::process::Command::new(&self.binaries.redis);
                command
                    .args(["--port", &self.ports.cache.to_string(), "--bind", "127.0.0.1"])
                    // Snapshots only on demand: a cache that saves by itself
                    // brings deleted entries back after a crash.
                    .args(["--save", "", "--appendonly", "no", "--dir"])
                    .arg(self.workspace.cache());
                command
            }
        };
        let reaper = &self.workspace.reaper;
        let child = spawn(&command, &log, reaper).map_err(|e| format!("{name}: {e}"))?;
        self.lock()[index(node)] = Some(child);
        Ok(())
    }

    /// Makes a dead server's data a copy of a running one's.
    fn rebuild(&self, node: Node, of: Node) -> Result<(), String> {
        let data = self.workspace.data(&node.to_string());
        // The folder itself stays: only its owner may make one here.
        for entry in fs::read_dir(&data).map_err(|e| e.to_string())?.flatten() {
            let path = entry.path();
            let removed =
                if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.map_err(|e| format!("{}: {e}", path.display()))?;
        }
        let mut copies = unprivileged(self.binaries.postgres("pg_basebackup"));
        copies
            .args(["-h", "127.0.0.1", "-U", "postgres", "-p", &self.port(of).to_string(), "-D"])
            .arg(&data)
            .args(["--checkpoint=fast", "--wal-method=stream", "--no-sync"])
            .args(["--create-slot", "--slot", SLOT]);
        run(&copies, &self.workspace.reaper)?;
        // The copy has the other's port; the rest of its settings will do: what
        // the replica dials is the proxy.
        append(&data, &format!("port = {}", self.port(node)))?;
        let signal = data.join("standby.signal");
        fs::write(&signal, "").map_err(|e| format!("{}: {e}", signal.display()))
    }

    const fn port(&self, node: Node) -> u16 {
        match node {
            Node::Primary => self.ports.primary,
            Node::Replica => self.ports.replica,
            Node::Cache => self.ports.cache,
        }
    }

    fn pid(&self, node: Node) -> Result<u32, String> {
        let running = self.lock();
        let child = running[index(node)].as_ref();
        child.map(Child::id).ok_or_else(|| format!("the {node} is not running"))
    }

    async fn kill(&self, node: Node) -> Result<(), String> {
        let pid = self.pid(node)?;
        let doomed = tree(pid);
        signal_tree(pid, Signal::KILL);
        // A backend that outlives the postmaster keeps the next one from
        // starting.
        for pid in &doomed {
            super::process::signal_one(*pid, Signal::KILL);
        }
        gone(&doomed, LIMIT).await?;
        self.collect(node);
        Ok(())
    }

    /// Waits until a server ends that nobody told to.
    pub(super) async fn exited(&self) -> Node {
        loop {
            let ended = [Node::Primary, Node::Replica, Node::Cache].into_iter().find(|node| {
                let mut running = self.lock();
                let child = running[index(*node)].as_mut();
                child.is_some_and(|child| !matches!(child.try_wait(), Ok(None)))
            });
            match ended {
                Some(node) => return node,
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// Takes a dead child off the process table.
    fn collect(&self, node: Node) {
        if let Some(mut child) = self.lock()[index(node)].take() {
            drop(child.wait());
        }
    }

    fn stop_now(&self) {
        for child in self.lock().iter_mut().filter_map(Option::take) {
            signal_tree(child.id(), Signal::CONT);
            signal_tree(child.id(), Signal::KILL);
            let mut child = child;
            drop(child.wait());
        }
    }

    async fn stop(&self) -> Vec<String> {
        let nodes = [Node::Primary, Node::Replica, Node::Cache];
        let mut pids = Vec::new();
        for pid in nodes.iter().filter_map(|node| self.pid(*node).ok()) {
            pids.extend(tree(pid));
            signal_tree(pid, Signal::CONT);
        }
        for node in nodes {
            if let Ok(pid) = self.pid(node) {
                // QUIT is Postgres's immediate shutdown: no checkpoint, but it
                // frees its shared memory. Redis has nothing to free.
                let signal = if node == Node::Cache { Signal::KILL } else { Signal::QUIT };
                super::process::signal_one(pid, signal);
            }
        }
        let stuck = gone(&pids, LIMIT).await;
        if stuck.is_err() {
            for pid in &pids {
                super::process::signal_one(*pid, Signal::KILL);
            }
        }
        let left = gone(&pids, LIMIT).await;
        nodes.into_iter().for_each(|node| self.collect(node));
        left.err().into_iter().chain(self.workspace.remove()).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, [Option<Child>; 3]> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl NodeControl for Arc<Servers> {
    fn kill(&self, node: Node) -> Boxed<'_, Result<(), String>> {
        Box::pin(Servers::kill(self, node))
    }

    fn start(&self, node: Node) -> Boxed<'_, Result<(), String>> {
        Box::pin(async move { self.launch(node) })
    }

    fn freeze(&self, node: Node) -> Boxed<'_, Result<(), String>> {
        Box::pin(async move { self.pid(node).map(|pid| signal_tree(pid, Signal::STOP)) })
    }

    fn thaw(&self, node: Node) -> Boxed<'_, Result<(), String>> {
        Box::pin(async move { self.pid(node).map(|pid| signal_tree(pid, Signal::CONT)) })
    }

    fn rebuild(&self, node: Node, of: Node) -> Boxed<'_, Result<(), String>> {
        let servers = Self::clone(self);
        Box::pin(async move {
            let copied = tokio::task::spawn_blocking(move || Servers::rebuild(&servers, node, of));
            copied.await.map_err(|error| error.to_string())?
        })
    }

    fn address(&self, node: Node) -> Option<String> {
        Some(format!("127.0.0.1:{}", self.port(node)))
    }

    fn logs(&self) -> Boxed<'_, Vec<(String, String)>> {
        Box::pin(async move {
            ["primary", "replica", "cache"]
                .into_iter()
                .filter_map(|node| {
                    let text = fs::read(self.workspace.log(node)).ok()?;
                    Some((node.to_owned(), String::from_utf8_lossy(&text).into_owned()))
                })
                .collect()
        })
    }

    fn missing(&self) -> Option<String> {
        let gone = !self.workspace.is_there();
        gone.then(|| format!("the servers' data in {}", self.workspace.root.display()))
    }

    fn down(&self) -> Boxed<'_, Vec<String>> {
        Box::pin(self.stop())
    }
}

const fn index(node: Node) -> usize {
    match node {
        Node::Primary => 0,
        Node::Replica => 1,
        Node::Cache => 2,
    }
}

fn append(data: &Path, settings: &str) -> Result<(), String> {
    let conf = data.join("postgresql.conf");
    let mut text = fs::read_to_string(&conf).map_err(|e| format!("{}: {e}", conf.display()))?;
    text.push_str(settings);
    text.push('\n');
    fs::write(&conf, text).map_err(|e| format!("{}: {e}", conf.display()))
}
