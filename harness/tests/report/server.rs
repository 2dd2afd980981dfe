use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use quarrel_checkers::{Cause, Guarantee, Validity};
use quarrel_harness::{
    report::write_files,
    results::{
        CellBreak, CellOutcome, CellRung, Environment, MATRIX_FILE, MATRIX_SCHEMA, MatrixCell,
        MatrixFile, RunFolder, append_to_index, write_json, write_json_lines,
    },
    web::{Noting, ServeOptions, Server},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::example;

/// What was checked out when the examples ran.
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// Serves a folder for as long as the test's runtime lives.
pub(crate) async fn serve(results: &Path) -> SocketAddr {
    serve_noting(results, Noting::Off).await
}

pub(crate) async fn serve_noting(results: &Path, noting: Noting) -> SocketAddr {
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let policy = Some(results.join("policy.toml"));
    let options = ServeOptions { results: results.to_owned(), address, policy, noting };
    let server = Server::bind(options).await.unwrap();
    let address = server.address();
    tokio::spawn(server.run(std::future::pending()));
    address
}

/// Writes an example as a finished run of its own name.
pub(crate) fn finished(results: &Path, name: &str, old: &str) -> RunFolder {
    let (mut run, mut verdict) = example::refill(results, old, "Alice");
    let id = name.rsplit('-').next().unwrap().to_owned();
    run.folder = RunFolder { path: results.join(name), name: name.to_owned(), id };
    verdict.run = name.to_owned();
    fs::create_dir_all(&run.folder.path).unwrap();
    let settings = toml::to_string(&run.settings).unwrap();
    fs::write(run.folder.file("run.toml"), settings).unwrap();
    let mut lines = String::new();
    for event in run.history.events() {
        lines += &(serde_json::to_string(&event).unwrap() + "\n");
    }
    for step in run.history.steps() {
        let mut line = serde_json::to_value(&step).unwrap();
        line["type"] = "step".into();
        lines += &(line.to_string() + "\n");
    }
    let environment = Environment { commit: Some(COMMIT.to_owned()), ..Environment::default() };
    write_json(&run.folder.file("env.json"), &environment).unwrap();
    let packed = zstd::encode_all(lines.as_bytes(), 1).unwrap();
    fs::write(run.folder.file("history.jsonl.zst"), packed).unwrap();
    write_json_lines(&run.folder.file("faults.jsonl"), &run.receipts).unwrap();
    write_files(&run, &verdict).unwrap();
    append_to_index(results, &run.folder, &verdict).unwrap();
    fs::write(run.folder.file("COMPLETE"), "").unwrap();
    run.folder
}

/// The path of the witness in [`matrix`].
pub(crate) const RACE: &str = "races/cache-aside/replica-lag/bounded.race";

/// Writes a matrix with one cell that broke, and a witness full of mischief.
pub(crate) fn matrix(results: &Path, name: &str) -> PathBuf {
    let rung =
        |guarantee, validity, broken| CellRung { guarantee, validity, below_steps: None, broken };
    let broken = CellBreak {
        what: "!stale".to_owned(),
        cause: Cause::ReplicaLagRefill,
        steps: Some(5),
        race: Some(RACE.to_owned()),
    };
    let cell = MatrixCell {
        strategy: "cache-aside".to_owned(),
        fault: "replica-lag".to_owned(),
        outcome: CellOutcome::Broken,
        strongest: Some(Guarantee::Eventual),
        rungs: vec![
            rung(Guarantee::Bounded, Validity::Invalid, Some(broken)),
            rung(Guarantee::Eventual, Validity::Valid, None),
        ],
        evidence: None,
        searched: None,
        note: None,
    };
    let held = MatrixCell {
        fault: "none".to_owned(),
        outcome: CellOutcome::Held,
        strongest: Some(Guarantee::Linearizable),
        rungs: vec![rung(Guarantee::Linearizable, Validity::Valid, None)],
        ..cell.clone()
    };
    let matrix = MatrixFile {
        schema: MATRIX_SCHEMA,
        quarrel: "0.1.0".to_owned(),
        name: name.to_owned(),
        began: "2026-03-02T08:00:00Z".to_owned(),
        command: "quarrel matrix".to_owned(),
        cluster: "sim".to_owned(),
        simulated: true,
        within: "a writer and a reader".to_owned(),
        strategies: vec!["cache-aside".to_owned()],
        faults: vec!["none".to_owned(), "replica-lag".to_owned()],
        cells: vec![held, cell],
    };
    let folder = results.join(name);
    fs::create_dir_all(folder.join(RACE).parent().unwrap()).unwrap();
    write_json(&folder.join(MATRIX_FILE), &matrix).unwrap();
    let race = "strategy cache-aside\nkey 1 = <script>window.owned = 1</script>, cached nowhere\n";
    fs::write(folder.join(RACE), race).unwrap();
    folder
}

/// The status and the whole answer to a request that no client library has
/// touched up.
pub(crate) async fn ask(address: SocketAddr, line: &str, host: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{line} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer)
}

