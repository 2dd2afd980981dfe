use std::{io, time::Duration};

use testcontainers::{
    bollard::{Docker, errors::Error},
    core::client::docker_client_instance,
};
use tokio::time::timeout;

use quarrel_strategy::cluster::Boxed;

use super::{super::ClusterError, images};

/// An engine on this machine answers within milliseconds.
const LIMIT: Duration = Duration::from_secs(5);

/// What there is for a docker cluster.
#[derive(Clone, Debug)]
pub struct EngineReport {
    /// The engine's own name and version.
    pub engine: String,
    /// The image of each role.
    pub images: Vec<ImageReport>,
}

/// The image of one role.
#[derive(Clone, Debug)]
pub struct ImageReport {
    /// `postgres`, `cache` or `proxy`.
    pub role: &'static str,
    /// What it is called.
    pub name: String,
    /// What it is, or how to come by it.
    pub state: Result<String, String>,
}

/// Looks what there is.
///
/// # Errors
///
/// When no engine answers, with advice.
pub fn report() -> Boxed<'static, Result<EngineReport, ClusterError>> {
    Box::pin(async move {
        let docker = connect().await?;
        let version = docker.version().await.map_err(|error| explain(&error))?;
        let name = version.platform.map_or_else(|| "Docker".to_owned(), |platform| platform.name);
        let name = if name.is_empty() { "Docker".to_owned() } else { name };
        Ok(EngineReport {
            engine: format!("{name} {}", version.version.unwrap_or_default()),
            images: images::report(&docker).await,
        })
    })
}

/// A client of the engine, which answered.
pub(super) async fn connect() -> Result<Docker, ClusterError> {
    let docker = docker_client_instance().await.map_err(|error| match error {
        testcontainers::core::error::ClientError::Init(error) => explain(&error),
        other => ClusterError::new(other.to_string(), "check DOCKER_HOST"),
    })?;
    match timeout(LIMIT, docker.ping()).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => return Err(explain(&error)),
        Err(_) => {
            return Err(ClusterError::new(
                format!("the container engine does not answer within {} s", LIMIT.as_secs()),
                "sudo systemctl restart docker",
            ));
        }
    }
    // Scripts make images, and a shell cleans up after a killed quarrel.
    if command_is_there("docker") {
        Ok(docker)
    } else {
        Err(ClusterError::new(
            "an engine answers, but there is no command `docker`, which makes images and cleans up",
            "apt-get install docker-cli   (docker.io before Debian 13)",
        ))
    }
}

fn command_is_there(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
}

/// Why no engine answers, and what to do.
fn explain(error: &Error) -> ClusterError {
    let host = std::env::var("DOCKER_HOST");
    let at = host.as_deref().unwrap_or("its usual socket");
    let start = "sudo systemctl start docker; without an engine: apt-get install docker.io";
    match (error, io_kind(error)) {
        (Error::SocketNotFoundError(_), _) | (_, Some(io::ErrorKind::NotFound)) => {
            ClusterError::new(format!("no container engine at {at}: there is no socket"), start)
        }
        (_, Some(io::ErrorKind::PermissionDenied)) => ClusterError::new(
            format!("the container engine at {at} does not let this user in"),
            "sudo usermod -aG docker $USER, and log in again",
        ),
        (_, Some(io::ErrorKind::ConnectionRefused)) => {
            ClusterError::new(format!("no container engine listens at {at}"), start)
        }
        (other, _) => {
            ClusterError::new(format!("no container engine answers at {at}: {other}"), start)
        }
    }
}

/// The operating system's own word, somewhere below.
fn io_kind(error: &Error) -> Option<io::ErrorKind> {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return Some(io.kind());
        }
        next = error.source();
    }
    None
}
