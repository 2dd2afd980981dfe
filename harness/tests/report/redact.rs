//! A redacted copy of a run shows nothing of what was planted in it, in none of
//! its files and on no page of it.

use std::{
    collections::BTreeSet,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use proptest::prelude::*;
use quarrel_checkers::{Content, Reply, Value};
use quarrel_harness::{
    judge::judge_with,
    report::write_files,
    results::{Redactor, RunFolder, append_to_index, load_run, redacted_copy},
};

use crate::server::{ask, finished, serve};

const NAME: &str = "20260301T080000Z-cache-aside-9f3a";

/// What an application stores as nothing but a number.
const NUMBER: &str = "4111111111111111";

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all
}

/// What stands in a file, unpacked.
fn text(path: &Path) -> String {
    let bytes = fs::read(path).unwrap();
    let bytes = match path.extension().and_then(|kind| kind.to_str()) {
        Some("zst") => zstd::decode_all(&*bytes).unwrap(),
        Some("gz") => {
            let mut unpacked = Vec::new();
            flate2::read::GzDecoder::new(&*bytes).read_to_end(&mut unpacked).unwrap();
            unpacked
        }
        _ => bytes,
    };
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The files in which one of the secrets stands, in their content or their name.
fn holding(folder: &Path, secrets: &[String]) -> BTreeSet<String> {
    let holds = |path: &PathBuf| {
        let (text, name) = (text(path), path.to_string_lossy().into_owned());
        secrets.iter().any(|secret| text.contains(secret) || name.contains(secret))
    };
    let found = files(folder).into_iter().filter(holds);
    found.map(|path| path.strip_prefix(folder).unwrap().display().to_string()).collect()
}

/// A run with a secret wherever an application can put one.
fn planted(results: &Path, secrets: &[String]) -> RunFolder {
    let run = finished(results, NAME, &secrets[0]);
    let all = secrets.join(" ");
    // All that strings can hold goes through the files themselves, as JSON.
    let escaped = serde_json::to_string(&all).unwrap();
    let history = run.file("history.jsonl.zst");
    let lines = text(&history).lines().fold(String::new(), |mut lines, line| {
        let mut json: serde_json::Value = serde_json::from_str(line).unwrap();
        if json["type"] == "step" {
            json["f"] = format!("{} {all}", json["f"].as_str().unwrap()).into();
            json["object"]["space"] = all.clone().into();
        } else if json["type"] != "invoke" {
            json["error"] = all.clone().into();
        }
        lines.push_str(&json.to_string());
        lines.push('\n');
        lines
    });
    let failed = format!(
        "{{\"type\":\"step\",\"process\":0,\"time\":1,\"site\":\"primary\",\"f\":\"SELECT\",\
         \"argument\":{{\"row\":{{\"value\":{escaped},\"version\":1}}}},\
         \"reply\":{{\"failed\":{{\"certainty\":\"definite\",\"error\":{escaped}}}}}}}\n"
    );
    let number = format!(
        "{{\"type\":\"step\",\"process\":0,\"time\":1,\"site\":\"cache\",\"f\":\"GETSET\",\
         \"argument\":{{\"number\":{NUMBER}}},\"reply\":{{\"found\":{{\"number\":{NUMBER}}}}}}}\n"
    );
    let lines = lines + &failed + &number;
    fs::write(&history, zstd::encode_all(lines.as_bytes(), 1).unwrap()).unwrap();
    let receipt = format!(
        "{{\"fault\":{escaped},\"injected\":1,\"evidence\":{escaped},\"errors\":[{escaped}]}}\n"
    );
    fs::write(run.file("faults.jsonl"), receipt).unwrap();
    let probe = format!(
        "{{\"start\":1,\"end\":2,\"site\":\"cache\",\"key\":7,\"value\":{escaped},\"version\":1,\
         \"phase\":\"final\"}}\n"
    );
    fs::write(run.file("probes.jsonl"), probe).unwrap();
    let commit = format!("{{\"key\":7,\"value\":{escaped},\"version\":1}}\n");
    fs::write(run.file("commits.jsonl"), commit).unwrap();
    fs::write(run.file("env.json"), format!("{{\"redis\":{escaped}}}")).unwrap();
    let failure = format!("{{\"at\":1,\"what\":{escaped},\"spoils\":\"completeness\"}}");
    fs::write(run.file("failure.json"), failure).unwrap();
    let settings = fs::read_to_string(run.file("run.toml")).unwrap();
    let mut settings: toml::Table = toml::from_str(&settings).unwrap();
    settings.insert("app".to_owned(), all.clone().into());
    settings.insert("source".to_owned(), all.clone().into());
    settings.insert("faults".to_owned(), vec![all.clone()].into());
    settings.insert("schedule".to_owned(), all.clone().into());
    settings.insert("began".to_owned(), all.clone().into());
    fs::write(run.file("run.toml"), settings.to_string()).unwrap();
    fs::create_dir_all(run.file("logs")).unwrap();
    for log in ["primary", "app-0"] {
        let line = format!("2026-03-01 08:00:00.107 UTC [1] ERROR:  Key (mail)=({all}) exists\n");
        fs::write(run.file(&format!("logs/{log}.log")), line).unwrap();
    }
    run
}

/// What somebody might have in a row: words, names, numbers, addresses.
fn secret() -> impl Strategy<Value = String> {
    prop_oneof![
        "zq[a-z]{4,10}",
        "[1-9][0-9]{9,15}",
        "Zq[a-z]{3,6}@[a-z]{3}qz\\.example",
        "zq[äöüß漢字]{2,4}",
        "zq[a-z]{3}[ -/:-@]{3,9}zq[a-z]{2}",
    ]
}

/// Parts of a secret that say something by themselves.
fn words(secrets: &[String]) -> Vec<String> {
    let split = secrets.iter().flat_map(|secret| secret.split(|c: char| !c.is_alphanumeric()));
    split.filter(|word| word.chars().count() > 3).map(str::to_owned).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_planted_secret_stands_in_what_is_given_away(
        secrets in prop::collection::vec(secret(), 1..4)
    ) {
        let scratch = tempfile::tempdir().unwrap();
        let run = planted(&scratch.path().join("results"), &secrets);
        let (mut secrets, root) = (words(&secrets), scratch.path().join("shared"));
        secrets.push(NUMBER.to_owned());
        let numbered = holding(&run.path, &[NUMBER.to_owned()]);
        prop_assert!(numbered.contains("history.jsonl.zst"), "{:?}", numbered);
        // The control: it is found where it was planted.
        let whole = holding(&run.path, &secrets);
        for name in ["run.toml", "history.jsonl.zst", "env.json", "logs/app-0.log"] {
            prop_assert!(whole.contains(name), "{} not in {:?}", name, whole);
        }
        let folder = redacted_copy(&load_run(run).unwrap(), &root).unwrap();
        let copy = load_run(folder.clone()).unwrap();
        let expected = copy.settings.expect.parse().unwrap();
        let verdict = judge_with(&copy, expected, quarrel_checkers::Verdict::valid());
        write_files(&copy, &verdict).unwrap();
        append_to_index(&root, &folder, &verdict).unwrap();
        folder.write("COMPLETE", "").unwrap();
        prop_assert_eq!(holding(&root, &secrets), BTreeSet::new());
        let made: BTreeSet<_> = files(&folder.path)
            .into_iter()
            .map(|path| path.strip_prefix(&folder.path).unwrap().display().to_string())
            .collect();
        for name in ["report.html", "summary.md", "junit.xml", "trace.json.gz", "logs/app-0.log"] {
            prop_assert!(made.contains(name), "{} not in {:?}", name, made);
        }
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let address = serve(&root).await;
            for path in [
                "/".to_owned(),
                format!("/run/{NAME}"),
                format!("/run/{NAME}/window?from=0&to=100000"),
                format!("/compare?a={NAME}&b={NAME}"),
                "/trend".to_owned(),
            ] {
                let (status, page) = ask(address, &format!("GET {path}"), "localhost").await;
                assert_eq!(status, 200, "{path}");
                for secret in &secrets {
                    assert!(!page.contains(secret), "{secret} on {path}");
                }
            }
        });
    }
}

