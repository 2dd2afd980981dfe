#![doc = include_str!("grammar.md")]

mod ast;
mod cast;
mod parse;
mod plot;
mod print;
mod rehearse;
mod run;
mod scan;
mod scene;
#[cfg(test)]
mod text_tests;

pub use ast::{Answer, Cached, Event, Line, Pattern, Race, Setup, Shown, What};
pub use cast::NothingBegun;
pub use parse::ParseRaceError;
pub use plot::{Performance, Plot};
pub use rehearse::{plot_of, rehearse};
pub use run::{Divergence, Happening, Run, RunError};
pub use scene::Make;
