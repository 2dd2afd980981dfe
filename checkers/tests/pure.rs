//! Whoever takes the checkers into a project of their own takes nothing else along: no
//! async runtime, no driver, nothing that reads or writes but what it is handed.

use std::{collections::BTreeSet, process::Command};

/// Everything that is linked, with what is only needed to compile it.
const ALLOWED: [&str; 15] = [
    "itoa",
    "memchr",
    "proc-macro2",
    "quarrel-checkers",
    "quote",
    "rustc-hash",
    "serde",
    "serde_core",
    "serde_derive",
    "serde_json",
    "smallvec",
    "syn",
    "thiserror",
    "thiserror-impl",
    "unicode-ident",
];

/// How `serde_json` prints numbers, by its versions.
const PRINTERS: [&str; 2] = ["ryu", "zmij"];

#[test]
fn the_tree_holds_what_is_allowed_and_no_more() {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--package", "quarrel-checkers", "--edges", "normal", "--prefix", "none"])
        .args(["--locked", "--offline", "--format", "{p}"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let tree = String::from_utf8(output.stdout).unwrap();
    let found: BTreeSet<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    let found: BTreeSet<&str> = found.into_iter().filter(|name| !name.is_empty()).collect();
    assert!(found.contains("quarrel-checkers") && found.len() > 10, "{found:?}");
    let is_allowed = |name: &&str| ALLOWED.contains(name) || PRINTERS.contains(name);
    let others: Vec<_> = found.iter().filter(|name| !is_allowed(name)).collect();
    assert!(others.is_empty(), "not allowed: {others:?}");
}
