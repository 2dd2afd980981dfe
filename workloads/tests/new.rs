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
    // A first test must not wait for the clients of a container engine.
    let light = |wanted: &&serde_json::Value| wanted["uses_default_features"] == false;
    assert_eq!(wanted.iter().filter(light).count(), 2, "{own}");
    assert!(own["features"]["docker"].is_array(), "{own}");
    // Nor for the command line and the drivers of real servers.
    let targets = own["targets"].as_array().unwrap();
    let named = |kind: &str| targets.iter().find(|target| target["kind"][0] == kind).unwrap();
    assert_eq!(named("bin")["required-features"][0], "command", "{own}");
    assert_eq!(named("lib")["name"], "shop_cache");
    let main = fs::read_to_string(crate_.join("src/main.rs")).unwrap();
    assert!(main.contains("use shop_cache::{strategy, workload};"), "{main}");
    let has = |tree: &str, package: &str| {
        tree.lines().any(|line| line.split(' ').next() == Some(package))
    };
    let (test, command) = (needed(&crate_, &[]), needed(&crate_, &["--features", "command"]));
    for heavy in ["sqlx", "redis", "axum", "hyper", "clap"] {
        assert!(!has(&test, heavy), "a test waits for {heavy}");
        assert!(has(&command, heavy), "the control: {heavy}");
    }
    for wanted in wanted {
        let manifest = Path::new(wanted["path"].as_str().unwrap()).join("Cargo.toml");
        assert!(manifest.is_file(), "{}", manifest.display());
    }
}

/// The packages that a build of the crate needs.
fn needed(at: &Path, words: &[&str]) -> String {
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock");
    fs::copy(lock, at.join("Cargo.lock")).unwrap();
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--edges", "normal", "--prefix", "none"])
        .args(words)
        .current_dir(at)
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    String::from_utf8(tree.stdout).unwrap()
}

