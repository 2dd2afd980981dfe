//! The sample applications, each in the language and with the libraries of its
//! community, on real servers: every one of them is broken by an order of its
//! own messages, which can be had again at will.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

/// An application, and the lines of the order that breaks it.
struct Sample<'a> {
    name: &'static str,
    /// An interpreter with what it needs.
    python: PathBuf,
    order: &'a [&'a str],
    cluster: &'static str,
    results: TempDir,
}

impl<'a> Sample<'a> {
    fn of(name: &'static str, order: &'a [&'a str]) -> Self {
        let results = tempfile::tempdir().unwrap();
        Self { name, python: "/usr/bin/python3".into(), order, cluster: "native", results }
    }

    fn quarrel(&self, words: &[&str]) -> (Option<i32>, String) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("apps").join(self.name);
        let output = Command::new(env!("CARGO_BIN_EXE_quarrel"))
            .args(words)
            .arg("--app")
            .arg(folder.join("app.toml"))
            .args(["--cluster", self.cluster])
            .env("QUARREL_RESULTS", self.results.path())
            .env("PYTHON", &self.python)
            .output()
            .unwrap();
        told(&output)
    }

    /// Searched, performed again, and stormed.
    fn breaks(&self) {
        let race = self.results.path().join("found.race");
        let race = race.to_str().unwrap();
        let (code, said) = self.quarrel(&["explore", "--clients", "2", "--out", race]);
        assert_eq!(code, Some(1), "{said}");
        let mut rest = said.as_str();
        for line in self.order {
            let at = rest.find(line).unwrap_or_else(|| panic!("`{line}` in\n{said}"));
            rest = &rest[at..];
        }
        assert!(said.contains("broken 20 of 20 times"), "{said}");
        let (code, said) = self.quarrel(&["replay", race, "-n", "20"]);
        assert_eq!(code, Some(0), "{said}\n{}", fs::read_to_string(race).unwrap());
        assert!(said.contains("broken 20 of 20 times"), "{said}");
        // So short a storm may miss the race, and then says so; it is judged.
        let storm = ["run", "--clients", "2", "--time", "2s", "--seed", "1"];
        let (code, said) = self.quarrel(&storm);
        assert!(matches!(code, Some(0 | 1)), "{said}");
        assert!(said.contains(" linearizable "), "{said}");
    }
}

fn told(output: &Output) -> (Option<i32>, String) {
    let said = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    (output.status.code(), said.concat())
}

#[test]
fn fastapi_with_asyncpg() {
    let order = [
        "Reader B: primary SELECT id, name FROM profiles",
        "Writer A: primary UPDATE profiles",
        "Writer A: primary COMMIT",
        "Writer A: cache DEL profile:{key}",
        "Reader B: cache SET profile:{key}",
    ];
    Sample::of("fastapi", &order).breaks();
}

const FLASK: [&str; 5] = [
    "Reader B: primary SELECT profiles.id",
    "Writer A: primary UPDATE profiles",
    "Writer A: primary COMMIT",
    "Writer A: cache DEL profile:{key}",
    "Reader B: cache SET profile:{key}",
];

/// The application runs on this machine, and its stores in containers.
#[test]
fn flask_on_docker() {
    Sample { cluster: "docker", ..Sample::of("flask", &FLASK) }.breaks();
}

/// Its driver ends each statement with a Flush, and a Sync by itself.
#[test]
fn express_with_pg() {
    let order = [
        "Reader B: primary SELECT id, name FROM profiles",
        "Writer A: primary UPDATE profiles",
        "Writer A: primary COMMIT",
        "Writer A: cache DEL profile:{key}",
        "Reader B: cache SET profile:{key}",
    ];
    Sample::of("express", &order).breaks();
}

#[test]
fn php_with_a_connection_for_every_request() {
    let order = [
        "Reader B: primary SELECT id, name FROM profiles",
        "Writer A: primary COMMIT",
        "Writer A: cache DEL profile:{key}",
        "Reader B: cache SETEX profile:{key}",
    ];
    Sample::of("php", &order).breaks();
}

#[test]
fn go_with_database_sql() {
    let order = [
        "Reader B: primary SELECT name FROM profiles",
        "Writer A: primary COMMIT",
        "Writer A: cache DEL profile:{key}",
        "Reader B: cache SET profile:{key}",
    ];
    Sample::of("go", &order).breaks();
}

/// Reads go to the replica.
#[test]
fn rails_with_its_cache_and_a_replica() {
    let order = [
        "Reader B: replica SELECT \"profiles\".*",
        "Writer A: primary COMMIT",
        "Writer A: cache DEL profile:{key}",
        "Reader B: cache SET profile:{key}",
    ];
    Sample::of("rails", &order).breaks();
}

/// Keys are hashes of the query, and scripts touch keys that they do not name.
#[test]
fn django_with_cacheops() {
    let order = [
        "Reader B: primary SELECT \"profiles\".\"id\"",
        "Writer A: primary COMMIT",
        "Writer A: cache EVALSHA",
        "Reader B: cache EVALSHA",
    ];
    let sample = Sample { python: with_cacheops(), ..Sample::of("django", &order) };
    sample.breaks();
}

/// An interpreter with django-cacheops, which Debian does not have, beside
/// Debian's Django.
fn with_cacheops() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cacheops");
    let python = folder.join("bin/python");
    let works = |command: &mut Command| {
        let output = command.output();
        let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        (output.status.success(), format!("{command:?}\n{}", told(&output).1))
    };
    let find = "import importlib.metadata as m; assert m.version('django-cacheops') == '7.2'";
    if python.is_file() && works(Command::new(&python).args(["-c", find])).0 {
        return python;
    }
    let make = ["-m", "venv", "--clear", "--system-site-packages"];
    let (made, said) = works(Command::new("/usr/bin/python3").args(make).arg(&folder));
    assert!(made, "{said}");
    let install = ["-m", "pip", "install", "--quiet", "django-cacheops==7.2"];
    let (installed, said) = works(Command::new(&python).args(install));
    assert!(installed, "{said}");
    python
}
