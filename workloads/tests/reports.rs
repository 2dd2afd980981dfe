//! Public reports of caches that disagree with their databases, rebuilt: each
//! is found, with the cause that it had, and its cure holds.

mod own;

use quarrel_checkers::{Cause, Guarantee};
use quarrel_harness::{
    explore::{Bounds, Finding, report},
    race::{Race, simulate},
};

/// The shortest way in which a strategy breaks `guarantee` under `faults`.
fn broken(line: &str, faults: &[&str], guarantee: Guarantee) -> Option<Finding> {
    let faults = faults.iter().map(|fault| fault.parse().unwrap()).collect();
    let bounds = Bounds {
        writers: if line.starts_with("write-through") { 2 } else { 1 },
        readers: 2,
        faults,
        guarantee,
        max_states: 8_000,
        samples: 200,
        ..Bounds::default()
    };
    report(&own::made(line), line, &[], &bounds).unwrap().finding
}

struct Reported {
    /// Public threads that tell of it.
    threads: &'static str,
    strategy: &'static str,
    faults: &'static [&'static str],
    guarantee: Guarantee,
    cause: Cause,
    /// The same application, put right.
    cure: &'static str,
}

const fn reported(
    threads: &'static str,
    strategy: &'static str,
    faults: &'static [&'static str],
    guarantee: Guarantee,
    cause: Cause,
    cure: &'static str,
) -> Reported {
    Reported { threads, strategy, faults, guarantee, cause, cure }
}

const REPORTED: &[Reported] = &[
    reported(
        "zendesk/kasket#27, Suor/django-cacheops#22, eclipse/openvsx#2220, hibernate-orm#3152",
        "delete-before-write",
        &[],
        Guarantee::Bounded,
        Cause::InvalidateBeforeCommit,
        "iq-lease --fill primary",
    ),
    reported(
        "ardanlabs/service#653, infinispan#6010, stellar-core#690",
        "write-behind",
        &[],
        Guarantee::Linearizable,
        Cause::SetBeforeCommit,
        "iq-lease --fill primary",
    ),
    reported(
        "hibernate-orm#1386, dhis2-core#24916, identity_cache#154, record-layer#1049, carlos-emr#2141",
        "cache-aside --fill primary",
        &[],
        Guarantee::Bounded,
        Cause::InFlightRefill,
        "lease --fill primary",
    ),
    reported(
        "Logflare#3924",
        "cdc --fill primary",
        &[],
        Guarantee::Bounded,
        Cause::InFlightRefill,
        "cdc-tombstone --fill primary",
    ),
    reported(
        "mission-control#3454",
        "notify --fill primary",
        &[],
        Guarantee::Bounded,
        Cause::InFlightRefill,
        "cdc-tombstone --fill primary",
    ),
    reported(
        "the same with an outbox",
        "outbox --fill primary",
        &[],
        Guarantee::Bounded,
        Cause::InFlightRefill,
        "cdc-tombstone --fill primary",
    ),
    reported(
        "utopia-php/cache#79",
        "lease --fill replica",
        &["replica-lag"],
        Guarantee::Bounded,
        Cause::ReplicaLagRefill,
        "lease --fill primary",
    ),
    reported(
        "tickets#1859, django-waffle#249, GitHub's of 3 March 2026",
        "cache-aside",
        &["replica-lag"],
        Guarantee::Bounded,
        Cause::ReplicaLagRefill,
        "tombstone",
    ),
    reported(
        "mastodon#20473",
        "replica-only",
        &["replica-lag"],
        Guarantee::Linearizable,
        Cause::ReplicaLag,
        "primary-only",
    ),
    reported(
        "dust#21945, identity_cache#268, MeshWeaver#3980",
        "guarded-negative",
        &[],
        Guarantee::Bounded,
        Cause::CachedAbsence,
        "version-guard --fill primary",
    ),
    reported(
        "identity_cache#362, counter_culture#317, jzero#341",
        "bulk-forgets",
        &[],
        Guarantee::Bounded,
        Cause::ForgottenInvalidation,
        "version-guard --fill primary",
    ),
    reported(
        "zulip#1322",
        "write-through --fill primary",
        &[],
        Guarantee::Bounded,
        Cause::WriteWriteRace,
        "version-guard --fill primary",
    ),
    reported(
        "pulpcore#2026, CacheManager#145, logto#8865",
        "cache-aside --fill primary",
        &["redis-cut"],
        Guarantee::Bounded,
        Cause::FailedInvalidation,
        "cdc-tombstone --fill primary",
    ),
    reported(
        "go-redis#526, go-zero#3736, redis#6062",
        "version-guard --fill primary",
        &["redis-rollback"],
        Guarantee::Bounded,
        Cause::ResurrectedEntry,
        "validate-on-primary",
    ),
    reported(
        "frappe#34335",
        "snapshot-fill",
        &[],
        Guarantee::Bounded,
        Cause::InFlightRefill,
        "lease --fill primary",
    ),
    reported(
        "harper#2259, which gives one version to two values",
        "version-guard --fill primary",
        &["failover"],
        Guarantee::Eventual,
        Cause::LostWrite,
        "remote-apply",
    ),
];

