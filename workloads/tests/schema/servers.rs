//! What needs servers: an application, a cluster that stays up, a page that
//! takes notes.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::json;

use crate::{
    files::hold_run,
    forms::{Forms, quarrel},
};

#[test]
fn an_application() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let mut forms = Forms::default();
    let app = concat!(env!("CARGO_MANIFEST_DIR"), "/apps/stdio/app.toml");
    let of = format!("--app {app} --cluster native --format json");
    let (code, told) =
        forms.hold_printed("app-exploration", at, &format!("explore {of} --clients 2"));
    assert_eq!((code, &told["holds"]), (1, &json!(false)), "{told:#}");
    let (_, verdict) = forms.hold_printed(
        "verdict",
        at,
        &format!("run {of} --time 2s --seed 7 --fault redis-cut"),
    );
    let run = at.join("results").join(verdict["run"].as_str().unwrap());
    hold_run(&mut forms, &run);
    forms.hold_lines("commit", &fs::read_to_string(run.join("commits.jsonl")).unwrap());
}

/// Lists have the runs of a matrix, and every command finds them.
#[test]
fn a_matrix_of_storms() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let mut forms = Forms::default();
    let line = "matrix --strategy cache-aside --fault none --fault replica-lag --cluster native \
                --time 2s --format json";
    let (_, matrix) = forms.hold_printed("matrix", at, line);
    let runs = at.join("results").join(matrix["name"].as_str().unwrap()).join("runs");
    forms.hold_lines("index", &fs::read_to_string(runs.join("index.jsonl")).unwrap());
    let (code, list) = forms.hold_printed("list", at, "list --format json");
    assert_eq!((code, list["matrices"].as_array().unwrap().len()), (0, 1));
    let listed = list["runs"].as_array().unwrap();
    assert_eq!(listed.len(), 2, "a storm of each cell: {list:#}");
    assert!(listed.iter().all(|run| run["matrix"] == matrix["name"]), "{list:#}");
    let (_, text, _) = quarrel(at, "list");
    for run in listed {
        let name = run["run"].as_str().unwrap();
        assert!(
            text.contains(&format!("{name} of {}", matrix["name"].as_str().unwrap())),
            "{text}"
        );
        let id = name.rsplit('-').next().unwrap();
        assert_eq!(quarrel(at, &format!("report {id}")).0, 0);
        hold_run(&mut forms, &runs.join(name));
    }
    // The last of its own is none of a matrix.
    assert_eq!(quarrel(at, "report latest").0, 64);
}

#[test]
fn a_cluster_that_is_up() {
    let folder = tempfile::tempdir().unwrap();
    let mut forms = Forms::default();
    let (code, _, told) = quarrel(folder.path(), "cluster up --cluster native --name form");
    assert_eq!(code, 0, "{told}");
    let (_, up) = forms.hold_printed("clusters", folder.path(), "cluster status --format json");
    assert!(up[0]["addresses"]["primary"].as_str().unwrap().starts_with("postgres://"), "{up:#}");
    assert_eq!(quarrel(folder.path(), "cluster down --name form").0, 0);
}

#[test]
fn a_note() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let mut forms = Forms::default();
    let line = "run primary-only --cluster sim --time 1s --seed 1 --format json";
    let (_, verdict) = forms.hold_printed("verdict", at, line);
    let run = verdict["run"].as_str().unwrap();
    let mut server = Command::new(env!("CARGO_BIN_EXE_quarrel"))
        .args(["serve", "--notes", "--port", "0"])
        .current_dir(at)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let address = first.trim().strip_prefix("http://").unwrap().to_owned();
    let page = ask(&address, &format!("GET /run/{run}/notes"), "");
    let token = page.split("data-token=\"").nth(1).unwrap().split('"').next().unwrap();
    let note = json!({"at_ms": 139, "text": "here it went wrong", "token": token}).to_string();
    let answer = ask(&address, &format!("POST /run/{run}/notes"), &note);
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    let notes = at.join("results").join(run).join("notes.jsonl");
    forms.hold_lines("note", &fs::read_to_string(Path::new(&notes)).unwrap());
}

fn ask(address: &str, line: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    let head = format!(
        "{line} HTTP/1.1\r\nHost: {address}\r\nOrigin: http://{address}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
