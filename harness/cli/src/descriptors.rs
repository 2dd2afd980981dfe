//! How many files and sockets this process may have open, and needs.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::Failure;

/// What one client holds at most: a connection to each store and one that
/// listens, for itself and for the worker that does what it put off, each
/// twice more where the fault proxy runs in this process.
const A_CLIENT: u64 = 4 * 2 * 3;
/// Everything else: probes, faults, logs, the reports.
const BESIDES: u64 = 256;

/// Allows as many open files as the system lets this process have: the usual
/// soft limit of 1,024 is for programs that use `select`.
pub(super) fn raise_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Where that is refused, `enough_descriptors` says what is missing.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// Whether so many clients can have the connections that they need.
pub(super) fn enough_descriptors(clients: u64) -> Result<(), Failure> {
    match getrlimit(Resource::Nofile).current {
        Some(allowed) if allowed < needed(clients) => Err(refusal(clients, allowed)),
        _ => Ok(()),
    }
}

const fn needed(clients: u64) -> u64 {
    clients * A_CLIENT + BESIDES
}

fn refusal(clients: u64, allowed: u64) -> Failure {
    let most = allowed.saturating_sub(BESIDES) / A_CLIENT;
    Failure::environment(format!(
        "{clients} clients may need {} open files and sockets, but this process is allowed \
         {allowed}\n  try: --clients {}, or ulimit -n {0} (ulimit -Hn says how far that goes)",
        needed(clients),
        most.max(1)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_and_what_is_advised_fit_together() {
        let refused = refusal(400, 1_024);
        assert_eq!(refused.code, 4);
        assert!(refused.message.contains("--clients 32,"), "{}", refused.message);
        assert!(needed(32) <= 1_024 && needed(33) > 1_024);
    }
}