/// What the crate's own binary says.
fn own(at: &Path, words: &[&str], code: i32) -> String {
    let quarrel = Path::new(env!("CARGO_BIN_EXE_quarrel"));
    let own = quarrel.with_file_name("examples").join("own");
    assert!(own.is_file(), "first: cargo build -p quarrel-workloads --example own");
    let output = Command::new(own).args(words).current_dir(at).output().expect("it can be started");
    assert_eq!(output.status.code(), Some(code), "{words:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_strategy_of_ones_own_is_explored_replayed_and_shrunk_like_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let found = own(at, &["explore", "my-cache", "--out", "found.race"], 1);
    assert!(found.starts_with("my-cache breaks in 4 steps: !stale\n"), "{found}");
    let met = own(at, &["replay", "--cluster", "sim", "found.race", "-n", "3"], 0);
    assert!(met.ends_with("reproduced 3 of 3 times\n"), "{met}");
    let storm = ["run", "my-cache", "--cluster", "sim", "--fault", "replica-lag", "--time", "2s"];
    own(at, &storm, 1);
    let shrunk = own(at, &["shrink", "latest"], 0);
    assert!(shrunk.contains("  strategy my-cache\n"), "{shrunk}");
    assert!(shrunk.contains("  = cause: replica-lag"), "{shrunk}");
    own(at, &["replay", "--cluster", "sim", "latest"], 0);
    // Its options are its own, and so is a step through a library of its own,
    // which stands in what a storm recorded and in no race.
    let told = own(at, &[&storm[..], &["--index", "on", "--seed", "3"]].concat(), 1);
    assert!(told.contains("Writer A: TELL "), "{told}");
    let packed = fs::File::open(at.join("results/latest/history.jsonl.zst")).unwrap();
    let history = String::from_utf8(zstd::decode_all(packed).unwrap()).unwrap();
    let step = "\"site\":\"client\",\"f\":\"TELL\",";
    assert!(history.contains(step), "{history:.500}");
    own(at, &["replay", "--cluster", "sim", "latest"], 0);
    let plain = own(at, &[&storm[..], &["--fill", "primary", "--seed", "3"]].concat(), 1);
    assert!(!plain.contains("TELL") && !plain.contains("SELECT replica"), "{plain}");
    // Its workload looks at what it has saved.
    let looks = own(at, &[&storm[..], &["--workload", "save-and-look"]].concat(), 1);
    assert!(looks.contains("no read-your-writes  "), "{looks}");
}

#[test]
fn a_repository_may_be_named_instead() {
    let folder = tempfile::tempdir().unwrap();
    let made = new(folder.path(), &["mine", "--git", "ssh://example.org/quarrel"]);
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    let cargo = fs::read_to_string(folder.path().join("mine/Cargo.toml")).unwrap();
    assert!(cargo.contains("quarrel-harness = { git = \"ssh://example.org/quarrel\", "), "{cargo}");
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

/// What the Flask sample's own file says, in words.
const FLASK: [(&str, &str); 9] = [
    ("--command", "exec ${PYTHON:-python3} -m waitress --listen=127.0.0.1:$PORT app:app"),
    ("--setup", "${PYTHON:-python3} app.py"),
    ("--ready", "GET /health"),
    ("--read", "GET /profiles/{key}"),
    ("--value", "json:/name"),
    ("--write", "PUT /profiles/{key}"),
    ("--body", r#"{"name": "{value}"}"#),
    ("--insert", "INSERT INTO profiles (id, name) VALUES ({key}, {value})"),
    ("--select", "SELECT name FROM profiles WHERE id = {key}"),
];

fn flags() -> Vec<&'static str> {
    ["--app"].into_iter().chain(FLASK.iter().flat_map(|(flag, text)| [*flag, *text])).collect()
}

#[test]
fn the_file_of_an_application_is_written_from_flags() {
    let folder = tempfile::tempdir().unwrap();
    let made = new(folder.path(), &flags());
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    let text = fs::read_to_string(folder.path().join("app.toml")).unwrap();
    for (_, said) in FLASK {
        assert!(text.contains(said), "`{said}` in\n{text}");
    }
    assert!(
        text.contains(r#"env = { DATABASE_URL = "{primary}", REDIS_URL = "{cache}" }"#),
        "{text}"
    );
    assert!(text.contains("# [cache]\n# entry = \"profile:{key}\""), "{text}");
    // It is not written over.
    assert!(complaint(&new(folder.path(), &flags())).contains("exists already"));
    assert_eq!(fs::read_to_string(folder.path().join("app.toml")).unwrap(), text);
}

#[test]
fn what_is_not_given_is_asked_for_and_what_makes_no_sense_asked_again() {
    use std::{io::Write as _, process::Stdio};
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_quarrel"))
        .args(["new", "--app", "shop.toml", "--command", "node app.js"])
        .current_dir(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // env, setup and ready as usual; a read without its key, then with it; what
    // follows is proposed.
    let answers = "\n\n\nGET /items\nGET /items/{key}\njson:/data/title\n\n\n\n\n\n";
    child.stdin.take().unwrap().write_all(answers.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let asked = String::from_utf8(output.stderr).unwrap();
    assert!(asked.contains("  neither path nor body has a {key}\n"), "{asked}");
    let text = fs::read_to_string(folder.path().join("shop.toml")).unwrap();
    let proposed = [
        "request = \"PUT /items/{key}\"",
        r#"{"title": "{value}"}"#,
        "INSERT INTO items (id, title) VALUES ({key}, {value})",
        "SELECT title FROM items WHERE id = {key}",
    ];
    for line in proposed {
        assert!(text.contains(line), "`{line}` in\n{text}");
    }
}

#[test]
fn what_is_wrong_or_missing_is_told_with_its_flag() {
    let folder = tempfile::tempdir().unwrap();
    let mut words = flags();
    words[8] = "GET /profiles";
    let told = complaint(&new(folder.path(), &words));
    assert!(told.contains("--read `GET /profiles`: neither path nor body has a {key}"), "{told}");
    words.truncate(7);
    let told = complaint(&new(folder.path(), &words));
    assert!(told.contains("nobody answers; say it with --read"), "{told}");
    assert!(!folder.path().join("app.toml").exists());
}
