//! Files of other tools and of our own, and everything that is no file at all.

mod assumed;
mod damage;
mod foreign;
mod fuzz;
#[path = "../oracle/histories.rs"]
mod histories;
mod own;
mod sessions;
mod written;

use quarrel_checkers::{
    History,
    formats::{self, ImportOptions, Imported},
};

fn read(text: &str) -> Imported {
    formats::parse(text.as_bytes(), &ImportOptions::default()).expect("the text is a history")
}

fn error(text: &str) -> String {
    let parsed = formats::parse(text.as_bytes(), &ImportOptions::default());
    parsed.expect_err("the text is no history").to_string()
}

/// Events as `process type f key value error`.
fn shown(history: &History) -> Vec<String> {
    let line = |e: &quarrel_checkers::Event| {
        let key = e.op.key.map_or_else(String::new, |key| format!(" {key}"));
        let error = e.error.as_ref().map_or_else(String::new, |error| format!(" {error}"));
        format!("{} {:?} {}{key} {}{error}", e.process, e.kind, e.op.f, e.op.value)
    };
    history.events.iter().map(line).collect()
}
