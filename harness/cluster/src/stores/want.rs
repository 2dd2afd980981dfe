//! Whose want an error of a client library shows.

use std::{error::Error, io, sync::Arc};

use quarrel_strategy::stores::Want;
use redis::{ErrorKind, RedisError, ServerErrorKind};
use rustix::io::Errno;

/// SQLSTATEs that say so: insufficient privilege, and two kinds of invalid
/// authorization.
const DENIED: [&str; 3] = ["42501", "28000", "28P01"];

/// What the system says to a process that is out of something.
const EXHAUSTED: [Errno; 5] =
    [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM, Errno::ADDRNOTAVAIL];

/// Whose want stands behind an error of a client library.
#[must_use]
pub fn want_behind(error: &(dyn Error + 'static)) -> Want {
    let mut next = Some(error);
    while let Some(error) = next {
        if is_denial(error) {
            return Want::Rights;
        }
        if let Some(io) = io_error(error) {
            let code = io.raw_os_error().map(Errno::from_raw_os_error);
            let is_ours = io.kind() == io::ErrorKind::OutOfMemory
                || code.is_some_and(|code| EXHAUSTED.contains(&code));
            return if is_ours { Want::Ours } else { Want::Theirs };
        }
        next = error.source();
    }
    Want::Theirs
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

#[cfg(test)]
mod tests {
    use super::*;

    fn io(code: Errno) -> io::Error {
        io::Error::from_raw_os_error(code.raw_os_error())
    }

    #[test]
    fn what_this_process_lacks_is_told_from_what_a_store_does() {
        for code in EXHAUSTED {
            assert_eq!(want_behind(&sqlx::Error::Io(io(code))), Want::Ours, "{code}");
            assert_eq!(want_behind(&redis::RedisError::from(io(code))), Want::Ours, "{code}");
        }
        for code in [Errno::CONNREFUSED, Errno::CONNRESET, Errno::TIMEDOUT, Errno::PIPE] {
            assert_eq!(want_behind(&sqlx::Error::Io(io(code))), Want::Theirs, "{code}");
            assert_eq!(want_behind(&redis::RedisError::from(io(code))), Want::Theirs, "{code}");
        }
        assert_eq!(want_behind(&sqlx::Error::RowNotFound), Want::Theirs);
    }

    #[test]
    fn a_right_that_is_missing_is_nobodys_fault() {
        let said = |kind| want_behind(&RedisError::from((kind, "no")));
        assert_eq!(said(ErrorKind::Server(ServerErrorKind::NoPerm)), Want::Rights);
        assert_eq!(said(ErrorKind::AuthenticationFailed), Want::Rights);
        assert_eq!(said(ErrorKind::Server(ServerErrorKind::ReadOnly)), Want::Theirs);
    }
}
