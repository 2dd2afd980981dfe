//! Faults: what can go wrong, once for storms, searches and matrices.
//!
//! A [`FaultEntry`] is one fault whole: its name, its amount with bounds, what
//! it does in a storm, made of the cluster's primitive [`Control`]s or of what
//! happens to clients ([`Strike`]), the [`Sign`] by which one sees that it took
//! hold, and what a search places in its stead ([`PlacedFault`]). Each has a file
//! of its own in the [`catalogue`](builtin()); a user's own are entries of the same
//! kind, in [`Catalogue::faults`](crate::strategy::Catalogue::faults):
//!
//! ```
//! use quarrel_strategy::{
//!     cluster::{Control, Link},
//!     faults::{Amount, Fault, FaultEntry, Sign, add},
//! };
//!
//! /// The cache is slow and then gone: what a failing disk looks like.
//! static BROWNOUT: FaultEntry = FaultEntry::new("brownout", "the cache is slow, then gone")
//!     .amount(Amount::millis(200))
//!     .controls(
//!         |given| {
//!             let (link, latency, jitter) = (Link::ClientCache, given.time(), given.jitter());
//!             let slow = Control::Latency { link, latency, jitter };
//!             vec![slow, Control::Wait(given.time()), Control::Cut(link)]
//!         },
//!         |_| vec![Control::Restore(Link::ClientCache)],
//!         |_| Sign::Unreachable(Link::ClientCache),
//!     );
//!
//! add(&[&BROWNOUT])?;
//! assert_eq!(Fault::parse("brownout=50ms").unwrap().inject().len(), 3);
//! # Ok::<_, quarrel_strategy::faults::FaultNameTaken>(())
//! ```
//!
//! [`Control`]: crate::cluster::Control

mod amount;
mod catalogue;
mod entry;
mod fault;
mod mishap;
mod placed;
mod registry;
mod sign;
mod strike;

pub use amount::{Amount, Unit, parse_bytes};
pub use catalogue::builtin;
pub use entry::{FaultArguments, FaultEntry, InStorms};
pub use fault::{Fault, FaultError};
pub use mishap::Mishap;
pub use placed::{PlacedFault, PlacedFaultError};
pub use registry::{FaultNameTaken, add, known};
pub use sign::{Look, Sign};
pub use strike::Strike;
