//! Applications as they are, on real servers.

mod app;
mod app_redacted;

use std::{fs, path::Path, process::Output};

use app::{App, quarrel, sample};

/// One storm of a sample on processes of this machine.
fn storm(name: &str, seed: u32, more: &[&str]) -> (Option<i32>, String) {
    let results = tempfile::tempdir().unwrap();
    let file = sample(name);
    let mut words = vec!["run", "--app", &file, "--cluster", "native", "--time", "5s"];
    let seed = seed.to_string();
    words.extend(["--seed", &seed]);
    words.extend(more);
    told(&quarrel(&words, results.path()))
}

fn told(output: &Output) -> (Option<i32>, String) {
    let said = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    (output.status.code(), said.concat())
}

/// Whether stale reads are why a run is not linearizable.
fn lost_linearizability(said: &str) -> bool {
    said.lines().any(|line| line.contains("no linearizable ") && line.contains(" stale reads"))
}

#[test]
fn a_cache_beside_flask_is_convicted_and_the_application_without_one_is_not() {
    // A storm of a few seconds beside other tests may miss the race.
    let mut storms = (1..=5).map(|seed| storm("flask", seed, &[]));
    let convicted = storms.find(|(code, _)| *code == Some(1));
    let (_, said) = convicted.expect("one storm of five convicts it");
    assert!(lost_linearizability(&said), "{said}");
    assert!(said.contains("application flask ("), "{said}");
    let (code, said) = storm("flask-uncached", 1, &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("yes linearizable"), "{said}");
}

#[test]
fn versions_repair_the_cache() {
    let (code, said) = storm("flask-repaired", 2, &[]);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn an_application_without_http_is_judged_like_any_other() {
    let (code, said) = storm("stdio", 1, &["--rate", "0"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(lost_linearizability(&said), "{said}");
}

#[test]
fn the_faults_of_the_catalogue_strike_an_application() {
    let (code, said) = storm("flask", 3, &["--fault", "redis-cut", "--expect", "eventual"]);
    assert!(matches!(code, Some(0 | 1)), "{said}");
    assert!(said.contains("redis-cut"), "{said}");
    assert!(said.contains("observed"), "{said}");
}

#[test]
fn a_run_can_be_judged_again_with_the_order_of_its_commits() {
    let results = tempfile::tempdir().unwrap();
    let file = sample("stdio");
    let words = ["run", "--app", &file, "--cluster", "native", "--time", "2s", "--seed", "7"];
    let (code, said) = told(&quarrel(&words, results.path()));
    assert!(matches!(code, Some(0 | 1)), "{said}");
    let run = fs::read_dir(results.path()).unwrap().flatten().map(|entry| entry.path());
    let run = run.filter(|path| path.is_dir()).find(|path| path.join("commits.jsonl").is_file());
    let run = run.expect("the run has the order of its commits");
    let commits = fs::read_to_string(run.join("commits.jsonl")).unwrap();
    assert!(commits.lines().count() > 20, "{commits}");
    let again = quarrel(&["check", run.to_str().unwrap()], results.path());
    assert_eq!(told(&again).0, code, "{}", told(&again).1);
}

/// What a search of a sample says.
fn explore(name: &str, more: &[&str]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = sample(name);
    let words = ["explore", "--app", &file, "--cluster", "native", "--clients", "2"];
    told(&quarrel(&words.iter().chain(more).copied().collect::<Vec<_>>(), folder.path()))
}

#[test]
fn every_order_of_an_applications_messages_is_tried_until_one_breaks_it() {
    let folder = tempfile::tempdir().unwrap();
    let race = folder.path().join("flask.race");
    let race = race.to_str().unwrap();
    let (code, said) = explore("flask", &["--out", race]);
    assert_eq!(code, Some(1), "{said}");
    let order = [
        "Reader B: cache GET profile:{key}",
        "Reader B: primary SELECT",
        "Writer A: primary UPDATE profiles SET name=v0",
        "Writer A: primary COMMIT",
        "Writer A: cache DEL profile:{key}",
        "Reader B: cache SET profile:{key}",
        "then somebody else reads",
        "broken 20 of 20 times",
    ];
    let mut rest = said.as_str();
    for line in order {
        let at = rest.find(line).unwrap_or_else(|| panic!("`{line}` in\n{said}"));
        rest = &rest[at..];
    }
    // What was found is a file that makes it happen again.
    let file = sample("flask");
    let replay = |times| {
        let words = ["replay", race, "--app", &file, "-n", times, "--cluster", "native"];
        told(&quarrel(&words, folder.path()))
    };
    // Its commands are run only for who names it.
    let (code, said) = told(&quarrel(&["replay", race], folder.path()));
    assert_eq!(code, Some(64), "{said}");
    assert!(said.contains("name the application, whose commands are then run"), "{said}");
    let (code, said) = replay("5");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("broken 5 of 5 times"), "{said}");
    // The same order does nothing to an application whose messages are others.
    let text = fs::read_to_string(race).unwrap().replace("DEL profile", "DEL account");
    fs::write(race, text).unwrap();
    let (code, said) = replay("2");
    assert_eq!(code, Some(2), "{said}");
}

#[test]
fn an_application_without_a_cache_holds_in_every_order() {
    let (code, said) = explore("flask-uncached", &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("every order"), "{said}");
    assert!(said.contains("within: one row"), "{said}");
}

/// Each client makes one request: no guarantee of a session could break.
#[test]
fn what_a_search_could_never_break_is_not_said_to_hold() {
    for guarantee in ["eventual", "sequential", "read-your-writes", "bounded=1s"] {
        let (code, said) = explore("flask", &["--expect", guarantee]);
        assert_eq!(code, Some(64), "{said}");
    }
}

#[test]
fn a_repaired_cache_holds_in_every_order() {
    let (code, said) = explore("flask-repaired", &[]);
    assert_eq!(code, Some(0), "{said}");
}

/// A write that everybody sees at once is no hidden one: taken for one, half of
/// the orders would be left out, and the break with them.
#[test]
fn writes_without_a_transaction_are_seen_at_once() {
    let (code, said) = explore("stdio", &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("broken 20 of 20 times"), "{said}");
}

#[test]
fn doctor_shows_what_each_request_says_to_its_stores() {
    let folder = tempfile::tempdir().unwrap();
    let found = quarrel(&["app", "doctor", &sample("flask"), "--cluster", "native"], folder.path());
    let (code, said) = told(&found);
    assert_eq!(code, Some(0), "{said}");
    let write = said.split("a write: acknowledged").nth(1).expect("a write is tried");
    let write = write.split("a read after it").next().unwrap();
    let steps =
        ["primary  SELECT", "primary  UPDATE", "primary  COMMIT", "cache    DEL profile:{key}"];
    let mut rest = write;
    for step in steps {
        let at = rest.find(step).unwrap_or_else(|| panic!("`{step}` in\n{said}"));
        rest = &rest[at..];
    }
    assert!(said.contains("it never asked the replica"), "{said}");
    let uncached = sample("flask-uncached");
    let found = quarrel(&["app", "doctor", &uncached, "--cluster", "native"], folder.path());
    assert!(told(&found).1.contains("it never asked the cache"), "{}", told(&found).1);
}

/// A search in which no write was acknowledged shows nothing.
#[test]
fn a_search_with_nothing_at_stake_does_not_hold() {
    let (code, said) = told(&App::serving(app::REFUSING).explore());
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("no write was acknowledged"), "{said}");
}

/// Nor do faults of a request that fails by itself.
#[test]
fn faults_of_a_request_that_fails_without_any_show_nothing() {
    let app = App::serving(app::REFUSING);
    let file = app.file();
    let words = ["app", "faults", file.to_str().unwrap(), "--cluster", "native"];
    let (code, said) = told(&app.quarrel(&words));
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("a write fails without any fault"), "{said}");
}

