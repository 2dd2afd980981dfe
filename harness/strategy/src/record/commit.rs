use std::collections::HashMap;

use quarrel_checkers::{Content, Event, F, History, Key, Kind, Reply, Site, Step, Value};
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

    /// Gives the writes of a history, and the values in its steps, the versions
    /// that the primary gave them. Reads need none: values are unique.
    pub fn tell(commits: &[Self], history: &mut History) {
        let told = CommitOrder::of(commits);
        history.events.iter_mut().for_each(|event| told.tell_event(event));
        history.steps.iter_mut().for_each(|step| told.tell_step(step));
    }
}

/// Which version the primary gave each value: told to one record after the
/// other, while a history is read.
#[derive(Clone, Debug, Default)]
pub struct CommitOrder<'a>(HashMap<(Key, &'a Value), u64>);

impl<'a> CommitOrder<'a> {
    /// What the primary committed.
    #[must_use]
    pub fn of(commits: &'a [Commit]) -> Self {
        let versions = commits.iter().map(|one| ((one.key, &one.value), one.version));
        Self(versions.collect())
    }

    /// Gives the write that an event ends its version.
    pub fn tell_event(&self, event: &mut Event) {
        let is_end = matches!(event.kind, Kind::Ok | Kind::Info);
        if let (true, F::Write, Some(key)) = (is_end, &event.op.f, event.op.key)
            && let Some(version) = self.0.get(&(key, &event.op.value))
        {
            event.op.version = Some(*version);
        }
    }

    /// Gives the values in a step their versions.
    pub fn tell_step(&self, step: &mut Step) {
        if !self.0.is_empty() {
            tell_step(&self.0, step);
        }
    }
}

fn tell_step(versions: &HashMap<(Key, &Value), u64>, step: &mut Step) {
    let Some(key) = step.object.as_ref().map(|object| object.key) else { return };
    let tell = |content: &mut Content| {
        if let Content::Row { value, version: version @ 0 } = content
            && let Some(told) = versions.get(&(key, &*value))
        {
            *version = *told;
            return Some(*told);
        }
        None
    };
    if let Reply::Found(content) = &mut step.reply {
        tell(content);
    }
    let written = step.argument.as_mut().and_then(tell);
    // Whatever its client learnt: the log has it.
    if step.site == Site::Primary && written.is_some() {
        step.reply = Reply::Done { version: written };
    }
}

#[cfg(test)]
mod tests {
    use quarrel_checkers::{Object, Op, Process, Time};

    use super::*;

    fn step(site: Site, argument: Option<i64>, reply: Reply) -> Step {
        let row = |value| Content::Row { value: Value::Int(value), version: 0 };
        Step {
            operation: None,
            process: Process::Client(0),
            start: Time(1),
            end: Some(Time(2)),
            site,
            verb: "UPDATE".into(),
            object: Some(Object::of(Key(7))),
            argument: argument.map(row),
            reply,
            lsn: None,
        }
    }

    #[test]
    fn values_in_steps_get_the_versions_that_the_primary_gave_them() {
        let row = |value, version| Content::Row { value: Value::Int(value), version };
        let lost = || Reply::Failed {
            certainty: quarrel_checkers::Certainty::Indefinite,
            error: "reset".to_owned(),
        };
        let mut history = History::default();
        history.invoke(Time(0), Process::Client(0), Op::write(7, 31));
        history.ok(Time(3), Process::Client(0), Op::write(7, 31));
        history.steps = vec![
            step(Site::Primary, Some(31), Reply::Done { version: None }),
            // Its client never heard, and it was committed all the same.
            step(Site::Primary, Some(32), lost()),
            step(Site::Primary, Some(33), lost()),
            step(Site::Cache, None, Reply::Found(row(32, 0))),
            step(Site::Cache, Some(33), Reply::Done { version: None }),
        ];
        let commit = |value, version| Commit { key: Key(7), value: Value::Int(value), version };
        Commit::tell(&[commit(31, 1), commit(32, 2)], &mut history);
        assert_eq!(history.events[1].op.version, Some(1));
        let told: Vec<_> =
            history.steps.iter().map(|step| (step.argument.clone(), step.reply.clone())).collect();
        let wanted = [
            (Some(row(31, 1)), Reply::Done { version: Some(1) }),
            (Some(row(32, 2)), Reply::Done { version: Some(2) }),
            (Some(row(33, 0)), lost()),
            (None, Reply::Found(row(32, 2))),
            (Some(row(33, 0)), Reply::Done { version: None }),
        ];
        assert_eq!(told, wanted);
    }
}
