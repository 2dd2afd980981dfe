//! What a caching strategy is, and the session through which it talks to the
//! stores.
//!
//! A strategy is two functions, `read` and `write`, over a [`Session`]; some
//! have background agents besides, or put work off until after they have
//! answered. Every
//! call through the session is a *step*: recorded inside its operation, able
//! to be held at a [`Gate`], and a place where a fault can strike. The
//! strategy knows nothing of it.

mod agent;
mod by_hand;
mod gate;
mod memory;
mod operation;
mod options;
mod registry;
mod session;
mod sites;
#[expect(clippy::module_inception, reason = "the trait Strategy is what this room is about")]
mod strategy;
mod transaction;
mod workload;

pub use agent::{AgentTurn, Job, OPERATOR, WorkEnd, do_job, take_turn};
pub use by_hand::ByHand;
pub use gate::{Call, Gate, Passage};
pub use memory::Memory;
pub use operation::{Action, Outcome, perform};
pub use options::{OptionError, OptionSpec, Options};
pub use registry::{Catalogue, Known, StrategyEntry, UnknownStrategy, UnknownWorkload};
pub use session::{Session, SessionParts, reply_of};
pub use sites::{Cache, Primary, Replica};
pub use strategy::{AnyStrategy, Strategy};
pub use transaction::{Transaction, TransactionEnd, TransactionHalf, perform_transaction, sides};
pub use workload::{
    Beginning, Draw, Generator, Intent, KeyDraw, RegisterWorkload, Skew, Workload, WorkloadEntry,
};

pub use crate::words::{KnownNames, parse_duration};
