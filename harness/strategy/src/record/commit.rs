use std::collections::HashMap;

use quarrel_checkers::{F, History, Key, Kind, Value};
use serde::{Deserialize, Serialize};

/// One value that the primary committed, in a run whose clients are told no
/// versions: an application's. The file `commits.jsonl` has them in the order
/// in which they were committed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// Whose value.
    pub key: Key,
    /// Which value: no two commits have the same.
    pub value: Value,
    /// Its place among the values of its key, counted from 1.
    pub version: u64,
}

impl Commit {
    /// The name of the file.
    pub const FILE: &'static str = "commits.jsonl";

    /// Gives the writes of a history the versions that the primary gave their
    /// values. Reads need none: values are unique.
    pub fn tell(commits: &[Self], history: &mut History) {
        if commits.is_empty() {
            return;
        }
        let versions: HashMap<(Key, &Value), u64> =
            commits.iter().map(|commit| ((commit.key, &commit.value), commit.version)).collect();
        for event in &mut history.events {
            let is_end = matches!(event.kind, Kind::Ok | Kind::Info);
            if let (true, F::Write, Some(key)) = (is_end, &event.op.f, event.op.key)
                && let Some(version) = versions.get(&(key, &event.op.value))
            {
                event.op.version = Some(*version);
            }
        }
    }
}
