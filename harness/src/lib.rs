#![doc = include_str!("../README.md")]

#[cfg(feature = "command")]
pub use quarrel_app as app;
#[cfg(feature = "command")]
pub use quarrel_cli as cli;
pub use quarrel_explore::{explore, race};
#[cfg(feature = "command")]
pub use quarrel_report::{report, web};
pub use quarrel_run::{detection, faults, judge, results, run, runner};
pub use quarrel_sim as sim;
pub use quarrel_strategy::{record, strategy};

/// Clusters: their interface, and the real ones.
pub mod cluster {
    #[cfg(feature = "command")]
    pub use quarrel_cluster::*;
    #[cfg(not(feature = "command"))]
    pub use quarrel_strategy::cluster::*;
}

/// Primary, replica and cache, as a strategy sees them.
pub mod stores {
    #[cfg(feature = "command")]
    pub use quarrel_cluster::stores as real;
    pub use quarrel_strategy::stores::*;
}
