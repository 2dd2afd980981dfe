//! Every interleaving of a few operations, and races: schedules in a language
//! of their own.
//!
//! * [`race`] – the language of `.race` files; a race played by the simulator or
//!   on real servers.
//! * [`explore`] – the search, its reductions, shrinking, causes by experiment.

pub mod explore;
pub mod race;
