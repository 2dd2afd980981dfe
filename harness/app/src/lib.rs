//! Applications as they are, in any language.
//!
//! An [`App`] is a strategy whose operations are requests to a running
//! application. Its file, `app.toml` ([`AppFile`]), says how it is started,
//! which request reads a row and which writes it. Every client has an instance
//! of its own, by default, and every instance reaches the stores through three
//! proxies of its own, so that whose request caused a message is certain.
//!
//! Faults strike the links behind those proxies, as for any other subject. An
//! application is told no versions: in which order the primary committed what was written is
//! read from its log.

mod addresses;
mod answer;
mod cluster;
mod commits;
mod doctor;
mod explore;
mod file;
mod fleet;
mod habits;
mod http;
mod instance;
mod learn;
mod locks;
mod process;
mod rows;
mod saying;
mod shape;
mod stdio;
mod stores;
mod subject;
mod template;
mod token;
mod transcript;
mod value_at;
mod wait;
mod wire;

pub use cluster::AppCluster;
pub use doctor::{Examination, examine};
pub use explore::{
    AppFault, AppFinding, AppRace, AppReport, Choices, Clients, Limits, MessageLine, Replayed,
    Space, Sweep, Warmth, explore_app, replay_app, sweep_app,
};
pub use file::{
    AppFile, AppFileError, HttpRequest, HttpRequests, Instances, Reads, Ready, Replies, Rows,
    Speaks, Steps, Writes,
};
pub use fleet::Reading;
pub use learn::{Learnt, learn};
pub use subject::App;
pub use template::Template;
pub use value_at::ValueAt;
