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
mod performance;
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

pub use ast::{Answer, Cached, Line, LineEvent, Pattern, Race, Setup, Shown, StoreEvent};
pub use cast::NothingBegun;
pub use claims::Judged;
pub use force::force;
pub use parse::ParseRaceError;
pub use performance::{Performance, Performed};
pub use plot::{Aim, Course, CourseTurn, Timed};
pub use rehearse::{Plotted, plot_of, rehearse};
pub use replay::{ReplayTally, Venue, replay};
pub use run::{Divergence, RaceError, RaceRun, RaceStep, Told};
pub use scene::Make;
