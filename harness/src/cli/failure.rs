use std::fmt;

use crate::{cluster::ClusterError, results::FileError};

/// Why a command did not do its work, and the exit code that says so.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) code: u8,
    pub(super) message: String,
}

impl Failure {
    /// The user's words make no sense.
    pub(super) fn usage(error: impl fmt::Display) -> Self {
        Self { code: 64, message: error.to_string() }
    }

    /// The machine lacks something.
    pub(super) fn environment(error: impl fmt::Display) -> Self {
        Self { code: 4, message: error.to_string() }
    }

    /// Whether the machine lacks something: what may be better the next time.
    pub(super) const fn is_environment(&self) -> bool {
        self.code == 4
    }

    /// Our own fault.
    pub(super) fn bug(error: impl fmt::Display) -> Self {
        Self { code: 70, message: format!("this is a bug in quarrel: {error}") }
    }
}

impl From<ClusterError> for Failure {
    fn from(error: ClusterError) -> Self {
        Self::environment(error)
    }
}

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        Self::environment(error)
    }
}