/// Reports that neither a strategy nor a race can tell yet, and why.
const BEYOND: &[(&str, &str)] = &[
    ("zulip#24414, zulip#24415, zulip#24416", "an entry of many rows"),
    ("kasket#30, kasket#31, spring-framework#23192", "a read inside an open transaction"),
    ("newchat#415", "clients that share a flight in one process"),
    ("redis#11767", "tracking redirected to another connection"),
    ("redisson#5659", "a replica of Redis"),
    ("garner#31", "names made of times: no cause stands for two versions under one name"),
    ("PostgREST#3147, shamichan#1095, cachalot#269", "a listener that listens no more"),
    ("oncokb#3872, rate-ukma#622", "two versions of an application"),
    ("lakekeeper#1833, sequelize-redis-cache#21, go-gorm/caches#14", "an entry of many rows"),
];

#[test]
fn every_report_is_found_with_its_cause_and_its_cure_holds() {
    let mut wrong = Vec::new();
    for row in REPORTED {
        match broken(row.strategy, row.faults, row.guarantee) {
            None => wrong.push(format!("{}: nothing is found ({})", row.strategy, row.threads)),
            Some(finding) if finding.cause != row.cause || finding.proof().is_none() => {
                wrong.push(format!("{}: not {}\n{finding}", row.strategy, row.cause));
            }
            Some(_) => {}
        }
        if let Some(finding) = broken(row.cure, row.faults, row.guarantee) {
            wrong.push(format!("{} does not cure {}\n{finding}", row.cure, row.cause));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const NEAR: &str = "\
strategy two-tier
key 1 = Alex, cached
Reader B: GET 1            -> Alex
Writer A: UPDATE 1 = Alice -> ok
Writer A: DEL 1            -> ok
Reader B: NEAR 1           -> Alex !stale
check cache 1 -> miss
";

const ABSENCE: &str = "\
strategy guarded-negative
key 1 absent
Reader A: GET 1            -> miss
Reader A: SELECT primary 1 -> miss
Reader A: SETNX 1 = marker -> ok
Writer B: UPDATE 1 = User  -> ok
Reader C: GET 1            -> marker !stale
!diverged
";

const LATE: &str = "\
strategy cache-aside --fill primary
key 1 = Alex, cached nowhere
Reader A: GET 1            -> miss
Reader A: SELECT primary 1 -> Alex
Reader A: SET 1 = Alex, delayed -> unknown
Writer B: UPDATE 1 = Alice -> ok
Writer B: DEL 1            -> ok
deliver Reader A
Reader C: GET 1            -> Alex !stale
";

const FORGOTTEN: &str = "\
strategy bulk-forgets
key 1 = Alex, cached
Writer A: UPDATE 1 = Bulk -> ok
Reader B: GET 1           -> Alex !stale
!diverged
";

const SLOW_FILL: &str = "\
strategy tombstone --tombstone 2s
key 1 = Alex, cached nowhere
Reader A: GET 1                -> miss
Reader A: SELECT replica 1     -> Alex
Writer B: UPDATE 1 = Alice     -> ok
Writer B: CAS 1 = tombstone v2 -> 1
expire 1
Reader A: CAS 1 = Alex         -> 1
Reader C: GET 1                -> Alex !stale
";

const NEVER_HEARD: &str = "\
strategy near-pubsub
key 1 = Alex, cached
Reader B: HEAR             -> gap
Reader B: GET 1            -> Alex
lose messages
Writer A: UPDATE 1 = Alice -> ok
Writer A: DEL 1            -> ok
Writer A: PUBLISH 1        -> ok
Reader B: HEAR             -> gap  !stale
Reader B: NEAR 1           -> Alex
";

/// Every thread is told of in one place, and none is both found and beyond.
#[test]
fn no_report_stands_in_two_places() {
    let found = REPORTED.iter().map(|row| row.threads).chain(RACES.iter().map(|race| race.0));
    let named = found.chain(BEYOND.iter().map(|row| row.0));
    let mut threads: Vec<&str> = named.flat_map(|threads| threads.split(", ")).collect();
    threads.retain(|thread| thread.contains('#'));
    let count = threads.len();
    threads.sort_unstable();
    threads.dedup();
    assert_eq!(threads.len(), count, "{threads:?}");
    assert!(BEYOND.iter().all(|(_, why)| !why.is_empty()));
}

/// Reports whose race is too long for a search of a few thousand states, or of
/// copies, which only who made them can see. What cures their causes is shown
/// by `cures`.
const RACES: &[(&str, &str, Cause)] = &[
    ("jetcache#803, jetcache#39, jetcache#904, jetcache#945", NEAR, Cause::NearCacheNotTold),
    ("EasyCaching#428, FusionCache#11, discourse#10700", NEVER_HEARD, Cause::LostInvalidation),
    ("a cached absence as a race", ABSENCE, Cause::CachedAbsence),
    ("a bulk update as a race", FORGOTTEN, Cause::ForgottenInvalidation),
    ("useautumn/autumn#2669, redisson#1129", LATE, Cause::LateMessage),
    ("tigrisdata/tag#65, tigrisdata/tag#106", SLOW_FILL, Cause::InFlightRefill),
];

/// The race holds, and its cause is this.
#[test]
fn reported_races_hold_and_have_their_causes() {
    for &(threads, text, cause) in RACES {
        let race: Race = text.parse().unwrap();
        let first = text.lines().next().unwrap().trim_start_matches("strategy ");
        let make = own::made(first);
        let run = simulate(&race, &make, &mut |_| {}).unwrap();
        assert_eq!(run.complaint(), None, "{threads}: {text}");
        let finding = quarrel_harness::explore::shrink_race(&make, &race).unwrap().unwrap();
        assert_eq!(finding.cause, cause, "{threads}: {finding}");
    }
}
