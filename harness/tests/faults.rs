//! Every fault of the native cluster takes hold, is seen to, and goes away.

use std::time::Duration;

use quarrel_harness::{
    cluster::{Cluster, native},
    faults::{Fault, Lookout, builtin, recovered},
    record::Clock,
};
use tokio::time::timeout;

/// The longest that one fault may take to show; a dead server takes a client's
/// time-outs.
const LIMIT: Duration = Duration::from_secs(20);

/// What went wrong with one fault; none if it showed and went away.
async fn trouble(fault: &Fault, cluster: &dyn Cluster, clock: &Clock) -> Option<String> {
    let mut lookout = Lookout::prepare(fault.sign(), cluster).await;
    for control in fault.inject() {
        if let Err(unsupported) = cluster.supports(&control) {
            return Some(unsupported.to_string());
        }
        if let Err(error) = cluster.apply(&control).await {
            return Some(error.to_string());
        }
    }
    // None from a fault that shows when it ends.
    let seen = timeout(LIMIT, lookout.observe(cluster, clock)).await;
    let mut trouble: Vec<String> =
        seen.as_ref().err().map(|_| "never seen".to_owned()).into_iter().collect();
    for control in fault.heal() {
        trouble.extend(cluster.apply(&control).await.err().map(|error| error.to_string()));
    }
    match (timeout(LIMIT, lookout.ended(cluster)).await, seen) {
        (Ok(Ok(None)), Ok(None)) => trouble.push("nothing showed at its end".to_owned()),
        (Ok(Ok(_)), _) => {}
        (Ok(Err(why)), _) => trouble.push(why),
        (Err(_), _) => trouble.push("its end did not show".to_owned()),
    }
    if timeout(LIMIT, recovered(cluster)).await.is_err() {
        trouble.push("no recovery".to_owned());
    }
    (!trouble.is_empty()).then(|| trouble.join("; "))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_shows_and_goes_away() {
    let cluster = native::start(native::NativeOptions::default()).await.expect("a native cluster");
    let clock = cluster.clock();
    let mut troubles = Vec::new();
    for entry in builtin() {
        let fault = Fault::parse(entry.name).expect("a fault needs no arguments");
        if fault.strike().is_some() {
            // What strikes clients is seen by clients: see the storms.
            continue;
        }
        let start = clock.now();
        if let Some(trouble) = trouble(&fault, &*cluster, &clock).await {
            troubles.push(format!("{fault}: {trouble}"));
        }
        println!("{fault}: {:?}", clock.now().since(start));
    }
    assert!(troubles.is_empty(), "{}", troubles.join("\n"));
    assert_eq!(cluster.down().await, [] as [String; 0]);
}
