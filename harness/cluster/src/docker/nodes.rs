use std::{collections::HashMap, time::Duration};

use futures::{StreamExt as _, future::join_all};
use testcontainers::bollard::{
    Docker,
    errors::Error,
    exec::{CreateExecOptions, StartExecResults},
    query_parameters::{ListContainersOptionsBuilder, LogsOptionsBuilder},
};
use tokio::time::sleep;

use super::{
    super::{Boxed, Node, NodeControl, Reaper},
    containers::{CACHE_SCRIPT, Containers, POSTGRES, POSTGRES_SCRIPT, REPLICA_PRIMARY},
    run_id::RunId,
    sweep,
};

/// The servers, each in its container.
#[derive(Debug)]
pub(super) struct Nodes {
    docker: Docker,
    pub(super) run: RunId,
    reaper: Reaper,
    pub(super) containers: Containers,
}

impl Nodes {
    pub(super) const fn new(
        docker: Docker,
        run: RunId,
        reaper: Reaper,
        containers: Containers,
    ) -> Self {
        Self { docker, run, reaper, containers }
    }

    /// Has the supervisor inside a container do something, and waits for it. A
    /// server killed inside a living container keeps its data in memory, its
    /// address and its ports; a killed container keeps none.
    async fn supervisor(&self, node: Node, order: &[&str]) -> Result<(), String> {
        let script = if node == Node::Cache { CACHE_SCRIPT } else { POSTGRES_SCRIPT };
        let id = self.containers.of(node).id();
        let verb = order[0];
        match self.execute(id, &[&["sh", script], order].concat()).await {
            Ok((Some(0), _)) => Ok(()),
            Ok((status, said)) => {
                let status = status.map_or_else(|| "no status".to_owned(), |s| s.to_string());
                Err(format!("{verb} of the {node} ended with {status}: {}", said.trim()))
            }
            Err(error) => Err(format!("{verb} of the {node}: {error}")),
        }
    }

    /// What a container is called inside the network.
    fn host(&self, role: impl std::fmt::Display) -> String {
        format!("{}-{role}", self.run.name())
    }

    /// Runs a command in a container; its status and what it said.
    async fn execute(&self, id: &str, command: &[&str]) -> Result<(Option<i64>, String), Error> {
        let options = CreateExecOptions {
            cmd: Some(command.to_vec()),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            ..CreateExecOptions::default()
        };
        let exec = self.docker.create_exec(id, options).await?.id;
        let mut said = String::new();
        if let StartExecResults::Attached { mut output, .. } =
            self.docker.start_exec(&exec, None).await?
        {
            while let Some(line) = output.next().await {
                said.push_str(&line?.to_string());
            }
        }
        Ok((self.docker.inspect_exec(&exec).await?.exit_code, said))
    }

    /// Waits until a container has ended by itself; says which.
    pub(super) async fn one_ends(&self) -> String {
        let filters = HashMap::from([
            ("label".to_owned(), vec![self.run.label()]),
            ("status".to_owned(), vec!["exited".to_owned(), "dead".to_owned()]),
        ]);
        loop {
            let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
            let ended = self.docker.list_containers(Some(options)).await.unwrap_or_default();
            if let Some(one) = ended.first() {
                let id = one.id.as_deref().unwrap_or_default();
                let ids = self.containers.ids();
                let name =
                    ids.iter().find(|(_, of)| of == id).map_or("something", |(name, _)| name);
                let status = one.status.as_deref().unwrap_or("no status");
                return format!("the container of the {name} ended: {status}");
            }
            sleep(Duration::from_millis(250)).await;
        }
    }

    async fn log(&self, id: &str) -> String {
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true).build();
        let mut lines = self.docker.logs(id, Some(options));
        let mut text = Vec::new();
        while let Some(Ok(line)) = lines.next().await {
            text.extend_from_slice(&line.into_bytes());
        }
        String::from_utf8_lossy(&text).into_owned()
    }
}

impl NodeControl for Nodes {
    fn kill(&self, node: Node) -> Boxed<'_, Result<(), String>> {
        Box::pin(self.supervisor(node, &["crash"]))
    }

    fn start(&self, node: Node) -> Boxed<'_, Result<(), String>> {
        Box::pin(self.supervisor(node, &["start"]))
    }

    fn freeze(&self, node: Node) -> Boxed<'_, Result<(), String>> {
        Box::pin(async move {
            self.containers.of(node).pause().await.map_err(|error| error.to_string())
        })
    }

    fn thaw(&self, node: Node) -> Boxed<'_, Result<(), String>> {
        Box::pin(async move {
            self.containers.of(node).unpause().await.map_err(|error| error.to_string())
        })
    }

    fn rebuild(&self, node: Node, of: Node) -> Boxed<'_, Result<(), String>> {
        Box::pin(async move {
            // The copy comes straight from the server, what follows by the link.
            let (source, proxy) = (self.host(of), self.host("proxy"));
            let (port, link) = (POSTGRES.to_string(), REPLICA_PRIMARY.to_string());
            self.supervisor(node, &["follow", &source, &port, &proxy, &link]).await
        })
    }

    fn address(&self, node: Node) -> Option<String> {
        Some(format!("{}:{POSTGRES}", self.host(node)))
    }

    fn logs(&self) -> Boxed<'_, Vec<(String, String)>> {
        Box::pin(async move {
            let read = |(name, id): (&'static str, String)| async move {
                (name.to_owned(), self.log(&id).await)
            };
            join_all(self.containers.ids().map(read)).await
        })
    }

    fn down(&self) -> Boxed<'_, Vec<String>> {
        Box::pin(async move {
            let left = sweep::remove(&self.docker, &self.run.label()).await;
            if left.is_empty() {
                self.reaper.done();
            }
            left
        })
    }
}
