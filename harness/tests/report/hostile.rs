//! A run's folder that somebody else filled: nothing in it leads out of it, is
//! waited for, fills the memory, or runs in a reader's browser.

use std::{fs, os::unix::fs::symlink, path::Path, process::Command};

use quarrel_harness::{
    report::{View, page, write_files},
    results::{LoadError, RunFolder, load_run},
};

use crate::{
    example,
    server::{ask, finished, serve},
};

const NAME: &str = "20260301T080000Z-cache-aside-9f3a";

fn pipe(path: &Path) {
    drop(fs::remove_file(path));
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[tokio::test]
async fn only_the_script_of_reports_runs_in_a_page_of_a_run() {
    let scratch = tempfile::tempdir().unwrap();
    let run = finished(scratch.path(), NAME, "Alex");
    let address = serve(scratch.path()).await;
    let policy = page::policy();
    let own = format!("content-security-policy: {policy}; frame-ancestors 'none'");
    let forged = "<script>fetch('/')</script>";
    // As it was written; forged; forged to look like one of ours.
    let written = fs::read_to_string(run.file("report.html")).unwrap();
    for text in [written, forged.to_owned(), format!("<!-- {policy} -->{forged}")] {
        fs::write(run.file("report.html"), text).unwrap();
        let (status, answer) = ask(address, &format!("GET /run/{NAME}"), "localhost").await;
        assert_eq!(status, 200);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&own), "{head}");
        assert_eq!(head.matches("content-security-policy").count(), 1, "{head}");
        // It is made of what was recorded, whatever stands in that file.
        assert!(body.contains(&policy) && !body.contains(forged));
    }
    let asked = format!("GET /run/{NAME}/file/report.html");
    let (_, answer) = ask(address, &asked, "localhost").await;
    assert!(answer.contains("default-src 'none'; style-src 'unsafe-inline'; sandbox"), "{answer}");
}

#[tokio::test]
async fn no_link_in_a_run_is_followed() {
    let scratch = tempfile::tempdir().unwrap();
    let results = scratch.path().join("results");
    let run = finished(&results, NAME, "Alex");
    let secret = scratch.path().join("secret");
    fs::write(&secret, "SECRET").unwrap();
    for file in ["env.json", "logs/cache.log", "report.html", "verdict.json", "phases.json"] {
        fs::create_dir_all(run.file("logs")).unwrap();
        drop(fs::remove_file(run.file(file)));
        symlink(&secret, run.file(file)).unwrap();
    }
    let home = scratch.path().join("home");
    fs::create_dir(&home).unwrap();
    fs::write(home.join("x.log"), "SECRET").unwrap();
    let address = serve(&results).await;
    for path in ["", "/file/env.json", "/file/logs/cache.log", "/window?from=0&to=1000"] {
        let (_, answer) = ask(address, &format!("GET /run/{NAME}{path}"), "localhost").await;
        assert!(!answer.contains("SECRET"), "{path}: {answer}");
    }
    // Nor where what it lies in is a link.
    fs::remove_dir_all(run.file("logs")).unwrap();
    symlink(&home, run.file("logs")).unwrap();
    let (loaded, verdict) =
        (load_run(run.clone()).unwrap(), example::refill(&results, "Alex", "Alice").1);
    assert!(!page::page(&View::new(&loaded, &verdict)).contains("SECRET"));
}

#[test]
fn nothing_is_written_through_a_link() {
    let scratch = tempfile::tempdir().unwrap();
    let results = scratch.path().join("results");
    let home = scratch.path().join("home");
    fs::create_dir(&home).unwrap();
    fs::write(home.join("file"), "mine").unwrap();
    for (place, target) in [("plots", &home), ("anomalies", &home), ("anomalies/1", &home)] {
        let run = finished(&results, NAME, "Alex");
        let (loaded, verdict) =
            (load_run(run.clone()).unwrap(), example::refill(&results, "Alex", "Alice").1);
        drop(fs::remove_dir_all(run.file(place)));
        symlink(target, run.file(place)).unwrap();
        let refused = write_files(&loaded, &verdict).unwrap_err().to_string();
        assert!(refused.contains("it is a link"), "{refused}");
        let left: Vec<_> = fs::read_dir(&home).unwrap().flatten().collect();
        assert_eq!(left.len(), 1, "{place}: {left:?}");
        fs::remove_dir_all(&run.path).unwrap();
    }
    // A file that is a link becomes a file; what it led to stays.
    let run = finished(&results, NAME, "Alex");
    let loaded = load_run(run.clone()).unwrap();
    fs::remove_file(run.file("report.html")).unwrap();
    symlink(home.join("file"), run.file("report.html")).unwrap();
    write_files(&loaded, &example::refill(&results, "Alex", "Alice").1).unwrap();
    assert_eq!(fs::read_to_string(home.join("file")).unwrap(), "mine");
}

/// Each of these would wait for ever if it were opened and read.
#[tokio::test]
async fn nothing_is_waited_for_that_never_comes() {
    let scratch = tempfile::tempdir().unwrap();
    let run = finished(scratch.path(), NAME, "Alex");
    fs::create_dir_all(run.file("logs")).unwrap();
    let address = serve(scratch.path()).await;
    for file in [
        "logs/cache.log",
        "env.json",
        "phases.json",
        "report.html",
        "verdict.json",
        "faults.jsonl",
        "probes.jsonl",
        "history.jsonl.zst",
        "run.toml",
    ] {
        pipe(&run.file(file));
        for path in [
            "/".to_owned(),
            "/compare".to_owned(),
            format!("/run/{NAME}"),
            format!("/run/{NAME}/file/{file}"),
            format!("/run/{NAME}/live"),
        ] {
            // A run that goes on is told of for ever.
            if path.ends_with("/live") && file != "run.toml" && file != "history.jsonl.zst" {
                continue;
            }
            let (status, _) = ask(address, &format!("GET {path}"), "localhost").await;
            assert!(status == 200 || status == 404, "{file}, {path}: {status}");
        }
    }
}

fn refusal(run: &RunFolder) -> String {
    match load_run(run.clone()) {
        Err(LoadError::File(error)) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn no_history_fills_the_memory() {
    let scratch = tempfile::tempdir().unwrap();
    let run = finished(scratch.path(), NAME, "Alex");
    let line =
        "{\"index\":0,\"time\":0,\"process\":0,\"type\":\"invoke\",\"f\":\"read\",\"key\":0}\n";
    let bomb = zstd::encode_all(line.repeat((80 << 20) / line.len()).as_bytes(), 1).unwrap();
    assert!(bomb.len() < 100_000, "{} bytes", bomb.len());
    fs::write(run.file("history.jsonl.zst"), bomb).unwrap();
    let told = refusal(&run);
    assert!(told.ends_with("it has more than 64 MB, the most that is read"), "{told}");
    // A line without an end.
    let endless = zstd::encode_all(vec![b'x'; 20 << 20].as_slice(), 1).unwrap();
    fs::write(run.file("history.jsonl.zst"), endless).unwrap();
    assert!(refusal(&run).ends_with("line 1 has no end"), "{}", refusal(&run));
    // Sparse: no disk is needed to make it.
    fs::File::create(run.file("run.toml")).unwrap().set_len(1 << 40).unwrap();
    assert!(refusal(&run).contains("run.toml: it has more than 64 MB"), "{}", refusal(&run));
}