#[tokio::test]
async fn no_request_reads_beside_the_results() {
    let scratch = tempfile::tempdir().unwrap();
    let results = scratch.path().join("results");
    let run = finished(&results, "20260301T080000Z-cache-aside-9f3a", "Alex");
    fs::write(scratch.path().join("secret.txt"), "SECRET").unwrap();
    let address = serve(&results).await;
    let base = format!("/run/{}/file", run.name);
    let (status, answer) = ask(address, &format!("GET {base}/summary.md"), "localhost").await;
    assert!(status == 200 && answer.contains("STALE"), "{answer}");
    for path in [
        format!("{base}/../../secret.txt"),
        format!("{base}/..%2f..%2fsecret.txt"),
        format!("{base}/%2e%2e/%2e%2e/secret.txt"),
        format!("{base}/{}", scratch.path().join("secret.txt").display()),
        "/run/..%2f/file/secret.txt".to_owned(),
        "/run/../file/secret.txt".to_owned(),
        "/../secret.txt".to_owned(),
    ] {
        let (status, answer) = ask(address, &format!("GET {path}"), "localhost").await;
        assert!(status == 404 || status == 400, "{path}: {status}");
        assert!(!answer.contains("SECRET"), "{path}");
    }
}

#[tokio::test]
async fn only_reading_and_only_by_a_loopback_name() {
    let scratch = tempfile::tempdir().unwrap();
    let address = serve(scratch.path()).await;
    assert_eq!(ask(address, "GET /", "127.0.0.1").await.0, 200);
    assert_eq!(ask(address, "GET /", "evil.example").await.0, 403);
    for method in ["POST", "PUT", "DELETE"] {
        assert_eq!(ask(address, &format!("{method} /"), "127.0.0.1").await.0, 405);
    }
}

#[tokio::test]
async fn a_trend_of_one_case_has_the_line_of_the_policy() {
    let scratch = tempfile::tempdir().unwrap();
    finished(scratch.path(), "20260301T080000Z-cache-aside-9f3a", "Alex");
    let address = serve(scratch.path()).await;
    let trend = async || ask(address, "GET /trend", "localhost").await.1;
    let told = trend().await;
    assert!(told.contains("2026-03-01 08:00:00") && !told.contains("policy: 25"), "{told}");
    let case = "strategy = \"cache-aside\"\nfaults = [\"replica-lag\"]\ncluster = \"native\"";
    let policy = format!("[[case]]\n{case}\nstale_rate = 0.25\n");
    fs::write(scratch.path().join("policy.toml"), policy).unwrap();
    let told = trend().await;
    assert!(told.contains("policy: 25.00 %"), "{told}");
}

#[tokio::test]
async fn runs_are_told_as_new_or_known_and_lead_to_those_beside_them() {
    let scratch = tempfile::tempdir().unwrap();
    let names = ["20260301T080000Z-cache-aside-9f3a", "20260301T090000Z-cache-aside-b00b"];
    let [first, second] = names.map(|name| finished(scratch.path(), name, "Alex").name);
    let address = serve(scratch.path()).await;
    let get = async |path: &str| ask(address, &format!("GET {path}"), "localhost").await.1;
    let list = get("/").await;
    assert_eq!(list.matches(">new</span>").count(), 1, "{list}");
    assert_eq!(list.matches("<td>stale-read/replica-lag-refill").count(), 2, "{list}");
    let at = |list: &str, run: &str| list.find(&format!("/run/{run}")).expect("it is listed");
    assert!(at(&list, &second) < at(&list, &first), "the newest first");
    let by_cause = get("/?sort=cause").await;
    assert!(at(&by_cause, &first) < at(&by_cause, &second), "what is new first");
    // Whoever filters a list that is in another order keeps that order.
    assert!(
        by_cause.contains("<input type=\"hidden\" name=\"sort\" value=\"cause\">"),
        "{by_cause}"
    );
    let report = get(&format!("/run/{second}")).await;
    for way in
        [format!("/run/{first}\" rel=\"prev\""), format!("/compare?a={first}&amp;b={second}")]
    {
        assert!(report.contains(&way), "{way}");
    }
    let report = get(&format!("/run/{first}")).await;
    assert!(report.contains(&format!("/run/{second}\" rel=\"next\"")));
    assert!(!report.contains("/compare?a="), "it is the first of its case");
}

#[tokio::test]
async fn runs_that_never_ended_are_listed_as_what_they_are() {
    let scratch = tempfile::tempdir().unwrap();
    let run = finished(scratch.path(), "20260301T080000Z-cache-aside-9f3a", "Alex");
    let killed = scratch.path().join("20260301T090000Z-cache-aside-aaaa");
    fs::create_dir(&killed).unwrap();
    fs::copy(run.file("run.toml"), killed.join("run.toml")).unwrap();
    let address = serve(scratch.path()).await;
    let (_, all) = ask(address, "GET /", "localhost").await;
    assert!(all.contains("? killed") && all.contains("2 of 2 runs"), "{all}");
    let (_, some) = ask(address, "GET /?outcome=violated&fault=replica-lag", "localhost").await;
    assert!(some.contains("1 of 2 runs") && !some.contains("-aaaa\""), "{some}");
    let (_, none) = ask(address, "GET /?strategy=write-through", "localhost").await;
    assert!(none.contains("0 of 2 runs"), "{none}");
    // Judged after all, or brought here from elsewhere, it is one like others.
    fs::copy(run.file("verdict.json"), killed.join("verdict.json")).unwrap();
    let (_, both) = ask(address, "GET /?outcome=violated&fault=replica-lag", "localhost").await;
    assert!(both.contains("2 of 2 runs") && both.contains("-aaaa\""), "{both}");
}

