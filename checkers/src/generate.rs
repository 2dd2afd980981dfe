//! Histories to try checkers on.

pub use crate::random::Random;
