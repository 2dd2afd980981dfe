#![doc = include_str!("grammar.md")]

mod actors;
mod ast;
mod audit;
mod claims;
mod course;
mod direct;
mod events;
mod force;
mod held;
mod initial;
mod letterbox;
mod parse;
mod print;
mod replay;
mod roles;
mod run;
mod scan;
mod simulate;
mod simulated;
mod stops;
#[cfg(test)]
mod text_tests;

pub use ast::{Answer, Cached, Line, LineEvent, Pattern, Race, Setup, Shown, StoreEvent};
pub use claims::Judged;
pub use course::{Aim, Course, CourseTurn, Timed};
pub use force::force;
pub use initial::Make;
pub use parse::ParseRaceError;
pub use replay::{ReplayOn, ReplayTally, replay};
pub use roles::NothingBegun;
pub use run::{Divergence, RaceError, RaceRun, RaceStep, Told};
pub use simulate::{ClaimedCourse, course_of, simulate};
pub use simulated::{SimulatedOperation, SimulatedRace};
