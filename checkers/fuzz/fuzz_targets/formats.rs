//! Whatever a file is, it is a history or an error with a line, in every format.
#![no_main]

use std::iter::once;

use libfuzzer_sys::fuzz_target;
use quarrel_checkers::{
    formats::{self, Format, ImportOptions, Keys},
    register::check_json_lines,
};

fuzz_target!(|bytes: &[u8]| {
    for format in once(None).chain(Format::ALL.map(Some)) {
        for keys in [Keys::Infer, Keys::InValues, Keys::None] {
            let options = ImportOptions { format, keys, most_memory: Some(1 << 24) };
            match formats::parse(bytes, &options) {
                Ok(read) => {
                    let events = read.history.events.iter().enumerate();
                    assert!(events.into_iter().all(|(n, event)| event.index.0 == n as u64));
                }
                Err(error) => assert!(error.line >= 1 && error.column >= 1),
            }
        }
    }
    drop(check_json_lines(bytes));
});
