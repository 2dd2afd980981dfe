//! What quarrel writes for programs is of the form that `quarrel schema` says,
//! and of no other: commands are run, and what they write is held against it.

mod files;
mod forms;
mod printed;
mod servers;

use forms::{Forms, quarrel};

#[test]
fn there_is_a_schema_of_each_name_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let (code, listed, _) = quarrel(folder.path(), "schema");
    assert_eq!(code, 0);
    let names: Vec<_> =
        listed.lines().map(|line| line.split_whitespace().next().unwrap().to_owned()).collect();
    assert!(names.len() >= 31, "{listed}");
    for name in &names {
        let form = Forms::default().schema(name);
        assert_eq!(form["$schema"], "https://json-schema.org/draft/2020-12/schema");
        let id = form["$id"].as_str().unwrap();
        assert!(id.starts_with(&format!("urn:quarrel:{name}:")), "{id}");
    }
    let (code, _, told) = quarrel(folder.path(), "schema verdct");
    assert_eq!(code, 64);
    assert!(told.contains("did you mean `verdict`?"), "{told}");
}

/// The names in the definitions are those that `quarrel explain` knows.
#[test]
fn anomalies_and_causes_are_listed_by_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let (_, said, _) = quarrel(folder.path(), "explain --format json");
    let known: serde_json::Value = serde_json::from_str(&said).unwrap();
    let forms = ["verdict", "file-verdict"].map(|name| Forms::default().schema(name).clone());
    let [form, of_file] = &forms;
    let named = |definition| &form["$defs"][definition]["enum"];
    let levels = &of_file["properties"]["levels"]["items"]["prefixItems"][0]["enum"];
    for (listed, kind) in [
        (named("class"), "anomaly"),
        (named("cause"), "cause"),
        (named("guarantee"), "guarantee"),
        (levels, "level"),
    ] {
        let mut explained: Vec<_> = known
            .as_array()
            .unwrap()
            .iter()
            .filter(|topic| topic["kind"] == kind)
            .map(|topic| topic["name"].as_str().unwrap())
            .collect();
        let listed = listed.as_array().unwrap();
        let mut listed: Vec<_> = listed.iter().map(|name| name.as_str().unwrap()).collect();
        explained.sort_unstable();
        listed.sort_unstable();
        assert_eq!(listed, explained, "{kind}");
    }
}
