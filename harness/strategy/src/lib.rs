//! What a caching strategy is written against.
//!
//! * [`stores`] are primary, replica and cache as a strategy sees them; a call is
//!   data.
//! * [`strategy`] holds [`Strategy`](strategy::Strategy),
//!   [`Workload`](strategy::Workload), sessions and gates.
//! * [`record`] has the recorder of a history, and its clocks.
//! * [`faults`] is the catalogue of what can go wrong.
//! * [`words`] reads what is typed.
//! * [`cluster`] is what a cluster is to those who only use it.
//!
//! No server's driver is in its tree.

pub mod cluster;
pub mod faults;
pub mod record;
pub mod stores;
pub mod strategy;
pub mod words;