#[tokio::test]
async fn runs_are_found_by_workload_and_by_commit() {
    let scratch = tempfile::tempdir().unwrap();
    let run = finished(scratch.path(), "20260301T080000Z-cache-aside-9f3a", "Alex");
    // A line as older versions wrote it.
    let index = scratch.path().join("index.jsonl");
    let older = scratch.path().join("20260201T080000Z-cache-aside-0001");
    fs::create_dir(&older).unwrap();
    fs::copy(run.file("run.toml"), older.join("run.toml")).unwrap();
    let line = r#"{"run":"20260201T080000Z-cache-aside-0001","strategy":"cache-aside","cluster":"native","faults":[],"outcome":"held","strongest":"linearizable","stale_reads":0,"reads_at_risk":500}"#;
    let lines = format!("{line}\n{}", fs::read_to_string(&index).unwrap());
    fs::write(&index, lines).unwrap();
    let address = serve(scratch.path()).await;
    let (_, all) = ask(address, "GET /", "localhost").await;
    assert!(all.contains("2 of 2 runs"), "{all}");
    for query in ["workload=register", "commit=0123456789", "commit=0123456789&workload=register"] {
        let (_, some) = ask(address, &format!("GET /?{query}"), "localhost").await;
        assert!(some.contains("1 of 2 runs") && some.contains("-9f3a"), "{query}: {some}");
    }
    for query in ["workload=counter", "commit=fedcba"] {
        let (_, none) = ask(address, &format!("GET /?{query}"), "localhost").await;
        assert!(none.contains("0 of 2 runs"), "{query}: {none}");
    }
}

#[tokio::test]
async fn a_stretch_of_a_run_can_be_had_with_all_its_operations() {
    let scratch = tempfile::tempdir().unwrap();
    let run = finished(scratch.path(), "20260301T080000Z-cache-aside-9f3a", "Alex");
    let address = serve(scratch.path()).await;
    let page = format!("/run/{}/window", run.name);
    let (_, whole) = ask(address, &format!("GET {page}?from=0&to=1000000"), "localhost").await;
    assert!(whole.contains("\"left_out\":0") && !whole.contains("id=\"c-rest\""));
    let (_, none) = ask(address, &format!("GET {page}?from=900000&to=1000000"), "localhost").await;
    assert!(none.contains("\"operations\":0") && none.contains("id=\"c-rest\""), "{none}");
    let (status, _) = ask(address, &format!("GET {page}?from=x"), "localhost").await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn a_matrix_gives_away_its_own_files_and_no_others() {
    let scratch = tempfile::tempdir().unwrap();
    let results = scratch.path().join("results");
    let name = "20260302T080000Z-matrix-1234";
    matrix(&results, name);
    fs::write(scratch.path().join("secret.txt"), "SECRET").unwrap();
    fs::write(results.join("secret.txt"), "SECRET").unwrap();
    let address = serve(&results).await;
    let (status, race) =
        ask(address, &format!("GET /matrix/{name}/file/{RACE}"), "localhost").await;
    assert!(status == 200 && race.contains("text/plain"), "{race}");
    let (status, _) =
        ask(address, "GET /matrix?of=20260302T080000Z-matrix-9999", "localhost").await;
    assert_eq!(status, 404);
    for path in [
        format!("{name}/file/../secret.txt"),
        format!("{name}/file/..%2fsecret.txt"),
        format!("{name}/report/..%2f..%2fsecret.txt"),
        "..%2f/file/secret.txt".to_owned(),
        "../file/secret.txt".to_owned(),
    ] {
        let (status, answer) = ask(address, &format!("GET /matrix/{path}"), "localhost").await;
        assert!(status == 404 || status == 400, "{path}: {status}");
        assert!(!answer.contains("SECRET"), "{path}");
    }
}

#[tokio::test]
async fn the_folder_of_a_matrix_is_no_run_and_breaks_no_list() {
    let scratch = tempfile::tempdir().unwrap();
    finished(scratch.path(), "20260301T080000Z-cache-aside-9f3a", "Alex");
    let matrix = scratch.path().join("20260302T080000Z-matrix-1234");
    fs::create_dir_all(matrix.join("runs")).unwrap();
    fs::write(matrix.join("matrix.json"), "{}").unwrap();
    let address = serve(scratch.path()).await;
    for page in ["/", "/matrix", "/trend", "/compare"] {
        let (status, text) = ask(address, &format!("GET {page}"), "localhost").await;
        assert!(status == 200 && !text.contains("-matrix-1234\""), "{page}: {text}");
    }
}
