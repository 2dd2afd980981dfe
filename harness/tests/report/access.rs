//! Pages for everybody: what axe finds on them, on wide and on narrow screens, by
//! day and by night, and that nothing of a page is out of reach.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use quarrel_harness::report::{View, write_report};
use serde_json::{Value, json};

use crate::{
    driver::{Browser, Screen},
    example,
    server::{finished, matrix, serve},
};

/// The Python package that carries axe's script (MPL-2.0), and its release.
const PACKAGE: &str = "axe-playwright-python==0.1.8";

/// Of a wide window, a small one and a phone.
const WIDTHS: [u32; 3] = [1400, 1000, 390];

/// axe's script, out of the package, which is fetched once.
fn axe() -> String {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("axe");
    let script = folder.join("axe_playwright_python/axe.min.js");
    if !script.is_file() {
        fs::create_dir_all(&folder).unwrap();
        let dest = folder.display().to_string();
        // Debian's Python has pip only in an environment of one's own.
        let own = folder.join("venv");
        let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
        works(Path::new(&python), &["-m", "venv", "--clear", &own.display().to_string()]);
        let own = own.join("bin/python");
        works(&own, &["-m", "pip", "download", "--quiet", "--no-deps", "--dest", &dest, PACKAGE]);
        let wheel = fs::read_dir(&folder).unwrap().filter_map(|entry| Some(entry.ok()?.path()));
        let is_wheel = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "whl");
        let wheel = wheel.into_iter().find(is_wheel).expect("pip downloads a wheel");
        works(&own, &["-m", "zipfile", "-e", &wheel.display().to_string(), &dest]);
    }
    fs::read_to_string(script).unwrap()
}

fn works(program: &Path, arguments: &[&str]) {
    let done = Command::new(program).args(arguments).output();
    let done = done.unwrap_or_else(|error| panic!("{} does not start: {error}", program.display()));
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{} {arguments:?}: {told}", program.display());
}

/// What axe has against the page that is shown: rule, and where.
async fn found(browser: &Browser, axe: &str) -> Vec<String> {
    browser.client.execute(axe, Vec::new()).await.unwrap();
    let run = "const told = arguments[arguments.length - 1]; \
               axe.run(document, { resultTypes: ['violations'] }) \
                 .then((found) => told(found.violations), (error) => told([String(error)]));";
    let violations = browser.client.execute_async(run, Vec::new()).await.unwrap();
    let violations = violations.as_array().expect("a list").clone();
    let told = |violation: &Value| {
        let nodes = violation["nodes"].as_array().into_iter().flatten();
        let places: Vec<_> = nodes.map(|node| node["target"].to_string()).collect();
        format!("{} at {}: {}", violation["id"], places.join(", "), violation["help"])
    };
    violations.iter().map(told).collect()
}

/// Whether the page as a whole has to be moved sideways.
async fn overflows(browser: &Browser) -> bool {
    let wide = "return document.documentElement.scrollWidth > innerWidth";
    browser.ask(wide).await == json!(true)
}

async fn inspect(browser: &Browser, axe: &str, name: &str, address: &str, ready: &str) {
    for width in WIDTHS {
        for is_dark in [false, true] {
            browser.show_on(Screen { width, is_dark }).await;
            browser.client.goto(address).await.unwrap();
            browser.until(ready).await;
            let screen = format!("{name}-{width}-{}", if is_dark { "dark" } else { "light" });
            browser.keep(&screen).await;
            let found = found(browser, axe).await;
            assert!(found.is_empty(), "{screen}: {found:#?}");
            assert!(!overflows(browser).await, "{screen} is wider than its screen");
        }
    }
}

fn violated(scratch: &Path) -> String {
    let (run, verdict) = example::refill(scratch, "Alex", "Alice");
    fs::create_dir_all(&run.folder.path).unwrap();
    write_report(&View::new(&run, &verdict)).unwrap();
    format!("file://{}", run.folder.file("report.html").display())
}

const READY: &str = "document.documentElement.dataset.ready";

