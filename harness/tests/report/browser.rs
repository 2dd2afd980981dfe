use std::fs;

use quarrel_harness::report::{View, write_report};
use serde_json::json;

use crate::{
    driver::Browser,
    example,
    page::EVIL,
    server::{RACE, finished, matrix, serve},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_report_opens_from_a_disk_and_shows_the_race() {
    let scratch = tempfile::tempdir().unwrap();
    let (run, verdict) = example::refill(scratch.path(), "Alex", "Alice");
    fs::create_dir_all(&run.folder.path).unwrap();
    write_report(&View::new(&run, &verdict)).unwrap();
    let browser = Browser::start().await;
    let address = format!("file://{}", run.folder.file("report.html").display());
    browser.client.goto(&address).await.unwrap();
    browser.until("document.documentElement.dataset.ready").await;
    assert_eq!(browser.ask("return quarrel.state().count").await, json!(5));

    browser.press("n").await;
    browser.until("quarrel.state().anomaly === 0").await;
    let near = "const s = quarrel.state(); return s.from < 21000 && s.to > 139000 && s.key === 7";
    assert_eq!(browser.ask(near).await, json!(true));
    // Without motion, as this browser asks for, the page is there at once.
    let top = "return document.getElementById('timeline').getBoundingClientRect().top";
    assert!(browser.ask(top).await.as_f64().unwrap().abs() < 2.0);
    let told = "document.getElementById('detail').textContent.includes('STALE')";
    browser.until(told).await;
    browser.keep("report-anomaly").await;

    // Step by step, with the state of the stores beside it.
    for _ in 0..4 {
        browser.press("j").await;
    }
    let step = "return document.querySelector('#detail .here').textContent";
    assert_eq!(browser.ask(step).await, json!("+4.00 ms  SELECT replica 7  → v1"));
    let state =
        "return [...document.querySelectorAll('#detail .state td')].map(c => c.textContent)";
    assert_eq!(browser.ask(state).await, json!(["empty", "v1 (old)", "v2"]));

    browser.press("0").await;
    browser.until("quarrel.state().to === quarrel.state().end").await;
    browser.press("e").await;
    browser.press("+").await;
    browser.until("quarrel.state().from > 0").await;

    let filter = browser.client.find(fantoccini::Locator::Id("filter")).await.unwrap();
    filter.send_keys("stale during:replica-lag").await.unwrap();
    browser.until("document.querySelectorAll('#operation-table tbody tr').length === 0").await;
    filter.clear().await.unwrap();
    filter.send_keys("stale>20ms key:7").await.unwrap();
    browser.until("document.querySelectorAll('#operation-table tbody tr').length === 1").await;
    browser.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_works_in_a_sandboxed_frame() {
    let scratch = tempfile::tempdir().unwrap();
    let (run, verdict) = example::refill(scratch.path(), "Alex", "Alice");
    fs::create_dir_all(&run.folder.path).unwrap();
    write_report(&View::new(&run, &verdict)).unwrap();
    // As previews of artifacts show it: scripts, and no origin of its own.
    let frame = r#"<iframe sandbox="allow-scripts" src="report.html" width="1300" height="900">"#;
    let around = run.folder.file("around.html");
    fs::write(&around, frame).unwrap();
    let browser = Browser::start().await;
    browser.client.goto(&format!("file://{}", around.display())).await.unwrap();
    browser.client.clone().enter_frame(0).await.unwrap();
    browser.until("document.documentElement.dataset.ready").await;
    browser.press("n").await;
    browser.until("document.getElementById('detail').textContent.includes('STALE')").await;
    assert_eq!(browser.ask("return self.origin").await, json!("null"), "it is sandboxed");
    // Longer than the page waits before it writes down where it is.
    browser.until("performance.now() > Number(document.documentElement.dataset.ready) + 600").await;
    assert_eq!(
        browser.ask("return document.documentElement.dataset.failed ?? null").await,
        json!(null)
    );
    browser.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_never_runs_as_script() {
    let scratch = tempfile::tempdir().unwrap();
    let run = finished(scratch.path(), "20260301T080000Z-cache-aside-9f3a", EVIL);
    let address = serve(scratch.path()).await;
    let browser = Browser::start().await;
    for url in [
        format!("file://{}", run.file("report.html").display()),
        format!("http://{address}/run/{}", run.name),
    ] {
        browser.client.goto(&url).await.unwrap();
        browser.until("document.documentElement.dataset.ready").await;
        // Everywhere where a script shows values.
        browser.press("n").await;
        browser.until("document.getElementById('detail').textContent.includes('owned')").await;
        assert_eq!(browser.ask("return window.owned ?? null").await, json!(null), "{url}");
        assert_eq!(browser.ask("return document.images.length").await, json!(0), "{url}");
    }
    browser.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_are_filtered_and_compared() {
    let scratch = tempfile::tempdir().unwrap();
    let first = finished(scratch.path(), "20260301T080000Z-cache-aside-9f3a", "Alex");
    let second = finished(scratch.path(), "20260301T090000Z-cache-aside-b00b", "Alma");
    let address = serve(scratch.path()).await;
    let browser = Browser::start().await;
    browser.client.goto(&format!("http://{address}/")).await.unwrap();
    let links = "return document.querySelectorAll('td.name a[href^=\"/run/\"]').length";
    assert_eq!(browser.ask(links).await, json!(2));
    browser.keep("serve-list").await;
    let choose = "const s = document.querySelector('select[name=outcome]'); s.value = 'violated'; \
                  s.dispatchEvent(new Event('change'))";
    browser.ask(choose).await;
    browser.until("location.search.includes('outcome=violated')").await;

    let compare = format!("http://{address}/compare?a={}&b={}", first.name, second.name);
    browser.client.goto(&compare).await.unwrap();
    let text = browser.ask("return document.body.textContent").await;
    let text = text.as_str().unwrap();
    assert!(text.contains("replica-lag 1") && text.contains("calm 2"), "{text}");
    assert_eq!(
        browser.ask("return document.querySelectorAll('#curves path.line').length").await,
        json!(2)
    );
    browser.keep("serve-compare").await;
    for page in ["matrix?of=runs", "trend"] {
        browser.client.goto(&format!("http://{address}/{page}")).await.unwrap();
        let links = "return document.querySelectorAll('main a[href^=\"/run/\"]').length";
        assert!(browser.ask(links).await.as_u64() > Some(0), "{page}");
    }
    browser.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_goes_on_is_followed_to_its_report() {
    let scratch = tempfile::tempdir().unwrap();
    let run = finished(scratch.path(), "20260301T080000Z-cache-aside-9f3a", "Alex");
    let verdict = fs::read(run.file("verdict.json")).unwrap();
    for made in ["verdict.json", "COMPLETE"] {
        fs::remove_file(run.file(made)).unwrap();
    }
    let address = serve(scratch.path()).await;
    let browser = Browser::start().await;
    browser.client.goto(&format!("http://{address}/run/{}", run.name)).await.unwrap();
    browser.until("document.getElementById('live-operations').textContent === '5'").await;
    browser.keep("serve-live").await;
    // Nobody writes on it any more.
    browser.until("document.getElementById('live-quiet').textContent.includes('was killed')").await;
    fs::write(run.file("verdict.json"), verdict).unwrap();
    fs::write(run.file("COMPLETE"), "").unwrap();
    browser.until("document.documentElement.dataset.ready").await;
    browser.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cell_of_a_matrix_leads_to_the_race_that_broke_it() {
    let scratch = tempfile::tempdir().unwrap();
    let matrix = matrix(scratch.path(), "20260302T080000Z-matrix-1234");
    let address = serve(scratch.path()).await;
    let browser = Browser::start().await;
    browser.client.goto(&format!("http://{address}/")).await.unwrap();
    let follow = |link: &str| format!("document.querySelector('{link}').click()");
    browser.ask(&follow("nav a[href=\"/matrix\"]")).await;
    browser.until("document.querySelector('table.matrix')").await;
    browser.keep("serve-matrix").await;
    // Every cell that broke leads to its witness.
    let broken = "return document.querySelectorAll('table.matrix td a[href*=\"#\"]').length";
    assert_eq!(browser.ask(broken).await, json!(1));
    browser.ask(&follow("table.matrix td a[href*=\"#\"]")).await;
    browser.until("location.hash === '#bounded'").await;
    let race = "return document.querySelector('#bounded pre.race').textContent";
    assert_eq!(browser.ask(race).await, json!(fs::read_to_string(matrix.join(RACE)).unwrap()));
    let said = browser.ask("return document.querySelector('#bounded').textContent").await;
    let said = said.as_str().unwrap();
    assert!(said.contains("In 5 steps: !stale") && said.contains("quarrel replay "), "{said}");
    assert_eq!(browser.ask("return window.owned ?? null").await, json!(null));
    browser.keep("serve-matrix-cell").await;
    browser.end().await;
}
