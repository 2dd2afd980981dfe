//! Every fault of the native cluster takes hold, is seen to, and goes away.

use std::{sync::Arc, time::Duration};

use quarrel_harness::{
    cluster::{Cluster, Control, Link, native},
    faults::{Amount, Fault, FaultEntry, HEARTBEAT, Look, Lookout, Sign, add, builtin, recovered},
    record::Clock,
    run::Run,
    sim::{SimCluster, subjects},
    stores::{Item, Request},
};
use tokio::time::timeout;

/// The longest that one fault may take to show; a dead server takes a client's
/// time-outs.
const LIMIT: Duration = Duration::from_secs(20);

/// A fault of one's own: the cache is slow, then gone.
static BROWNOUT: FaultEntry = FaultEntry::new("brownout", "the cache is slow, then gone")
    .amount(Amount::millis(50))
    .controls(
        |given| {
            let (link, latency, jitter) = (Link::ClientCache, given.time(), given.jitter());
            let slow = Control::Latency { link, latency, jitter };
            vec![slow, Control::Wait(given.time()), Control::Cut(link)]
        },
        |_| vec![Control::Restore(Link::ClientCache)],
        |_| Sign::Own(Look(|cluster| Box::pin(is_out(cluster)))),
    );

/// How one sees it: a new client is refused.
async fn is_out(cluster: &dyn Cluster) -> Option<String> {
    let refused = cluster.client().call(&Request::CacheGet(Item::entry(HEARTBEAT))).await.err()?;
    Some(format!("a new client heard: {}", refused.message))
}

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
    let entries = builtin().filter(|entry| entry.is_in_storms()).chain([&BROWNOUT]);
    for entry in entries {
        let fault = Fault::of(entry).expect("a fault needs no arguments");
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

/// The strategy is one that no fault of a cache can break: what is looked at is
/// the fault.
#[tokio::test]
async fn a_fault_of_ones_own_is_named_and_seen_like_any_other() {
    add(&[&BROWNOUT]).expect("nothing else is called so");
    add(&[&BROWNOUT]).expect("it is the same");
    static TAKEN: FaultEntry = FaultEntry::new("redis-cut", "something else");
    let taken = add(&[&TAKEN]).unwrap_err().to_string();
    assert!(taken.contains("`redis-cut`"), "{taken}");

    let fault = Fault::parse("brownout=20ms..60ms").expect("it is known by its name");
    let run = Run::of("primary-only", subjects::primary_only())
        .fault(fault)
        .time(Duration::from_secs(4))
        .seed(3);
    let ran = run.on(Arc::new(SimCluster::new(3))).await.expect("the simulator is there");
    assert!(ran.held(), "{}", ran.verdict.reason);
    let receipts = &ran.run.receipts;
    assert!(!receipts.is_empty());
    for receipt in receipts {
        assert!(receipt.fault.starts_with("brownout="), "{receipt:?}");
        let evidence = receipt.evidence.as_deref().unwrap_or_default();
        assert!(evidence.starts_with("a new client heard: "), "{receipt:?}");
        assert!(receipt.healed.is_some() && receipt.errors.is_empty(), "{receipt:?}");
    }
}
