//! Primary, replica and cache, as a strategy sees them.
//!
//! A call is data: a [`Request`] goes in, a [`Response`] or a [`StoreError`]
//! comes out. That is what lets one strategy run on real servers, at gates,
//! and in the explorer without knowing it.

mod backend;
mod codec;
mod error;
mod limits;
mod request;
mod script;

pub use backend::{Backend, Port, Timer};
pub use codec::{DecodeError, decode, encode, value_from_text, value_to_text};
pub use error::{ConnectionState, StoreError, Want};
pub use limits::TimeLimits;
pub use request::{Durability, Feed, FeedChange, Item, Request, Response, Row, Stale, Ttl};
pub use script::{Script, ScriptCall, ScriptStore};
