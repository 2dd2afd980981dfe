//! Checkers against definitions, on millions of small random histories.

mod absence;
mod brute;
mod explained;
mod failover;
mod histories;
mod metrics;
mod register;
mod search;
mod stores;
mod witness;
