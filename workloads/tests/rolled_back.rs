//! A value that the database refused and the cache had taken already: no
//! database ever held it, and readers are shown it.

use std::{sync::Arc, time::Duration};

use quarrel_checkers::{Cause, Key, Site, Value};
use quarrel_harness::{
    explore::{Bounds, report},
    race::{Race, simulate},
    sim::Claim,
    stores::{Row, StoreError},
    strategy::{AnyStrategy, Session, Strategy},
};

/// Reads the row, sets the cache, and only then asks the database, whose
/// constraint may refuse the value; the entry stays.
struct CheckConstraint {
    refused: Value,
}

/// No row ever has this version, so that a write that expects it is refused as
/// a constraint would refuse it.
const NEVER: u64 = 1 << 40;

impl Strategy for CheckConstraint {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        match session.cache().get_row(key).await? {
            Some(row) => Ok(Some(row)),
            None => session.primary().read(key).await,
        }
    }

    async fn write(
        &self,
        session: &mut Session,
        key: Key,
        value: Value,
    ) -> Result<u64, StoreError> {
        let version = session.primary().read(key).await?.map_or(0, |row| row.version);
        let row = Row { value: value.clone(), version: version + 1 };
        session.cache().set_row(key, row, Some(Duration::from_secs(60))).await?;
        let expected = if value == self.refused { NEVER } else { version };
        let written = session.primary().write_if(key, value, expected).await?;
        written.ok_or_else(|| StoreError::refused(Site::Primary, "violates a check constraint"))
    }
}

fn strategy(refused: Value) -> impl Fn() -> Arc<dyn AnyStrategy> {
    move || Arc::new(CheckConstraint { refused: refused.clone() })
}

const HEAD: &str = "strategy check-constraint\nkey 1 = Alex, cached\n\
                    Writer A: SELECT primary 1 -> Alex\nWriter A: SET 1 = Bad -> ok\n";

fn complaint(text: &str) -> Option<String> {
    let race: Race = text.parse().unwrap();
    let strategy = strategy(Value::from("Bad"));
    simulate(&race, &strategy, &mut |_| {}).unwrap().complaint()
}

#[test]
fn a_read_of_a_value_that_was_rolled_back_is_dirty() {
    let refused = format!("{HEAD}Writer A: UPDATE 1 = Bad -> refused\n");
    let told = complaint(&format!("{refused}Reader B: GET 1 -> Bad !dirty\n!diverged\n"));
    assert_eq!(told, None);
    // It does not matter whether the database had refused it by then.
    let early = format!("{HEAD}Reader B: GET 1 -> Bad !dirty\n");
    let told = complaint(&format!("{early}Writer A: UPDATE 1 = Bad -> refused\n!diverged\n"));
    assert_eq!(told, None);
    let told = complaint(&format!("{refused}Reader B: GET 1 -> Bad !stale\n"));
    assert!(told.unwrap().contains("not stale"));
}

/// What never was in the database is not newer than what is.
#[test]
fn the_true_value_is_not_stale_after_it() {
    let read = |claim: &str| {
        complaint(&format!(
            "{HEAD}Writer A: UPDATE 1 = Bad -> refused\nReader B: GET 1 -> Bad !dirty\nevict 1\n\
             Client B: read 1\nClient B: GET 1 -> miss\nClient B: SELECT primary 1 -> Alex {claim}\n"
        ))
    };
    assert_eq!(read(""), None);
    for claim in ["!stale", "!non-monotonic"] {
        assert!(read(claim).is_some(), "{claim}");
    }
}

#[test]
fn a_write_that_is_not_refused_yet_is_not_dirty() {
    let told = complaint(&format!("{HEAD}Reader B: GET 1 -> Bad !dirty\n"));
    assert!(told.unwrap().contains("did not fail for certain"));
}

#[test]
fn the_explorer_finds_it_and_says_why() {
    let bounds = Bounds { writers: 1, ..Bounds::default() };
    let report = report(&strategy(Value::from("Alice")), "check-constraint", &[], &bounds).unwrap();
    let found = report.finding.map(|finding| (finding.claim, finding.cause));
    assert_eq!(found, Some((Claim::Dirty, Cause::SetBeforeCommit)));
}
