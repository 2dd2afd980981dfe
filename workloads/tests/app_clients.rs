//! What other languages' tests use: the package for pytest, and the program's
//! own JSON.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

const TESTS: &str = r#"
import psycopg2
import pytest
import redis
from pytest_quarrel import Broken, QuarrelError, Undecided

sample = "APPS/%s/app.toml"


def uses(name):
    return pytest.mark.parametrize("quarrel_app", [sample % name], indirect=True)


@uses("flask")
def test_a_cache_beside_flask(quarrel_app):
    quarrel_app.explore(clients=2)


@uses("flask")
def test_what_broke_breaks_again(quarrel_app, tmp_path):
    race = tmp_path / "flask.race"
    with pytest.raises(Broken, match="Reader B: cache SET profile"):
        quarrel_app.explore(clients=2, race=race)
    assert "broken 3 of 3 times" in quarrel_app.replay(race, times=3)


@uses("flask-uncached")
def test_no_cache(quarrel_app):
    assert "holds: no order" in quarrel_app.explore(clients=2)
    assert "linearizable" in quarrel_app.storm(time="1s", more=["--clients", "2"])


@uses("flask-uncached")
def test_what_was_cut_off_is_no_pass(quarrel_app):
    with pytest.raises(Undecided):
        quarrel_app.explore(clients=2, time="1ms")


def test_without_a_file(quarrel_app):
    with pytest.raises(QuarrelError, match="app.toml"):
        quarrel_app.explore()


def test_addresses(quarrel_app):
    database = psycopg2.connect(quarrel_app.primary)
    with database, database.cursor() as cursor:
        cursor.execute("CREATE TABLE own (id int)")
    replica = psycopg2.connect(quarrel_app.replica)
    with replica.cursor() as cursor:
        cursor.execute("SELECT pg_is_in_recovery()")
        assert cursor.fetchone() == (True,)
    assert redis.Redis.from_url(quarrel_app.cache).ping()
"#;

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn ran(command: &mut Command) -> (Option<i32>, String) {
    let output: Output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    (output.status.code(), format!("{command:?}\n{}", said.concat()))
}

fn works(command: &mut Command) {
    let (code, said) = ran(command);
    assert_eq!(code, Some(0), "{said}");
}

/// The package as a wheel in a venv of its own; the venv's interpreter.
fn installed(at: &Path) -> PathBuf {
    let source = at.join("source");
    fs::create_dir(&source).unwrap();
    for file in ["pyproject.toml", "pytest_quarrel.py", "README.md"] {
        fs::copy(package().join("clients/python").join(file), source.join(file)).unwrap();
    }
    let venv = at.join("venv");
    let make = ["-m", "venv", "--system-site-packages"];
    works(Command::new("/usr/bin/python3").args(make).arg(&venv));
    let python = venv.join("bin/python");
    let offline = ["--quiet", "--no-index", "--no-deps"];
    let wheels = at.join("wheels");
    let wheel = ["-m", "pip", "wheel", "--no-build-isolation", "--wheel-dir"];
    works(Command::new(&python).args(wheel).arg(&wheels).args(offline).arg(&source));
    let made: Vec<_> = fs::read_dir(&wheels).unwrap().flatten().collect();
    assert_eq!(made.len(), 1, "{made:?}");
    let install = ["-m", "pip", "install"];
    works(Command::new(&python).args(install).args(offline).arg(made[0].path()));
    python
}

#[test]
fn the_package_for_pytest_is_a_wheel_and_fails_the_test_of_what_breaks() {
    let folder = tempfile::tempdir().unwrap();
    let python = installed(folder.path());
    let tests = folder.path().join("tests");
    fs::create_dir(&tests).unwrap();
    let apps = package().join("apps");
    fs::write(tests.join("test_apps.py"), TESTS.replace("APPS", apps.to_str().unwrap())).unwrap();
    fs::write(tests.join("pytest.ini"), "[pytest]\nquarrel_cluster = native\n").unwrap();
    let (code, said) = ran(Command::new(&python)
        .args(["-m", "pytest", "-p", "no:cacheprovider", "--color=no"])
        .current_dir(&tests)
        .env("QUARREL", env!("CARGO_BIN_EXE_quarrel"))
        .env("PYTHON", "/usr/bin/python3"));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("1 failed, 5 passed"), "{said}");
    assert!(said.contains("FAILED test_apps.py::test_a_cache_beside_flask"), "{said}");
    assert!(said.contains("Broken: quarrel explore --app"), "{said}");
    assert!(said.contains("then somebody else reads"), "{said}");
    let up = Command::new(env!("CARGO_BIN_EXE_quarrel")).args(["cluster", "status"]).output();
    let up = String::from_utf8(up.unwrap().stdout).unwrap();
    assert!(!up.contains("pytest-"), "{up}");
}

/// What is documented for programs is what they get.
#[test]
fn the_json_of_a_search_is_as_documented() {
    let page = fs::read_to_string(package().join("clients/README.md")).unwrap();
    let blocks = page.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let blocks: Vec<serde_json::Value> =
        blocks.map(|block| serde_json::from_str(block).unwrap()).collect();
    let [search, run] = blocks.as_slice() else { panic!("two blocks of JSON: {blocks:?}") };
    let results = tempfile::tempdir().unwrap();
    let json = |words: &[&str]| -> serde_json::Value {
        let output = Command::new(env!("CARGO_BIN_EXE_quarrel"))
            .args(words)
            .arg("--app")
            .arg(package().join("apps/stdio/app.toml"))
            .args(["--cluster", "native", "--format", "json"])
            .env("QUARREL_RESULTS", results.path())
            .env("PYTHON", "/usr/bin/python3")
            .output()
            .unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
    };
    is_shaped(search, &json(&["explore", "--clients", "2"]), "");
    is_shaped(run, &json(&["run", "--time", "2s", "--seed", "1"]), "");
}

/// Whether a value has the keys and types of the documented one; of a list, the
/// first of each is compared.
fn is_shaped(documented: &serde_json::Value, value: &serde_json::Value, at: &str) {
    use serde_json::Value as V;
    match (documented, value) {
        (V::Object(documented), V::Object(value)) => {
            for (key, part) in documented {
                let found = value.get(key).unwrap_or_else(|| panic!("no {at}/{key} in {value:?}"));
                is_shaped(part, found, &format!("{at}/{key}"));
            }
        }
        (V::Array(documented), V::Array(value)) => {
            if let (Some(documented), Some(value)) = (documented.first(), value.first()) {
                is_shaped(documented, value, &format!("{at}/0"));
            }
        }
        (documented, value) => {
            let same = std::mem::discriminant(documented) == std::mem::discriminant(value);
            assert!(same || documented.is_null() || value.is_null(), "{at}: {value}");
        }
    }
}
