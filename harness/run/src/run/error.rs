use quarrel_strategy::cluster::ClusterError;

use crate::{
    results::{FileError, JournalError},
    runner::StormError,
};

/// Why a run came to nothing. None of it says anything about the strategy.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The storm could not begin.
    #[error(transparent)]
    Storm(#[from] StormError),
    /// The cluster went, or stands still for ever.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// A file of the run.
    #[error(transparent)]
    File(#[from] FileError),
    /// Its history.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Its settings cannot be written down.
    #[error("the settings of the run are no TOML: {0}")]
    Settings(#[from] toml::ser::Error),
    /// The cluster came back before the storm was over.
    #[error("the storm did not end")]
    NoEnd,
}
