//! A drawing is a history or an error with a place.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quarrel_checkers::notation;

fuzz_target!(|text: &str| {
    if let Err(error) = notation::parse(text) {
        assert!(error.line >= 1 && error.column >= 1);
    }
});
