//! A TCP fault proxy that speaks Toxiproxy's HTTP API.

mod api;
mod core;
mod error;
mod event;
mod link;
mod listen;
mod proxy;
mod registry;
mod seed;
mod server;
mod timer;
mod toxic;

pub use error::{Error, StartError};
pub use event::{Event, EventPage, Happening};
pub use link::connection::{Bytes, ConnectionView};
pub use link::plan::Close;
pub use proxy::{Enabled, ProxyView};
pub use registry::NewProxy;
pub use seed::Seed;
pub use server::{Config, DEFAULT_PORT, FaultProxy, Metrics, run_until_stopped};
pub use toxic::{NewToxic, Stream, Toxic, ToxicKind};
