//! The fault proxy as a program.

use crate::error::StartError;
use crate::server::{Config, FaultProxy};

/// Serves until the process is told to stop (Ctrl-C, or SIGTERM where there is
/// such a thing): what `quarrel proxy` does. Calls `ready` once, when the API
/// answers. Blocks its thread, which must not be one of an async runtime.
///
/// # Errors
///
/// It could not be started.
pub fn run_until_stopped(
    config: &Config,
    ready: impl FnOnce(&FaultProxy),
) -> Result<(), StartError> {
    raise_descriptor_limit();
    let server = FaultProxy::start(config)?;
    ready(&server);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(StartError::Threads)?;
    runtime.block_on(stop_signal()).map_err(StartError::Threads)?;
    server.stop();
    Ok(())
}

async fn stop_signal() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

/// Allows as many open files as the process may have: each connection takes
/// two, and the usual default of 1,024 is soon used up. A program does this
/// for itself; embedded, the limit is the user's. Best effort.
fn raise_descriptor_limit() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit, setrlimit};
        let mut limit = getrlimit(Resource::Nofile);
        limit.current = limit.maximum;
        let _ = setrlimit(Resource::Nofile, limit);
    }
}
