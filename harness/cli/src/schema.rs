//! JSON Schemas (draft 2020-12) of everything that quarrel writes for programs.
//!
//! They are written by hand, and refuse what they do not name: a test holds
//! what commands really write against them (`workloads/tests/schema.rs`).

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use quarrel_strategy::strategy::KnownNames;
use serde_json::{Map, Value as Json, json};

use super::Failure;
use crate::output::println;

#[derive(Args, Clone, Debug)]
pub(super) struct SchemaArgs {
    /// Of what; all names are listed without one
    name: Option<String>,
}

/// The form of one kind of output.
struct Schema {
    name: &'static str,
    /// Another version is another form: what was valid need not be any more.
    version: u32,
    /// What stands in its file: a schema without `$id` and `$defs`.
    text: &'static str,
}

/// What several of them refer to, by name.
const DEFINITIONS: &str = include_str!("schemas/definitions.json");

/// The schema of a file beside this one.
macro_rules! schema {
    ($name:literal, $version:literal) => {
        Schema {
            name: $name,
            version: $version,
            text: include_str!(concat!("schemas/", $name, ".json")),
        }
    };
}

/// Files in a run's folder and beside it, then what commands print.
const SCHEMAS: &[Schema] = &[
    schema!("verdict", 1),
    schema!("settings", 1),
    schema!("environment", 1),
    schema!("phases", 1),
    schema!("failure", 1),
    schema!("history", 1),
    schema!("receipt", 1),
    schema!("probe", 1),
    schema!("commit", 1),
    schema!("note", 1),
    schema!("index", 1),
    schema!("matrix", 1),
    schema!("detection", 1),
    schema!("part", 1),
    schema!("list", 1),
    schema!("merge", 1),
    schema!("profile", 1),
    schema!("exploration", 1),
    schema!("app-exploration", 1),
    schema!("replay", 1),
    schema!("shrink", 1),
    schema!("file-verdict", 1),
    schema!("report", 1),
    schema!("review", 1),
    schema!("explain", 1),
    schema!("strategies", 1),
    schema!("workloads", 1),
    schema!("faults", 1),
    schema!("doctor", 1),
    schema!("clusters", 1),
    schema!("long", 1),
];

/// Prints a schema, or what there are schemas of.
pub(super) fn schema(args: &SchemaArgs) -> Result<u8, Failure> {
    let Some(name) = &args.name else {
        let widest = SCHEMAS.iter().map(|schema| schema.name.len()).max().unwrap_or(0);
        for schema in SCHEMAS {
            let body = schema.body();
            let title = body["title"].as_str().unwrap_or_default();
            println!("{:<widest$}  {title}", schema.name);
        }
        return Ok(0);
    };
    let found = SCHEMAS.iter().find(|schema| schema.name == *name);
    let found = found.ok_or_else(|| {
        let names = SCHEMAS.iter().map(|schema| schema.name);
        Failure::usage(format!("there is no schema of `{name}`: {}", KnownNames::of(name, names)))
    })?;
    println!("{:#}", found.whole());
    Ok(0)
}

impl Schema {
    fn body(&self) -> Json {
        serde_json::from_str(self.text).expect("a test reads every schema")
    }

    /// The schema with its name, its version and all that it refers to.
    fn whole(&self) -> Json {
        let known: BTreeMap<String, Json> =
            serde_json::from_str(DEFINITIONS).expect("a test reads every definition");
        let mut whole = self.body();
        let mut used = BTreeSet::new();
        follow(&whole, &known, &mut used);
        let used = used.into_iter().map(|name| (name.clone(), known[&name].clone()));
        let definitions: Map<String, Json> = used.collect();
        whole["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
        whole["$id"] = json!(format!("urn:quarrel:{}:{}", self.name, self.version));
        if !definitions.is_empty() {
            whole["$defs"] = Json::Object(definitions);
        }
        whole
    }
}

/// Notes every definition that a schema refers to, and what those refer to.
fn follow(within: &Json, known: &BTreeMap<String, Json>, used: &mut BTreeSet<String>) {
    match within {
        Json::Object(parts) => {
            let name = parts.get("$ref").and_then(Json::as_str);
            if let Some(name) = name.and_then(|name| name.strip_prefix("#/$defs/"))
                && used.insert(name.to_owned())
            {
                follow(&known[name], known, used);
            }
            parts.values().for_each(|part| follow(part, known, used));
        }
        Json::Array(parts) => parts.iter().for_each(|part| follow(part, known, used)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use quarrel_run::{
        detection::Table,
        results::{MATRIX_SCHEMA, SCHEMA},
    };

    use super::*;

    #[test]
    fn every_schema_can_be_read_and_every_definition_is_used() {
        let mut used = BTreeSet::new();
        for schema in SCHEMAS {
            let whole = schema.whole();
            assert!(whole["title"].is_string(), "{}", schema.name);
            used.extend(
                whole["$defs"].as_object().into_iter().flatten().map(|(name, _)| name.clone()),
            );
        }
        let known: BTreeMap<String, Json> = serde_json::from_str(DEFINITIONS).unwrap();
        assert!(used.iter().eq(known.keys()), "{used:?}");
    }

    #[test]
    fn a_version_is_the_one_that_stands_in_what_is_written() {
        let told = |name: &str| {
            let schema = SCHEMAS.iter().find(|schema| schema.name == name).unwrap();
            let whole = schema.whole();
            let own = &whole["properties"]["schema"]["const"];
            let verdict = &whole["$defs"]["verdict"]["properties"]["schema"]["const"];
            let told = if own.is_null() { verdict } else { own };
            assert_eq!(told.as_u64(), Some(schema.version.into()), "{name}");
            schema.version
        };
        assert_eq!(told("verdict"), SCHEMA);
        assert_eq!(told("settings"), SCHEMA);
        assert_eq!(told("matrix"), MATRIX_SCHEMA);
        assert_eq!(told("detection"), Table::SCHEMA);
        told("part");
        told("merge");
    }
}