#[tokio::test(flavor = "multi_thread")]
async fn axe_finds_nothing_on_any_page() {
    let axe = axe();
    let scratch = tempfile::tempdir().unwrap();
    let browser = Browser::start().await;
    // It does find what is wrong: a test that cannot fail shows nothing.
    let wrong = scratch.path().join("wrong.html");
    fs::write(&wrong, "<!DOCTYPE html><title>x</title><img src=x><input>").unwrap();
    browser.client.goto(&format!("file://{}", wrong.display())).await.unwrap();
    let told = found(&browser, &axe).await.join("\n");
    assert!(told.contains("image-alt") && told.contains("label"), "{told}");

    inspect(&browser, &axe, "violated", &violated(scratch.path()), READY).await;
    let held = tempfile::tempdir().unwrap();
    let (run, verdict) = example::quiet(held.path(), 150);
    fs::create_dir_all(&run.folder.path).unwrap();
    write_report(&View::new(&run, &verdict)).unwrap();
    let address = format!("file://{}", run.folder.file("report.html").display());
    inspect(&browser, &axe, "held", &address, READY).await;

    let results = tempfile::tempdir().unwrap();
    let first = finished(results.path(), "20260301T080000Z-cache-aside-9f3a", "Alex");
    let second = finished(results.path(), "20260301T090000Z-cache-aside-b00b", "Alma");
    let live = finished(results.path(), "20260301T100000Z-cache-aside-c0de", "Alex");
    for made in ["verdict.json", "COMPLETE"] {
        fs::remove_file(live.file(made)).unwrap();
    }
    let matrix = matrix(results.path(), "20260302T080000Z-matrix-1234");
    let matrix = matrix.file_name().unwrap().to_string_lossy().into_owned();
    let cell = format!("matrix/{matrix}/cell?strategy=cache-aside&fault=replica-lag");
    let compare = format!("compare?a={}&b={}", first.name, second.name);
    let address = serve(results.path()).await;
    for (name, path, ready) in [
        ("list", "", "document.querySelector('td.name')"),
        ("served", &*format!("run/{}", second.name), READY),
        ("live", &format!("run/{}", live.name), "document.getElementById('live')"),
        ("compare", &compare, "document.getElementById('curves')"),
        ("trend", "trend", "document.querySelector('td.name')"),
        ("matrices", "matrix", "document.querySelector('table')"),
        ("cell", &cell, "document.querySelector('pre.race')"),
        ("newest", "matrix?of=runs", "document.querySelector('table')"),
        ("notes", &format!("run/{}/notes", first.name), "document.querySelector('h1')"),
        ("missing", "run/none", "document.querySelector('h1, h2')"),
    ] {
        inspect(&browser, &axe, name, &format!("http://{address}/{path}"), ready).await;
    }
    browser.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_phone_the_picture_stands_and_what_changes_is_near_the_buttons() {
    let scratch = tempfile::tempdir().unwrap();
    let browser = Browser::start().await;
    browser.show_on(Screen { width: 390, is_dark: false }).await;
    browser.client.goto(&violated(scratch.path())).await.unwrap();
    browser.until(READY).await;
    let top = async |what: &str| {
        let script = format!(
            "return document.querySelector('{what}').getBoundingClientRect().top + scrollY"
        );
        browser.ask(&script).await.as_f64().unwrap()
    };
    let width = "return document.querySelector('.standing svg').getBoundingClientRect().width";
    assert!(browser.ask(width).await.as_f64().unwrap() > 300.0);
    let lying = "return getComputedStyle(document.querySelector('.lying')).display";
    assert_eq!(browser.ask(lying).await, json!("none"));
    // It begins on the first screen, and what follows a press of a button is
    // seen beside the button.
    assert!(top(".standing svg").await < 844.0, "{}", top(".standing svg").await);
    browser.press("n").await;
    browser.until("document.getElementById('detail').textContent.includes('STALE')").await;
    let between = top("#detail").await - top("[data-act=step]").await;
    assert!((0.0..400.0).contains(&between), "{between}");
    browser.keep("phone-anomaly").await;
    browser.end().await;
}
