//! An operation as it stood in a file, whatever the format.

use super::form::Form;
use crate::{Process, Value};

/// The fields that were found, not understood yet.
#[derive(Debug, Default)]
pub(super) struct RawOp {
    pub(super) index: Option<Value>,
    pub(super) time: Option<Value>,
    pub(super) process: Option<Value>,
    pub(super) kind: Option<Value>,
    pub(super) f: Option<Value>,
    pub(super) key: Option<Value>,
    pub(super) value: Value,
    pub(super) version: Option<Value>,
    pub(super) timeline: Option<Value>,
    pub(super) error: Option<String>,
}

impl RawOp {
    /// Takes the fields out of a map; none if it is no map.
    pub(super) fn of(form: &Form) -> Option<Self> {
        let Form::Map(pairs) = form else { return None };
        let get = |name: &str| {
            let is_it = |(key, _): &&(Form, Form)| key.name() == Some(name);
            pairs.iter().find(is_it).map(|(_, value)| value)
        };
        let error = get("error").or_else(|| get("exception")).filter(|form| !form.is_nil());
        let value = |name: &str| get(name).map(Form::value);
        Some(Self {
            index: value("index"),
            time: value("time"),
            process: value("process"),
            kind: value("type"),
            f: value("f"),
            key: value("key").filter(|key| !key.is_nil()),
            value: value("value").unwrap_or_default(),
            version: value("version"),
            timeline: value("timeline"),
            error: error.map(Form::print),
        })
    }
}

/// A process by how it is written.
pub(super) fn process(value: &Value) -> Option<Process> {
    match value {
        Value::Int(n) => u64::try_from(*n).ok().map(Process::Client),
        Value::Text(name) if &**name == "nemesis" => Some(Process::Nemesis),
        Value::Atom(name) if &**name == ":nemesis" => Some(Process::Nemesis),
        Value::Text(name) => name.strip_prefix("agent-")?.parse().ok().map(Process::Agent),
        _ => None,
    }
}
