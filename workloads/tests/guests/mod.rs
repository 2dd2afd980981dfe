//! Runs on servers that are somebody's: how they let us in, what they refuse,
//! what is left there, and what they go through meanwhile.

mod killed;
mod managed;
mod refused;
mod secured;
mod shared;
