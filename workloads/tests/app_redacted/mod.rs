//! Nothing of an application's data is told, printed or kept if that is asked.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use crate::{
    app::{self, App},
    told,
};

/// What is compressed, as far as it goes: its writer may go on, or be gone.
fn unpacked(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut stream = zstd::stream::read::Decoder::new(bytes).unwrap();
    match stream.read_to_end(&mut text) {
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => panic!("{error}"),
        _ => text,
    }
}

/// Every file below a folder with what stands in it, unpacked.
fn contents(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            all.extend(contents(&path));
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        let is_packed = path.extension().is_some_and(|kind| kind == "zst");
        let bytes = if is_packed { unpacked(&bytes) } else { bytes };
        all.push((path, String::from_utf8_lossy(&bytes).into_owned()));
    }
    all
}

#[test]
fn what_an_application_says_is_told_without_its_data_if_that_is_asked() {
    const SECRET: &str = "zq";
    let app = App::serving(app::TALKATIVE);
    let file = app.file();
    let doctor = ["app", "doctor", file.to_str().unwrap(), "--cluster", "native"];
    let (code, said) = told(&app.quarrel(&doctor));
    assert_eq!(code, Some(0), "{said}");
    // Names are told; what stands in literals and comments never is.
    assert!(said.contains("zqalias"), "{said}");
    assert_eq!(said.matches(SECRET).count(), said.matches("zqalias").count(), "{said}");
    let (code, said) = told(&app.quarrel(&[&doctor[..], &["--redact"]].concat()));
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("SELECT name AS redacted-") && !said.contains(SECRET), "{said}");

    let (code, said) = told(&app.run(&[]));
    assert!(matches!(code, Some(0..=3)), "{said}");
    let whole = contents(&app.results());
    assert!(whole.iter().any(|(_, text)| text.contains("zqlogged")), "logs are kept");
    let (code, said) = told(&app.quarrel(&["report", "latest", "--redact"]));
    assert_eq!(code, Some(0), "{said}");
    let copy = contents(&app.results().with_file_name("results-redacted"));
    assert!(copy.iter().any(|(path, _)| path.ends_with("report.html")), "{copy:?}");
    assert!(copy.iter().any(|(_, text)| text.contains("redacted-")), "something was left out");
    for (path, text) in copy {
        // Two letters may meet by chance where bytes are written as text.
        let is_packed = path.extension().is_some_and(|kind| kind == "html" || kind == "gz");
        let told = |word: &&str| text.contains(*word);
        let secrets = ["zqlogged", "zqalias", "zqcomment", "zqliteral", "zqunreadable"];
        let found = secrets.iter().copied().find(|word| told(word));
        let found = found.or((!is_packed).then_some(SECRET).filter(told));
        assert_eq!(found, None, "{}: {text}", path.display());
    }
}

#[test]
fn a_race_is_written_without_an_applications_data_if_that_is_asked() {
    const SECRET: &str = "zq";
    let app = App::serving(&[app::TALKATIVE, app::COPYING].concat());
    let race = app.results().with_file_name("found.race");
    let explore = |more: &[&str]| {
        let out = ["--clients", "2", "--out", race.to_str().unwrap()];
        let file = app.file();
        let words = ["explore", "--app", file.to_str().unwrap(), "--cluster", "native"];
        let (code, said) = told(&app.quarrel(&[&words[..], &out, more].concat()));
        assert_eq!(code, Some(1), "{said}");
        let text = fs::read_to_string(&race).unwrap();
        fs::remove_file(&race).unwrap();
        (text, said)
    };
    // The control: it would be told.
    let (text, _) = explore(&[]);
    assert!(text.contains(SECRET), "{text}");
    let (text, said) = explore(&["--redact"]);
    assert!(text.contains("redacted-") && !text.contains(SECRET), "{text}");
    assert!(!said.contains(SECRET), "{said}");
}

/// What a run keeps is free of them from its first moment on: also what is left
/// of one that was killed.
#[test]
fn a_redacted_run_keeps_and_prints_nothing_of_an_application() {
    let free = |app: &App, said: &str| {
        // Two letters may meet by chance where bytes are written as text.
        let secrets = ["zqlogged", "zqalias", "zqcomment", "zqliteral", "zqunreadable"];
        let kept = contents(&app.results());
        for (path, text) in &kept {
            let is_told = |word: &&str| text.contains(*word);
            assert_eq!(secrets.iter().find(|word| is_told(word)), None, "{}", path.display());
        }
        assert_eq!(secrets.iter().find(|word| said.contains(**word)), None, "{said}");
        kept
    };
    let app = App::serving(app::TALKATIVE);
    let (code, said) = told(&app.run(&["--redact"]));
    assert!(matches!(code, Some(0..=3)), "{said}");
    let kept = free(&app, &said);
    for name in ["report.html", "history.jsonl.zst", "logs/app-0.log", "REDACTED", "COMPLETE"] {
        assert!(kept.iter().any(|(path, _)| path.ends_with(name)), "{name}: {said}");
    }
    assert!(
        kept.iter().any(|(path, text)| {
            path.ends_with("history.jsonl.zst") && text.contains("redacted-")
        }),
        "{said}"
    );
    // The control: without the flag they are kept.
    let whole = App::serving(app::TALKATIVE);
    let (code, said) = told(&whole.run(&[]));
    assert!(matches!(code, Some(0..=3)), "{said}");
    let is_logged = |(_, text): &(PathBuf, String)| text.contains("zqlogged");
    assert!(contents(&whole.results()).iter().any(is_logged), "{said}");

    let killed = App::serving(app::TALKATIVE);
    let mut child = killed.start(&["--time", "60s", "--redact"]);
    killed.wait_until_it_serves(&mut child, 2);
    killed.wait_until_it_records();
    child.kill().unwrap();
    child.wait().unwrap();
    free(&killed, "");
}
