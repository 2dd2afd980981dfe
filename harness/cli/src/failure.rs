use std::{fmt, io, path::Path};

use quarrel_report::report::ci::PolicyError;
use quarrel_run::{
    results::{FileError, FormError, LoadError},
    run::RunError,
};
use quarrel_strategy::cluster::ClusterError;

/// Why a command did not do its work, and the exit code that says so.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) code: u8,
    pub(super) message: String,
}

impl Failure {
    /// The command line makes no sense: what it names does not exist, or does
    /// not go together.
    pub(super) fn usage(error: impl fmt::Display) -> Self {
        Self { code: 64, message: error.to_string() }
    }

    /// A file that was given says something that makes no sense: a history, a
    /// race, a policy, a schedule, a run. The message says where in the file,
    /// and what was expected.
    pub(super) fn bad_input(error: impl fmt::Display) -> Self {
        Self { code: 65, message: error.to_string() }
    }

    /// The question stays open: nothing is wrong with what was asked.
    pub(super) fn undecided(error: impl fmt::Display) -> Self {
        Self { code: 2, message: error.to_string() }
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

    /// A file that was named could not be read. One that does not exist is a
    /// slip of the command line.
    pub(super) fn reading(path: &Path, error: &io::Error) -> Self {
        let message = format!("{}: {error}", path.display());
        match error.kind() {
            io::ErrorKind::NotFound => Self::usage(message),
            // Text that is none, or compression that is broken.
            io::ErrorKind::InvalidData | io::ErrorKind::Other => Self::bad_input(message),
            _ => Self::environment(message),
        }
    }
}

impl From<ClusterError> for Failure {
    fn from(error: ClusterError) -> Self {
        Self::environment(error)
    }
}

impl From<FormError> for Failure {
    fn from(error: FormError) -> Self {
        Self::bad_input(error)
    }
}

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Form(error) => error.into(),
            FileError::Io { .. } => Self::environment(error),
        }
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Settings(error) => error.into(),
            // A run without one of its files is no run.
            LoadError::File(FileError::Io { path, source })
                if source.kind() == io::ErrorKind::NotFound =>
            {
                Self::bad_input(format!("{}: {source}", path.display()))
            }
            LoadError::File(FileError::Io { path, source }) => Self::reading(&path, &source),
            LoadError::File(error) => error.into(),
        }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::File(error) => error.into(),
            RunError::Settings(_) | RunError::NoEnd => Self::bug(error),
            RunError::Storm(_) | RunError::Cluster(_) | RunError::Journal(_) => {
                Self::environment(error)
            }
        }
    }
}

impl From<PolicyError> for Failure {
    fn from(error: PolicyError) -> Self {
        match error {
            PolicyError::Io { .. } => Self::environment(error),
            PolicyError::Form(error) => error.into(),
        }
    }
}
