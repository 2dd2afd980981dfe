#![doc = include_str!("grammar.md")]

mod ast;
mod parse;
mod print;
mod scan;
#[cfg(test)]
mod text_tests;

pub use ast::{Answer, Cached, Event, Line, Pattern, Race, Setup, Shown, What};
pub use parse::ParseRaceError;