/// Nothing of which a part was let go unseen is said to hold.
#[test]
fn work_behind_the_answer_is_told_and_nothing_is_said_to_hold() {
    let app = App::serving(app::BEHIND_THE_ANSWER);
    let (code, said) = told(&app.explore());
    assert!(matches!(code, Some(1 | 2)), "{said}");
    assert!(!said.contains("holds:"), "{said}");
}

/// What is wrong with an application is not evidence about its cache.
#[test]
fn what_an_application_cannot_do_is_told_and_convicts_nobody() {
    let cases = [
        ("import sys; print('no such setting'); sys.exit(3)", "ended (exit status 3)"),
        ("import time; time.sleep(60)", "nothing listens at $PORT"),
    ];
    for (program, why) in cases {
        let app = App::of(program);
        let (code, said) = told(&app.run(&[]));
        assert_eq!(code, Some(4), "{said}");
        assert!(said.contains(why), "{said}");
    }
    assert!(told(&App::of(cases[0].0).run(&[])).1.contains("no such setting"));
}

#[test]
fn an_application_that_talks_to_other_stores_is_no_subject() {
    let (code, said) = told(&App::serving(app::IN_MEMORY).run(&[]));
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("[rows] select still finds"), "{said}");
}

#[test]
fn an_answer_that_nobody_can_read_is_no_evidence() {
    let (code, said) = told(&App::serving(app::GARBLING).run(&[]));
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("no value that quarrel wrote"), "{said}");
}

