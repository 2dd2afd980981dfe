//! Passwords in addresses stand in nothing that quarrel says or keeps, whatever
//! is wrong with the address, and whatever is asked of it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

/// What passwords are made of in this test: it stands nowhere else.
const SECRETS: [&str; 6] = [
    "tops3cretzq",
    "tops3cretzq@w",
    "tops3cretzq/w",
    "tops3cretzq?w",
    "tops3cretzq#w",
    "tops3cretzq:w",
];
/// The part that is in all of them.
const SECRET: &str = "tops3cretzq";

/// Addresses with a password in them, right and wrong, and the scheme of the
/// store that they are for.
fn addresses(scheme: &str, secret: &str) -> Vec<String> {
    let encoded: String = secret.bytes().map(|byte| format!("%{byte:02X}")).collect();
    vec![
        format!("{scheme}://me:{secret}@127.0.0.1:1/shop"),
        format!("{scheme}://:{secret}@127.0.0.1:1/0"),
        // Its user part is a password that somebody put there. With a colon in
        // it nobody can tell it from a name.
        format!("redis://{}@127.0.0.1:1/0", secret.replace(':', ".")),
        format!("{scheme}://me:{encoded}{secret}@127.0.0.1:1/shop"),
        format!("{scheme}://127.0.0.1:1/shop?user=me&password={secret}"),
        format!("{scheme}://127.0.0.1:1/shop?sslpassword={secret}&options={secret}"),
        format!("{scheme}://me:{secret}@127.0.0.1:port/shop"),
        format!("{scheme}://me:{secret}@[::1/shop"),
        format!("{scheme}://me:{secret}@/shop?sslmode=verify-all"),
        format!("{scheme}:/me:{secret}@127.0.0.1:1/shop"),
        format!("me:{secret}@127.0.0.1:1"),
        format!("host=127.0.0.1 port=1 user=me password={secret}"),
        format!("http://me:{secret}@127.0.0.1:1/shop"),
        format!("{scheme}://me:{secret}"),
    ]
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all
}

/// Commands that take addresses, up to where these are given.
const COMMANDS: [&[&str]; 9] = [
    &["run", "cache-aside", "--cluster", "external", "--time", "1s", "--timeout", "200ms"],
    &[
        "matrix",
        "--cluster",
        "external",
        "--strategy",
        "cache-aside",
        "--fault",
        "none",
        "--time",
        "1s",
    ],
    &["replay", "n.race", "--cluster", "external"],
    &["shrink", "n.race", "--cluster", "external"],
    &["bench", "detection", "--cluster", "external", "--time", "1s"],
    &["cluster", "status"],
    &["cluster", "sweep"],
    &["doctor"],
    // Where no address belongs.
    &["explore", "cache-aside"],
];

const RACE: &str = "strategy cache-aside\nkey 1 = Alex, cached nowhere\nReader B: GET 1 -> miss\n";

fn with_a_race() -> TempDir {
    let scratch = tempfile::tempdir().unwrap();
    fs::write(scratch.path().join("n.race"), RACE).unwrap();
    scratch
}

fn quarrel(scratch: &TempDir, words: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_quarrel"))
        .args(words)
        .current_dir(scratch.path())
        // Crates are named by how their names begin.
        .env("QUARREL_LOG", "quarrel=trace,warn")
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

/// No byte of it is said, and none is kept.
fn keeps_secrets(scratch: &TempDir, words: &[&str], variables: &[(&str, &str)]) {
    let output = quarrel(scratch, words, variables);
    let said = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    let said = said.concat();
    assert!(!said.contains(SECRET), "{words:?} {variables:?}: {said}");
    assert_ne!(output.status.code(), Some(0), "{words:?} {variables:?}: {said}");
    for file in files(scratch.path()) {
        let text = fs::read(&file).unwrap();
        let text = String::from_utf8_lossy(&text);
        assert!(!text.contains(SECRET), "{words:?} {variables:?}: {}", file.display());
    }
}

#[test]
fn no_command_tells_a_password_that_was_given_by_variable() {
    let scratch = with_a_race();
    // Each command meets each address, each address one password: all of it
    // together takes seconds.
    for (at, command) in COMMANDS.iter().enumerate().take(8) {
        let secret = SECRETS[at % SECRETS.len()];
        let [primaries, caches] = ["postgres", "redis"].map(|scheme| addresses(scheme, secret));
        for (primary, cache) in primaries.iter().zip(&caches) {
            let variables = [
                ("QUARREL_PRIMARY_URL", primary.as_str()),
                ("QUARREL_REPLICA_URL", primary),
                ("QUARREL_CACHE_URL", cache),
            ];
            // Doctor and status say what is there besides.
            let output = quarrel(&scratch, command, &variables);
            let said = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
            assert!(!said.concat().contains(SECRET), "{command:?} {primary}: {}", said.concat());
        }
    }
    for file in files(scratch.path()) {
        let text = fs::read(&file).unwrap();
        assert!(!String::from_utf8_lossy(&text).contains(SECRET), "{}", file.display());
    }
}

#[test]
fn no_command_tells_a_password_that_was_given_on_its_line() {
    let scratch = with_a_race();
    for (at, secret) in SECRETS.iter().enumerate() {
        let [primaries, caches] = ["postgres", "redis"].map(|scheme| addresses(scheme, secret));
        for (number, (primary, cache)) in primaries.iter().zip(&caches).enumerate() {
            let command = COMMANDS[(at + number) % 5];
            let given = ["--primary", primary, "--replica", primary, "--cache", cache];
            keeps_secrets(&scratch, &[command, &given].concat(), &[]);
        }
        let toxiproxy = format!("http://me:{secret}@127.0.0.1:1");
        let given = ["--toxiproxy", &toxiproxy, "--primary", &primaries[0], "--cache", &caches[0]];
        keeps_secrets(&scratch, &[COMMANDS[6], &given].concat(), &[]);
    }
}

/// The words of a command are kept with what it made.
#[test]
fn a_matrix_keeps_its_command_and_no_password() {
    let scratch = with_a_race();
    let matrix = ["matrix", "--strategy", "primary-only", "--fault", "none"];
    for secret in SECRETS {
        let primary = format!("postgres://me:{secret}@127.0.0.1:1/shop");
        let cache = format!("--cache=redis://:{secret}@127.0.0.1:1");
        let output =
            quarrel(&scratch, &[&matrix[..], &["--primary", &primary, &cache]].concat(), &[]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
    let kept: Vec<_> = files(scratch.path())
        .into_iter()
        .map(|file| String::from_utf8_lossy(&fs::read(&file).unwrap()).into_owned())
        .collect();
    assert!(kept.iter().any(|text| text.contains("quarrel matrix --strategy primary-only")));
    assert!(!kept.iter().any(|text| text.contains(SECRET)), "{kept:?}");
}
