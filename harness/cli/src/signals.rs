use quarrel_strategy::record::Stop;
use tokio::signal::unix::{SignalKind, signal};

use super::output::eprintln;

/// Turns the first Ctrl-C, SIGTERM or SIGHUP (the terminal is gone) into a
/// request to stop, and ends the process at the second: whatever it leaves behind is then cleaned up by its
/// reaper.
pub(super) fn stop_on_signals() -> std::io::Result<Stop> {
    let stop = Stop::default();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let asked = stop.clone();
    tokio::spawn(async move {
        let mut next = async || {
            tokio::select! {
                biased;
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hang_up.recv() => {}
            }
        };
        next().await;
        asked.ask();
        eprintln!("stopping: healing faults, reading what there is; once more to stop at once");
        next().await;
        std::process::exit(130);
    });
    Ok(stop)
}
