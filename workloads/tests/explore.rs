//! What the explorer finds about every built-in strategy.

use std::sync::Arc;

use quarrel_harness::{
    explore::{Bounds, Fault, report},
    strategy::{AnyStrategy, Options},
};

fn explored(bounds: &Bounds) -> String {
    let mut found = String::new();
    for entry in quarrel_workloads::catalogue().strategies {
        let options = Options::resolve(entry.name, entry.options, &Default::default()).unwrap();
        let make = || -> Arc<dyn AnyStrategy> { (entry.build)(&options).unwrap() };
        let line = match report(&make, entry.name, &[], bounds) {
            Err(stuck) => format!("{stuck}"),
            Ok(report) => report.to_string(),
        };
        found.push_str(&line);
        found.push('\n');
    }
    found
}

#[test]
fn x() {
    println!("{}", explored(&Bounds::default()));
}
