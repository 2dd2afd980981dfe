//! Holds values against the schemas that the command prints, and the schemas
//! against what is wrong.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
};

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::{Value as Json, json};

/// The exit code, what was printed, and what was told beside it.
pub(crate) fn quarrel(folder: &Path, line: &str) -> (i32, String, String) {
    run(folder, &line.split_whitespace().collect::<Vec<_>>())
}

pub(crate) fn run(folder: &Path, words: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quarrel"));
    // Clusters that are up are known by a file in there.
    command.args(words).current_dir(folder).env("XDG_RUNTIME_DIR", folder);
    // The one that has the packages.
    command.env("PYTHON", "/usr/bin/python3");
    let out = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (out.status.code().unwrap(), text(out.stdout), text(out.stderr))
}

/// Schemas that were asked for, by name.
#[derive(Default)]
pub(crate) struct Forms {
    read: Schemas,
    known: BTreeMap<String, SchemaIndex>,
    /// Places at which it was seen that a wrong value is refused.
    tried: BTreeSet<String>,
}

impl Forms {
    pub(crate) fn schema(&mut self, name: &str) -> Json {
        let here = Path::new(".");
        let (code, said, told) = quarrel(here, &format!("schema {name}"));
        assert_eq!(code, 0, "{told}");
        let form: Json = serde_json::from_str(&said).unwrap();
        let id = form["$id"].as_str().unwrap().to_owned();
        let mut compiler = Compiler::new();
        compiler.add_resource(&id, form.clone()).unwrap();
        // It is held against the schema of schemas, too.
        let index =
            compiler.compile(&id, &mut self.read).unwrap_or_else(|e| panic!("{name}: {e:#}"));
        self.known.insert(name.to_owned(), index);
        form
    }

    fn fits(&mut self, name: &str, value: &Json) -> Result<(), String> {
        if !self.known.contains_key(name) {
            self.schema(name);
        }
        self.read.validate(value, self.known[name]).map_err(|error| format!("{error:#}"))
    }

    /// It is of the form, and would not be with a field more or a field less.
    #[track_caller]
    pub(crate) fn hold(&mut self, name: &str, value: &Json) {
        if let Err(why) = self.fits(name, value) {
            panic!("{name}: {why}\n{:.2000}", format!("{value:#}"));
        }
        self.refuses_wrong_ones(name, value);
    }

    /// Each kind of place is tried once.
    fn refuses_wrong_ones(&mut self, name: &str, value: &Json) {
        for pointer in objects(value) {
            let kind = format!("{name}{}", kind_of(&pointer));
            if !self.tried.insert(kind) || is_open(name, &pointer) {
                continue;
            }
            let mut more = value.clone();
            more.pointer_mut(&pointer).unwrap()["surely_unknown"] = json!(1);
            assert!(self.fits(name, &more).is_err(), "{name}: a field more at `{pointer}`");
            let mut other = value.clone();
            *other.pointer_mut(&pointer).unwrap() = json!(true);
            assert!(self.fits(name, &other).is_err(), "{name}: no object at `{pointer}`");
        }
        let first = if value.is_array() { "/0" } else { "" };
        let Some(Json::Object(whole)) = value.pointer(first) else { return };
        // Of what nothing is required, nothing can be missing.
        if name == "environment" {
            return;
        }
        let mut refused = 0;
        for field in whole.keys() {
            let mut less = value.clone();
            less.pointer_mut(first).unwrap().as_object_mut().unwrap().remove(field);
            refused += usize::from(self.fits(name, &less).is_err());
        }
        assert!(refused > 0, "{name}: every field may be missing");
    }

    /// Every line of a file of JSON.
    pub(crate) fn hold_lines(&mut self, name: &str, text: &str) {
        assert!(!text.trim().is_empty(), "{name}: no line");
        for line in text.lines() {
            let value: Json = serde_json::from_str(line).unwrap();
            if let Err(why) = self.fits(name, &value) {
                panic!("{name}: {why}\n{line}");
            }
        }
        let first: Json = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        self.refuses_wrong_ones(name, &first);
    }

    /// What a command prints, and its exit code.
    #[track_caller]
    pub(crate) fn hold_printed(&mut self, name: &str, folder: &Path, line: &str) -> (i32, Json) {
        let (code, said, told) = quarrel(folder, line);
        let value =
            serde_json::from_str(&said).unwrap_or_else(|e| panic!("{line}: {e}: {said}{told}"));
        self.hold(name, &value);
        (code, value)
    }
}

/// Objects whose keys are somebody's names.
fn is_open(name: &str, pointer: &str) -> bool {
    let last = pointer.rsplit('/').next().unwrap_or_default();
    matches!(last, "options" | "given" | "addresses") || name == "environment"
}

/// The pointers to all objects of a value.
fn objects(value: &Json) -> Vec<String> {
    fn walk(value: &Json, at: &str, into: &mut Vec<String>) {
        match value {
            Json::Object(fields) => {
                into.push(at.to_owned());
                fields.iter().for_each(|(name, field)| walk(field, &format!("{at}/{name}"), into));
            }
            Json::Array(items) => {
                // The first few are of every kind, or later files have them.
                items
                    .iter()
                    .take(50)
                    .enumerate()
                    .for_each(|(n, item)| walk(item, &format!("{at}/{n}"), into));
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(value, "", &mut found);
    found
}

/// A pointer without the places in lists.
fn kind_of(pointer: &str) -> String {
    let parts = pointer.split('/').map(|part| {
        let is_place = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if is_place { "*" } else { part }
    });
    parts.collect::<Vec<_>>().join("/")
}
