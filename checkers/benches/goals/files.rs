//! G3 and G9: from a file of JSON lines to the verdict.

use std::{
    env,
    fs::File,
    hint::black_box,
    io::{BufReader, BufWriter, Write},
    process,
};

use quarrel_checkers::{
    JudgeOptions,
    formats::{self, Format, ImportOptions},
    generate::{GeneratedLoad, Store},
    judge,
    register::check_json_lines,
};

use crate::{
    measure::{at_most, beside, median, peak_bytes},
    registers::workload,
};

fn lines(workload: &GeneratedLoad, to: impl Write) {
    let mut to = BufWriter::with_capacity(1 << 20, to);
    workload.each_event(|event| {
        formats::write_event(&event, Format::JsonLines, &mut to).expect("there is room");
    });
    to.flush().expect("there is room");
}

pub(crate) fn million() {
    const OPERATIONS: u64 = 1_000_000;
    let per_operation = |n: f64| n / OPERATIONS as f64;
    for (name, clients, indeterminate) in
        [("8 clients", 8, 0), ("2 clients", 2, 0), ("10,000 clients, 30 % unknown", 10_000, 300)]
    {
        let shape = workload(OPERATIONS, clients, indeterminate, Store::Linearizable);
        let mut file = Vec::new();
        lines(&shape, &mut file);
        let stream = || {
            let input = BufReader::with_capacity(1 << 16, file.as_slice());
            black_box(check_json_lines(input).expect("it is suitable"));
        };
        let bytes = per_operation(file.len() as f64);
        let what = format!("10^6 as JSON lines ({bytes:.0} B/op) to the verdict, {name}");
        at_most("G3", &what, 180.0, per_operation(median(5, stream)), "ns/op");
        let held = per_operation(peak_bytes(stream));
        at_most("G9", &format!("the same, {name}"), 64.0, held, "B/op");
    }
    let shape = workload(OPERATIONS, 8, 0, Store::Linearizable);
    let mut file = Vec::new();
    lines(&shape, &mut file);
    let parsed = median(3, || {
        black_box(formats::parse(&file, &ImportOptions::default()).expect("it is a history"));
    });
    beside("JSON lines to a history, steps and all", per_operation(parsed), "ns/op");
    drop(file);
    let stores = [("valid", Store::Linearizable), ("stale", Store::Replica { lag_ns: 100_000 })];
    for (name, store) in stores {
        let history = workload(OPERATIONS, 8, 0, store).history();
        let judged = median(3, || {
            black_box(judge(&history, &[], &JudgeOptions::default()));
        });
        let what = format!("the whole ladder and all metrics of a {name} history");
        beside(&what, per_operation(judged), "ns/op");
    }
}

/// 10⁷ operations, from a real file.
pub(crate) fn ten_million() {
    const OPERATIONS: u64 = 10_000_000;
    let path = env::temp_dir().join(format!("quarrel-goals-{}.jsonl", process::id()));
    for (clients, indeterminate) in [(2, 0), (128, 50), (10_000, 300)] {
        let shape = workload(OPERATIONS, clients, indeterminate, Store::Linearizable);
        lines(&shape, File::create(&path).expect("the folder for temporary files takes one"));
        let stream = || {
            let file = File::open(&path).expect("it was written just now");
            black_box(check_json_lines(BufReader::with_capacity(1 << 18, file)))
                .expect("it is suitable");
        };
        let what = format!("10^7 in a file, {clients} clients, {indeterminate} o/oo unknown");
        at_most("10^7", &what, 2.0, median(3, stream) / 1e9, "s");
        let held = peak_bytes(stream) / f64::from(1 << 30);
        at_most("10^7", "the same: memory in all", 2.0, held, "GiB");
    }
    std::fs::remove_file(&path).expect("it is there");
}
