use std::{
    net::{Ipv4Addr, TcpListener},
    path::Path,
    time::Duration,
};

use quarrel_cluster::Reaper;
use quarrel_strategy::cluster::ClusterError;
use tokio::net::TcpStream;

use super::{
    addresses::Addresses,
    file::{AppFile, Ready, Speaks},
    http::Http,
    process::{Process, Wires, shell},
    stdio::Stdio,
    wait::{Patience, Wait},
};

const POLL: Duration = Duration::from_millis(20);

/// One running copy of the application.
pub(super) struct Instance {
    pub(super) process: Process,
    /// Where HTTP finds it.
    pub(super) base: String,
    /// Its wires, if it is spoken to over them.
    pub(super) stdio: Option<Stdio>,
}

/// A port that was free a moment ago.
pub(super) fn free_port() -> std::io::Result<u16> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr().map(|address| address.port())
}

/// Ports that are tried: between the moment that one was free and the one that
/// the application listens, somebody else may have got it.
const PORTS: usize = 3;

fn is_taken(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_err()
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
        let mut place = addresses.clone();
        let mut tried = 0;
        loop {
            tried += 1;
            let instance = Self::launch(file, &place, logs, reaper)?;
            match instance.become_ready(file).await {
                Ok(()) => return Ok(instance),
                Err(_)
                    if tried < PORTS
                        && instance.process.ended().is_some()
                        && is_taken(place.port) =>
                {
                    place.port = free_port().map_err(|error| {
                        ClusterError::new(format!("no port is free: {error}"), "quarrel doctor")
                    })?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn launch(
        file: &AppFile,
        addresses: &Addresses,
        logs: &Path,
        reaper: &Reaper,
    ) -> Result<Self, ClusterError> {
        let command = addresses.fill(&file.command);
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
        Ok(Self { process, base, stdio: stdio.map_err(failed)? })
    }

    async fn become_ready(&self, file: &AppFile) -> Result<(), ClusterError> {
        let http = Http::new(self.base.clone());
        let wait = Wait::begin(Patience { within: file.patience, every: POLL });
        loop {
            if let Some(ended) = self.process.ended() {
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
            if !wait.again().await {
                break;
            }
        }
        let what = match &file.ready {
            Ready::Path(path) => format!("GET {path} did not answer 2xx"),
            Ready::Line(line) => format!("it did not say `{line}`"),
            Ready::Port => "nothing listens at $PORT".to_owned(),
        };
        Err(self.not_ready(&format!("{what} within {:?}", file.patience)))
    }

    async fn takes_connections(&self) -> bool {
        let address = self.base.trim_start_matches("http://");
        TcpStream::connect(address).await.is_ok()
    }

    fn has_said(&self, line: &str) -> bool {
        std::fs::read(&self.process.log)
            .is_ok_and(|said| memchr::memmem::find(&said, line.as_bytes()).is_some())
    }

    fn not_ready(&self, why: &str) -> ClusterError {
        let said = self.process.last_words();
        ClusterError::new(format!("the application did not become ready: {why}{said}"), CHECK)
    }
}

const CHECK: &str = "the command, ready and env of the application's file; run the command by hand";
