use std::{
    net::{Ipv4Addr, TcpListener},
    path::Path,
    time::Duration,
};

use tokio::{
    net::TcpStream,
    time::{Instant, sleep},
};

use super::{
    addresses::Addresses,
    file::{AppFile, Ready, Speaks, Start},
    http::Http,
    process::{Process, Wires, shell},
    stdio::Stdio,
};
use crate::cluster::{ClusterError, Reaper};

const POLL: Duration = Duration::from_millis(20);

/// One running copy of the application.
pub(super) struct Instance {
    /// None if somebody else started it.
    pub(super) process: Option<Process>,
    /// Where HTTP finds it.
    pub(super) base: String,
    /// Its wires, if it is spoken to over them.
    pub(super) stdio: Option<Stdio>,
}

/// A port that was free a moment ago.
pub(super) fn free_port() -> std::io::Result<u16> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr().map(|address| address.port())
}

/// Environment of a command: the file's, and its port.
pub(super) fn environment(file: &AppFile, addresses: &Addresses) -> Vec<(String, String)> {
    let named = file.env.iter().map(|(name, text)| (name.clone(), addresses.fill(text)));
    named.chain([("PORT".to_owned(), addresses.port.to_string())]).collect()
}

impl Instance {
    /// Starts one, and returns when it is ready.
    pub(super) async fn start(
        file: &AppFile,
        addresses: &Addresses,
        logs: &Path,
        reaper: &Reaper,
    ) -> Result<Self, ClusterError> {
        let command = match &file.start {
            Start::Attached(url) => {
                let instance = Self { process: None, base: url.clone(), stdio: None };
                instance.become_ready(file).await?;
                return Ok(instance);
            }
            Start::Command(command) => addresses.fill(command),
        };
        let env = environment(file, addresses);
        let log = logs.join(format!("app-{}.log", addresses.instance));
        let wires = match file.speaks {
            Speaks::Stdio => Wires::Piped,
            Speaks::Http(_) => Wires::None,
        };
        let failed = |error: std::io::Error| {
            ClusterError::new(format!("`{command}` could not be started: {error}"), CHECK)
        };
        let process = Process::start(shell(&command, &file.folder, &env), log, wires, reaper)
            .map_err(failed)?;
        let stdio = (wires == Wires::Piped).then(|| Stdio::of(&process)).transpose();
        let base = format!("http://127.0.0.1:{}", addresses.port);
        let instance = Self { process: Some(process), base, stdio: stdio.map_err(failed)? };
        instance.become_ready(file).await?;
        Ok(instance)
    }

    async fn become_ready(&self, file: &AppFile) -> Result<(), ClusterError> {
        let start = Instant::now();
        let http = Http::new(self.base.clone());
        loop {
            if let Some(ended) = self.process.as_ref().and_then(Process::ended) {
                return Err(self.not_ready(&format!("it ended ({ended}) before it was ready")));
            }
            let is_ready = match &file.ready {
                Ready::Path(path) => http.is_ready(path).await,
                Ready::Line(line) => self.has_said(line),
                Ready::Port => self.stdio.is_some() || self.takes_connections().await,
            };
            if is_ready {
                return Ok(());
            }
            if start.elapsed() > file.patience {
                let what = match &file.ready {
                    Ready::Path(path) => format!("GET {path} did not answer 2xx"),
                    Ready::Line(line) => format!("it did not say `{line}`"),
                    Ready::Port => "nothing listens at $PORT".to_owned(),
                };
                return Err(self.not_ready(&format!("{what} within {:?}", file.patience)));
            }
            sleep(POLL).await;
        }
    }

    async fn takes_connections(&self) -> bool {
        let address = self.base.trim_start_matches("http://");
        TcpStream::connect(address).await.is_ok()
    }

    fn has_said(&self, line: &str) -> bool {
        let Some(process) = &self.process else { return true };
        std::fs::read(&process.log)
            .is_ok_and(|said| memchr::memmem::find(&said, line.as_bytes()).is_some())
    }

    fn not_ready(&self, why: &str) -> ClusterError {
        let said = self.process.as_ref().map(Process::last_words).unwrap_or_default();
        ClusterError::new(format!("the application did not become ready: {why}{said}"), CHECK)
    }
}

const CHECK: &str = "the command, ready and env of the application's file; run the command by hand";
