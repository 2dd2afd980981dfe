//! The cause that is named is the one that is there: what steps show and what
//! experiments prove never contradict each other.

use std::{collections::BTreeMap, sync::Arc};

use quarrel_harness::{
    explore::{Bounds, PlacedFault, report},
    strategy::{AnyStrategy, Options},
};

/// Every built-in strategy under every fault that the explorer knows, as deep
/// as a test may search.
#[test]
fn steps_and_experiments_agree_on_every_strategy_and_fault() {
    let entries = quarrel_workloads::catalogue().strategies;
    let (mut broken, mut wrong) = (0, Vec::new());
    for entry in &entries {
        let options = Options::resolve(entry.name, entry.options, &BTreeMap::new()).unwrap();
        let make = || -> Arc<dyn AnyStrategy> { (entry.build)(&options).unwrap() };
        for fault in PlacedFault::all() {
            let bounds = Bounds {
                writers: 1,
                faults: vec![fault],
                max_states: 2_000,
                samples: 200,
                ..Bounds::default()
            };
            let Ok(report) = report(&make, entry.name, &[], &bounds) else { continue };
            let Some(finding) = report.finding else { continue };
            broken += 1;
            if !finding.why.agrees() || finding.proof().is_none() {
                wrong.push(format!("{} under {fault}\n{finding}{:?}", entry.name, finding.why));
            }
        }
    }
    assert!(broken > 400, "only {broken} break");
    assert!(wrong.is_empty(), "{} of {broken}:\n{}", wrong.len(), wrong.join("\n"));
}
