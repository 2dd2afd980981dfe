//! A TCP fault proxy that speaks Toxiproxy's HTTP API.

mod api;
mod control;
mod core;
mod error;
mod event;
mod link;
mod listen;
mod message;
mod proxy;
mod registry;
mod rule;
mod seed;
mod server;
mod timer;
mod toxic;

pub use control::{RuleAdded, Uncovered};
pub use error::{Error, StartError};
pub use event::{Event, EventPage, Happening};
pub use link::MessageLog;
pub use link::connection::{Bytes, ConnectionView};
pub use link::hold::Release;
pub use link::plan::Close;
pub use message::wal::Lsn;
pub use message::{Framing, Protocol};
pub use proxy::{Enabled, ProxyView};
pub use registry::NewProxy;
pub use rule::{Action, HeldMessage, NewRule, RuleView};
pub use seed::Seed;
pub use server::{Config, DEFAULT_PORT, FaultProxy, Metrics, run_until_stopped};
pub use toxic::{NewToxic, Stream, Toxic, ToxicKind};
