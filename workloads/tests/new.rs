//! A crate of the user's own. That what is written compiles, and that its test
//! passes, is shown by the example `scaffold`, which is made of the same files.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

fn new(at: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_quarrel"))
        .arg("new")
        .args(words)
        .current_dir(at)
        .output()
        .expect("quarrel can be started")
}

fn complaint(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(64), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_crate_is_made_that_cargo_understands() {
    let folder = tempfile::tempdir().unwrap();
    let made = new(folder.path(), &["shop-cache"]);
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    let crate_ = folder.path().join("shop-cache");
    let strategy = fs::read_to_string(crate_.join("src/strategy.rs")).unwrap();
    assert!(strategy.contains("name: \"shop-cache\""), "{strategy}");

    let read = Command::new(env!("CARGO"))
        .args(["metadata", "--offline", "--no-deps", "--format-version", "1"])
        .current_dir(&crate_)
        .output()
        .unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&read.stdout).unwrap();
    let own = &metadata["packages"][0];
    assert_eq!(own["name"], "shop-cache");
    let wanted = own["dependencies"].as_array().unwrap();
    let names: Vec<_> = wanted.iter().map(|wanted| wanted["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["quarrel-checkers", "quarrel-harness", "quarrel-workloads"]);
    for wanted in wanted {
        let manifest = Path::new(wanted["path"].as_str().unwrap()).join("Cargo.toml");
        assert!(manifest.is_file(), "{}", manifest.display());
    }
}

#[test]
fn a_repository_may_be_named_instead() {
    let folder = tempfile::tempdir().unwrap();
    let made = new(folder.path(), &["mine", "--git", "ssh://example.org/quarrel"]);
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    let cargo = fs::read_to_string(folder.path().join("mine/Cargo.toml")).unwrap();
    assert!(cargo.contains("quarrel-harness = { git = \"ssh://example.org/quarrel\" }"), "{cargo}");
}

#[test]
fn nothing_that_is_there_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("mine")).unwrap();
    assert!(complaint(&new(folder.path(), &["mine"])).contains("mine exists already"));
    assert_eq!(fs::read_dir(folder.path().join("mine")).unwrap().count(), 0);
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    assert!(complaint(&new(folder.path(), &["My Cache"])).contains("is no name for a crate"));
    let nowhere = complaint(&new(folder.path(), &["mine", "--path", "nowhere"]));
    assert!(nowhere.contains("nowhere is no checkout of quarrel"), "{nowhere}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
