//! What a person sees of a run: on the terminal, in CI, as a page, in a
//! browser.
//!
//! * [`report`] – the terminal's text, `report.html`, traces, plots, CI files.
//! * [`web`] – the server behind `quarrel serve`.

pub mod report;
pub mod web;
