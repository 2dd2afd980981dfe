//! Checkers against definitions, on millions of small random histories.

mod brute;
mod register;
mod search;
mod witness;