/// Whose port was taken since it was chosen starts at another.
#[test]
fn a_port_that_somebody_else_got_is_no_fault_of_the_application() {
    let (code, said) = told(&App::serving(app::LATE).explore());
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn an_application_that_dies_in_a_storm_is_no_verdict() {
    let (code, said) = told(&App::serving(app::DYING).run(&[]));
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("of the application (exit status 9)"), "{said}");
}

#[test]
fn nothing_of_an_application_is_left_when_quarrel_is_killed() {
    // As soon as instances begin, and when they have long served: those that
    // begin may end by themselves, as their stores are gone.
    for has_begun in [false, true] {
        let app = App::serving(app::HONEST);
        let mut child = app.start(&["--time", "60s"]);
        app.wait_until_it_serves(&mut child, 2);
        if has_begun {
            app.wait_until_it_records();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        app.wait_until_nothing_is_left();
    }
}

/// Whoever interrupts a command finds nothing left of it: no instance, no
/// server.
#[test]
fn nothing_is_left_of_a_command_about_an_application_that_was_interrupted() {
    let app = App::serving(app::SLOW);
    let file = app.file();
    let file = file.to_str().unwrap();
    let race = app.results().with_file_name("it.race");
    let lines = "clients 1 writing, 1 reading\nrow cached nowhere\n";
    fs::write(&race, format!("app {file}\n{lines}")).unwrap();
    let replay = ["replay", race.to_str().unwrap(), "--app", file, "-n", "1000"];
    let commands: [&[&str]; 5] = [
        &["app", "doctor", file],
        &["app", "learn", file],
        &["app", "faults", file],
        &["explore", "--app", file],
        &replay,
    ];
    for command in commands {
        let words = [command, &["--cluster", "native"]].concat();
        let mut child = app.start_command(&words);
        app.wait_until_it_serves(&mut child, 1);
        let started = app::descendants(child.id());
        assert!(started.len() > 2, "{command:?}: {started:?}");
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{command:?}");
        let is_there = |pid: &u32| Path::new(&format!("/proc/{pid}")).exists();
        app::eventually("all that it started has ended", || !started.iter().any(is_there));
        assert_eq!(app.instances(), Vec::<String>::new(), "{command:?}");
    }
}

/// What stores tell clients by themselves comes in between as it does: nothing
/// is said to hold in every order.
#[test]
fn an_application_that_is_told_of_changes_is_not_said_to_hold() {
    let (code, said) = told(&App::serving(app::TELLING).explore());
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains(" pushes of the stores came in between"), "{said}");
}

/// Nor is one that asks two stores at once.
#[test]
fn an_application_that_asks_two_stores_at_once_is_not_said_to_hold() {
    let (code, said) = told(&App::serving(app::AT_ONCE).explore());
    assert_eq!(code, Some(2), "{said}");
    assert!(!said.contains("holds:"), "{said}");
}

#[test]
fn what_is_wrong_in_a_file_is_told_with_its_place() {
    for (text, why) in app::WRONG_FILES {
        let app = App::with_file(text);
        let (code, said) = told(&app.run(&[]));
        assert_eq!(code, Some(65), "{text}\n{said}");
        assert!(said.contains(why), "{text}\n{said}");
    }
}

/// What a file of a stranger names is not run.
#[test]
fn no_command_that_reads_a_run_runs_the_application_that_it_names() {
    let scratch = tempfile::tempdir().unwrap();
    let run = ["run", "cache-aside", "--cluster", "sim", "--time", "1s", "--seed", "3"];
    let results = scratch.path().join("results");
    assert_eq!(told(&quarrel(&run, &results)).0, Some(1));
    let marker = scratch.path().join("it-ran");
    let evil = scratch.path().join("app.toml");
    let text = fs::read_to_string(sample("stdio")).unwrap();
    let setup = format!("setup = \"touch {}; psql", marker.display());
    fs::write(&evil, text.replace("setup = \"psql", &setup)).unwrap();
    // The control: named on the command line it is run.
    let named = ["app", "doctor", evil.to_str().unwrap(), "--cluster", "native"];
    assert!(told(&quarrel(&named, &results)).1.contains("app.toml, whose commands are run"));
    fs::remove_file(&marker).unwrap();
    let settings = results.join("latest/run.toml");
    let toml = fs::read_to_string(&settings).unwrap();
    fs::write(&settings, format!("app = \"{}\"\n{toml}", evil.display())).unwrap();
    let schedule = settings.to_str().unwrap();
    for command in [
        &["check", "latest"][..],
        &["report", "latest"],
        &["report", "latest", "--redact"],
        &["replay", "latest", "--cluster", "sim"],
        &["shrink", "latest", "--cluster", "sim"],
        &["review", "latest"],
        &["list"],
        &["run", "primary-only", "--cluster", "sim", "--time", "1s", "--schedule", schedule],
    ] {
        let (_, said) = told(&quarrel(command, &results));
        assert!(!marker.exists(), "{command:?}: {said}");
    }
}
