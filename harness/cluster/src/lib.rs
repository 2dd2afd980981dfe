//! Real servers: Postgres with a streaming replica and Redis, behind a fault
//! proxy.
//!
//! * [`stores`] are one client's connections to them.
//! * [`docker`], [`native`] and [`external`] start them, or find them.
//! * A [`RealCluster`] is what all three hand out; what it can do is said by
//!   [`Cluster`](quarrel_strategy::cluster::Cluster).

mod admin;
mod cache;
#[cfg(feature = "docker")]
pub mod docker;
pub mod external;
mod failover;
mod inspect;
pub mod links;
pub mod native;
mod owned;
mod ready;
mod real;
mod reaper;
mod register;
pub mod stores;
mod vitals;

pub use failover::Roles;
pub use owned::sweep_stale;
// Who holds a cluster needs its interface, too.
pub use quarrel_strategy::cluster::{
    Boxed, Cluster, ClusterError, ClusterKind, Control, ControlError, Fencing, Impairment, Life,
    Link, Needs, Node, Unsupported, Vitals, Work,
};
pub use real::{NodeControl, RealCluster};
pub use reaper::{Reaper, start_time};