/// What was equal is equal, so that it is judged as before.
#[test]
fn a_redacted_run_is_judged_as_the_run_is() {
    let scratch = tempfile::tempdir().unwrap();
    let run = load_run(finished(&scratch.path().join("results"), NAME, "Alex")).unwrap();
    let copy = load_run(redacted_copy(&run, &scratch.path().join("shared")).unwrap()).unwrap();
    let judged = |run| {
        let expected = "linearizable".parse().unwrap();
        judge_with(run, expected, quarrel_checkers::Verdict::valid())
    };
    let (before, after) = (judged(&run), judged(&copy));
    assert_eq!(before.anomalies.len(), 1);
    assert_eq!(after.outcome, before.outcome);
    assert_eq!(after.ladder.len(), before.ladder.len());
    assert_eq!(after.anomalies[0].cause, before.anomalies[0].cause);
    assert_eq!(after.anomalies[0].witness, before.anomalies[0].witness);
    let told = |run: &quarrel_harness::results::LoadedRun| -> Vec<Value> {
        let values = run.history.steps().filter_map(|step| match step.reply {
            Reply::Found(Content::Row { value, .. }) => Some(value),
            _ => None,
        });
        values.collect()
    };
    let (values, tokens) = (told(&run), told(&copy));
    assert!(values.contains(&"Alex".into()) && !tokens.contains(&"Alex".into()), "{tokens:?}");
    for (value, token) in values.iter().zip(&tokens) {
        for (other, others) in values.iter().zip(&tokens) {
            assert_eq!(value == other, token == others);
        }
    }
}

#[test]
fn a_run_that_broke_off_is_still_one_that_broke_off() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = finished(&scratch.path().join("results"), NAME, "Alex");
    let mut run = load_run(folder).unwrap();
    run.truncated = true;
    let copy = redacted_copy(&run, &scratch.path().join("shared")).unwrap();
    assert!(load_run(copy).unwrap().truncated);
    // A copy is made once.
    let again = redacted_copy(&run, &scratch.path().join("shared")).unwrap_err().to_string();
    assert!(again.ends_with("exists; name another folder"), "{again}");
}

#[test]
fn json_stays_json() {
    let printed = Redactor::default().printed("{\"key\": \"a\\nbob\", \"zqzq\": [1, null]}\n");
    let json: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(json["key"], "a\nredacted-1");
    assert_eq!(json["redacted-2"], serde_json::json!([1, null]));
}
