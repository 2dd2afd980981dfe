#![doc = include_str!("grammar.md")]

mod ast;
mod audit;
mod cast;
mod claims;
mod directions;
mod force;
mod held;
mod letterbox;
mod parse;
mod plot;
mod print;
mod props;
mod rehearse;
mod replay;
mod run;
mod scan;
mod scene;
mod stops;
#[cfg(test)]
mod text_tests;
mod troupe;

pub use ast::{Answer, Cached, Event, Line, Pattern, Race, Setup, Shown, What};
pub use cast::NothingBegun;
pub use claims::Judged;
pub use force::force;
pub use parse::ParseRaceError;
pub use plot::{Aim, Performance, Performed, Plot, Timed, Turn};
pub use rehearse::{Plotted, plot_of, rehearse};
pub use replay::{Tally, Venue, replay};
pub use run::{Divergence, Happening, Run, RunError, Told};
pub use scene::Make;
