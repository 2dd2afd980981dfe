use std::sync::Arc;

use quarrel_checkers::Value;
use quarrel_harness::{
    stores::Row,
    strategy::{Draw, Generator, Intent, Skew, Workload, WorkloadEntry},
};

/// The article's own story: user profiles whose names change now and then and
/// are read all the time.
#[derive(Clone, Copy, Debug)]
pub struct Profile;

pub(super) const ENTRY: WorkloadEntry = WorkloadEntry {
    name: "profile",
    summary: "few user profiles, read nine times for each change of name: Alex, Alice, Alicia",
    keys: 5,
    skew: Skew(0.5),
    reads: 0.9,
    build: || Arc::new(Profile),
};

const NAMES: [&str; 8] = ["Alex", "Alice", "Alicia", "Alina", "Alma", "Amos", "Anna", "Anton"];

impl Workload for Profile {
    fn client(&self) -> Box<dyn Generator> {
        Box::new(Self)
    }

    /// Names with a number behind, so that where one came from is exact.
    fn value(&self, number: u64, _read: Option<&Row>) -> Value {
        let name = NAMES[usize::try_from(number % NAMES.len() as u64).unwrap_or(0)];
        Value::from(format!("{name}-{number}").as_str())
    }
}

impl Generator for Profile {
    fn next(&mut self, draw: &mut Draw<'_>) -> Intent {
        let key = draw.key();
        if draw.reads() { Intent::Read(key) } else { Intent::Write(key) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_writes_have_one_name() {
        let names: std::collections::BTreeSet<_> =
            (0..1_000).map(|number| Profile.value(number, None)).collect();
        assert_eq!(names.len(), 1_000);
        assert!(names.contains(&Value::from("Alicia-2")));
    }
}
