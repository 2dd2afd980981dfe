//! Runs caching strategies on clusters under faults, records every step, and
//! judges what clients saw.

pub mod app;
pub mod cli;
pub mod cluster;
pub mod detection;
pub mod explore;
pub mod faults;
pub mod judge;
pub mod race;
pub mod record;
pub mod report;
pub mod results;
pub mod run;
pub mod runner;
pub mod sim;
pub mod stores;
pub mod strategy;
pub mod web;
