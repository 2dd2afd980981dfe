use std::{error::Error, io, sync::Arc};

use quarrel_checkers::{Certainty, Site};
use redis::{ErrorKind, RedisError, ServerErrorKind};
use rustix::io::Errno;

/// A call to a store did not bring an answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{site}: {message}")]
pub struct StoreError {
    /// Which store.
    pub site: Site,
    /// Whether it proves that nothing happened. Anything not known to be
    /// definite is indefinite.
    pub certainty: Certainty,
    /// What the client saw, in the store's words.
    pub message: String,
    /// Whether the connection may still be used. After a time-out or a broken
    /// connection it must not: a late reply would answer the wrong question.
    pub connection: ConnectionState,
    /// Whose want it was.
    pub want: Want,
}

/// Whose want an error shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Want {
    /// Of the store or of the way to it: what a run is about.
    #[default]
    Theirs,
    /// Of this process: it is out of descriptors, ports, buffers or memory. It
    /// says nothing about anybody else.
    Ours,
    /// Of a right that whoever keeps the store did not give us. No fault takes
    /// one away, and an application that runs has it.
    Rights,
}

/// SQLSTATEs that say so: insufficient privilege, and two kinds of invalid
/// authorization.
const DENIED: [&str; 3] = ["42501", "28000", "28P01"];

/// What the system says to a process that is out of something.
const EXHAUSTED: [Errno; 5] =
    [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM, Errno::ADDRNOTAVAIL];

impl Want {
    /// Whose want stands behind an error of a client library.
    #[must_use]
    pub fn behind(error: &(dyn Error + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(error) = next {
            if is_denial(error) {
                return Self::Rights;
            }
            if let Some(io) = io_error(error) {
                let code = io.raw_os_error().map(Errno::from_raw_os_error);
                let is_ours = io.kind() == io::ErrorKind::OutOfMemory
                    || code.is_some_and(|code| EXHAUSTED.contains(&code));
                return if is_ours { Self::Ours } else { Self::Theirs };
            }
            next = error.source();
        }
        Self::Theirs
    }
}

fn is_denial(error: &(dyn Error + 'static)) -> bool {
    if let Some(sqlx::Error::Database(error)) = error.downcast_ref() {
        return error.code().is_some_and(|code| DENIED.contains(&&*code));
    }
    error.downcast_ref::<RedisError>().is_some_and(|error| {
        matches!(
            error.kind(),
            ErrorKind::AuthenticationFailed | ErrorKind::Server(ServerErrorKind::NoPerm)
        ) || matches!(error.code(), Some("NOAUTH" | "WRONGPASS"))
    })
}

fn io_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a io::Error> {
    // Clients that can be cloned share their errors.
    let shared = error.downcast_ref::<Arc<dyn Error + Send + Sync>>();
    let shared = shared.and_then(|error| error.downcast_ref());
    error.downcast_ref().or(shared)
}

/// Whether a connection survived an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectionState {
    /// In step with its server.
    Usable,
    /// Broken, or out of step.
    Broken,
}

impl StoreError {
    /// It surely did nothing, and the connection is fine: the server said no.
    #[must_use]
    pub fn refused(site: Site, message: impl Into<String>) -> Self {
        Self {
            site,
            certainty: Certainty::Definite,
            message: message.into(),
            connection: ConnectionState::Usable,
            want: Want::Theirs,
        }
    }

    /// It surely did nothing: no connection could be made.
    #[must_use]
    pub fn unreachable(site: Site, message: impl Into<String>) -> Self {
        Self {
            site,
            certainty: Certainty::Definite,
            message: message.into(),
            connection: ConnectionState::Broken,
            want: Want::Theirs,
        }
    }

    /// Nobody knows whether it had its effect.
    #[must_use]
    pub fn unknown(site: Site, message: impl Into<String>) -> Self {
        Self {
            site,
            certainty: Certainty::Indefinite,
            message: message.into(),
            connection: ConnectionState::Broken,
            want: Want::Theirs,
        }
    }

    /// What of it says nothing about the store, if anything does.
    #[must_use]
    pub fn lack(&self) -> Option<String> {
        match self.want {
            Want::Theirs => None,
            Want::Ours => Some(format!("quarrel itself ran out of something: {self}")),
            Want::Rights => Some(format!(
                "the {} does not let quarrel do what the strategy needs: {}",
                self.site, self.message
            )),
        }
    }

    /// The same, for want of something of `whose`.
    #[must_use]
    pub const fn for_want(mut self, whose: Want) -> Self {
        self.want = whose;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn io(code: Errno) -> io::Error {
        io::Error::from_raw_os_error(code.raw_os_error())
    }

    #[test]
    fn what_this_process_lacks_is_told_from_what_a_store_does() {
        for code in EXHAUSTED {
            assert_eq!(Want::behind(&sqlx::Error::Io(io(code))), Want::Ours, "{code}");
            assert_eq!(Want::behind(&redis::RedisError::from(io(code))), Want::Ours, "{code}");
        }
        for code in [Errno::CONNREFUSED, Errno::CONNRESET, Errno::TIMEDOUT, Errno::PIPE] {
            assert_eq!(Want::behind(&sqlx::Error::Io(io(code))), Want::Theirs, "{code}");
            assert_eq!(Want::behind(&redis::RedisError::from(io(code))), Want::Theirs, "{code}");
        }
        assert_eq!(Want::behind(&sqlx::Error::RowNotFound), Want::Theirs);
    }

    #[test]
    fn a_right_that_is_missing_is_nobodys_fault() {
        let said = |kind| Want::behind(&RedisError::from((kind, "no")));
        assert_eq!(said(ErrorKind::Server(ServerErrorKind::NoPerm)), Want::Rights);
        assert_eq!(said(ErrorKind::AuthenticationFailed), Want::Rights);
        assert_eq!(said(ErrorKind::Server(ServerErrorKind::ReadOnly)), Want::Theirs);
    }
}
