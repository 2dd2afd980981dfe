//! Runs caching strategies on clusters under faults, records every step, and
//! judges what clients saw.

pub mod record;
pub mod stores;
pub mod strategy;
