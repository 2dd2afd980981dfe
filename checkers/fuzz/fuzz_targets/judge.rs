//! Whatever a history is, the judges say something of it, and the quick one what the
//! whole one says.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quarrel_checkers::{
    Budget, JudgeOptions,
    formats::{self, ImportOptions},
    judge, judge_json_lines,
    transactions::{Expected, ListAppend, RwRegister},
};

fuzz_target!(|bytes: &[u8]| {
    let Ok(read) = formats::parse(bytes, &ImportOptions::default()) else { return };
    let mut options = JudgeOptions::default();
    options.budget = Budget { steps: 10_000 };
    let judgement = judge(&read.history, &read.probes, &options);
    if let Some(quick) = judge_json_lines(bytes, &options, None) {
        assert_eq!(quick.judgement, judgement);
    }
    let expected = Expected::StrictSerializable;
    drop(ListAppend::expecting(expected).examine(&read.history, options.budget));
    drop(RwRegister::expecting(expected).examine(&read.history, options.budget));
});
