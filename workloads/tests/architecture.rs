//! Who may know whom. Every `use` and every path of every source file is read.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use syn::visit::{self, Visit};

/// A room, and the rooms of the same crate that it may know.
type Room = (&'static str, &'static [&'static str]);

/// The rooms of crates that have several, and the rooms of the same crate that
/// each may know. Which crate knows which, Cargo says.
const ROOMS: &[(&str, &[Room])] = &[
    (
        "strategy",
        &[
            ("words", &[]),
            ("record", &[]),
            ("stores", &[]),
            ("cluster", &["record", "stores"]),
            ("faults", &["cluster", "words"]),
            ("strategy", &["faults", "record", "stores", "words"]),
        ],
    ),
    (
        "run",
        &[
            ("faults", &[]),
            ("runner", &["faults"]),
            ("results", &["faults"]),
            ("judge", &["faults", "results"]),
            ("run", &["faults", "runner", "results", "judge"]),
            ("detection", &["results", "judge"]),
        ],
    ),
    ("explore", &[("race", &[]), ("explore", &["race"])]),
    ("report", &[("report", &[]), ("web", &["report"])]),
];

/// Crates that a test of a strategy needs, simulated: none of them may bring a
/// driver, an engine's client, a web server or a command line.
const LIGHT: &[&str] = &["strategy", "sim", "run", "explore"];
/// What is not light.
const HEAVY: &[&str] =
    &["sqlx", "redis", "testcontainers", "toxiproxy_rust", "ureq", "axum", "hyper", "clap"];

/// Crates that no checker may touch: a verdict depends on the history alone.
const IMPURE: &[&str] = &["tokio", "sqlx", "redis", "axum", "rand", "quarrel_harness"];
/// Parts of the standard library that no checker may touch; of threads only
/// `scope`, which ends them all before it returns.
const IMPURE_STD: &[&str] = &["fs", "net", "process", "thread", "env"];

#[test]
fn rooms_know_only_the_rooms_below_them() {
    let mut complaints = Vec::new();
    for (home, rooms) in ROOMS {
        let source = root().join("harness").join(home).join("src");
        for entry in fs::read_dir(&source).unwrap().flatten() {
            let name = entry.file_name().into_string().unwrap();
            let room = name.trim_end_matches(".rs");
            if room == "lib" {
                continue;
            }
            let Some((_, may_know)) = rooms.iter().find(|(known, _)| *known == room) else {
                complaints.push(format!("{home}/{room}: a room that the design does not know"));
                continue;
            };
            // Files of unit tests may use anything.
            let files = rust_files(&entry.path()).into_iter().filter(|file| {
                let stem = file.file_stem().unwrap().to_string_lossy();
                stem != "tests" && !stem.ends_with("_tests")
            });
            for file in files {
                for path in paths(&file) {
                    let [first, other, ..] = path.as_slice() else { continue };
                    let known = rooms.iter().any(|(known, _)| known == other);
                    let allowed = other == room || may_know.contains(&other.as_str());
                    if first == "crate" && known && !allowed {
                        complaints
                            .push(format!("{}: {room} must not know {other}", file.display()));
                    }
                }
            }
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn what_a_strategys_test_needs_is_light() {
    for name in LIGHT {
        let manifest = root().join("harness").join(name).join("Cargo.toml");
        let text = fs::read_to_string(&manifest).unwrap();
        let needed = text.split("[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
        for line in needed.lines() {
            let package = line.split(['.', ' ', '=']).next().unwrap();
            assert!(!HEAVY.contains(&package), "{}: {package}", manifest.display());
            let ours = package.strip_prefix("quarrel-").filter(|ours| *ours != "checkers");
            let is_light = ours.is_none_or(|ours| LIGHT.contains(&ours));
            assert!(is_light, "{}: {package}", manifest.display());
        }
    }
}

#[test]
fn checkers_are_pure() {
    let mut complaints = Vec::new();
    for file in rust_files(&root().join("checkers/src")) {
        for path in paths(&file) {
            let first = path[0].as_str();
            let second = path.get(1).map_or("", String::as_str);
            let impure = IMPURE.contains(&first)
                || (first == "std"
                    && IMPURE_STD.contains(&second)
                    && path[1..] != ["thread", "scope"])
                || (first == "std"
                    && second == "time"
                    && path.get(2).is_some_and(|t| t != "Duration"));
            if impure {
                complaints.push(format!("{}: {}", file.display(), path.join("::")));
            }
        }
    }
    assert!(complaints.is_empty(), "checkers must be pure:\n{}", complaints.join("\n"));
}

#[test]
fn the_fault_proxy_knows_no_other_package() {
    for file in rust_files(&root().join("harness/faultproxy/src")) {
        let foreign = paths(&file)
            .into_iter()
            .find(|path| path[0].starts_with("quarrel_") && path[0] != "quarrel_faultproxy");
        assert_eq!(foreign, None, "{}", file.display());
    }
}

#[test]
fn strategies_see_no_fault_and_no_cluster() {
    for file in rust_files(&root().join("workloads/src/strategies")) {
        let forbidden = paths(&file).into_iter().find(|path| {
            path[0] == "quarrel_harness"
                && path.get(1).is_some_and(|room| !matches!(room.as_str(), "stores" | "strategy"))
        });
        assert_eq!(forbidden, None, "{}", file.display());
    }
}

/// One word, one meaning: a message or an import is understood without looking
/// up which crate it comes from.
#[test]
fn a_public_types_name_is_used_once() {
    let sources = ["checkers/src", "workloads/src"].map(|source| root().join(source));
    let homes = fs::read_dir(root().join("harness")).unwrap().flatten();
    let homes = homes.map(|home| home.path().join("src")).filter(|source| source.is_dir());
    let mut places = BTreeMap::<String, Vec<String>>::new();
    for file in homes.chain(sources).flat_map(|source| rust_files(&source)) {
        let parsed = syn::parse_file(&fs::read_to_string(&file).unwrap()).unwrap();
        for item in parsed.items {
            let (visibility, name) = match item {
                syn::Item::Struct(item) => (item.vis, item.ident),
                syn::Item::Enum(item) => (item.vis, item.ident),
                syn::Item::Trait(item) => (item.vis, item.ident),
                syn::Item::Type(item) => (item.vis, item.ident),
                _ => continue,
            };
            if matches!(visibility, syn::Visibility::Public(_)) {
                places.entry(name.to_string()).or_default().push(file.display().to_string());
            }
        }
    }
    assert!(places.len() > 300, "only {} types were found", places.len());
    places.retain(|_, places| places.len() > 1);
    assert!(places.is_empty(), "{places:#?}");
}

#[test]
fn no_source_file_is_longer_than_500_lines() {
    let mut long = Vec::new();
    for folder in ["checkers", "harness", "workloads"] {
        for file in rust_files(&root().join(folder)) {
            let lines = fs::read_to_string(&file).unwrap().lines().count();
            if lines > 500 {
                long.push(format!("{}: {lines}", file.display()));
            }
        }
    }
    assert!(long.is_empty(), "split where two concepts share a room:\n{}", long.join("\n"));
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn rust_files(at: &Path) -> Vec<PathBuf> {
    if at.is_file() {
        return vec![at.to_owned()];
    }
    let mut files: Vec<PathBuf> = fs::read_dir(at)
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir() || path.extension().is_some_and(|ending| ending == "rs"))
        .flat_map(|path| rust_files(&path))
        .collect();
    files.sort();
    files
}

/// Every path that a file names outside its unit tests, part by part, without
/// duplicates.
fn paths(file: &Path) -> BTreeSet<Vec<String>> {
    let source = fs::read_to_string(file).unwrap();
    let parsed = syn::parse_file(&source).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let mut found = Paths::default();
    found.visit_file(&parsed);
    found.0
}

#[derive(Default)]
struct Paths(BTreeSet<Vec<String>>);

impl Visit<'_> for Paths {
    fn visit_item_mod(&mut self, item: &syn::ItemMod) {
        let test = item.attrs.iter().any(|attribute| {
            attribute.path().is_ident("cfg")
                && attribute.parse_args::<syn::Ident>().is_ok_and(|word| word == "test")
        });
        if !test {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &syn::ItemUse) {
        self.tree(&item.tree, &[]);
    }

    fn visit_path(&mut self, path: &syn::Path) {
        self.0.insert(path.segments.iter().map(|part| part.ident.to_string()).collect());
        visit::visit_path(self, path);
    }
}

impl Paths {
    fn tree(&mut self, tree: &syn::UseTree, before: &[String]) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.tree(&path.tree, &with(&path.ident)),
            syn::UseTree::Name(name) => drop(self.0.insert(with(&name.ident))),
            syn::UseTree::Rename(name) => drop(self.0.insert(with(&name.ident))),
            syn::UseTree::Glob(_) => drop(self.0.insert(before.to_vec())),
            syn::UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.tree(tree, before));
            }
        }
    }
}
