use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Read as _,
};

use quarrel_harness::report::{View, page, write_files};

use crate::example;

/// A value that would break out of every place in which a page might put it.
pub(crate) const EVIL: &str =
    "</script><script>window.owned=1</script><img src=x onerror=window.owned=1>\"'`-->";

#[test]
fn values_are_never_markup() {
    let scratch = tempfile::tempdir().unwrap();
    let (mut run, verdict) = example::refill(scratch.path(), EVIL, "Alice");
    run.settings.strategy = EVIL.to_owned();
    run.receipts[0].fault = EVIL.to_owned();
    run.receipts[0].evidence = Some(EVIL.to_owned());
    let mut verdict = verdict;
    verdict.strategy = EVIL.to_owned();
    verdict.anomalies[0].explanation = EVIL.to_owned();
    let text = page::page(&View::new(&run, &verdict));
    assert!(text.contains("window.owned"), "the value is shown");
    for markup in ["<script>window", "<img", "</script><script>w"] {
        assert!(!text.contains(markup), "{markup}");
    }
}

#[test]
fn the_page_loads_nothing_and_says_so() {
    let scratch = tempfile::tempdir().unwrap();
    let (run, verdict) = example::refill(scratch.path(), "Alex", "Alice");
    let text = page::page(&View::new(&run, &verdict));
    assert!(text.contains("default-src &#39;none&#39;") || text.contains("default-src 'none'"));
    for way_out in ["http://", "https://", "src=\"", "@import", "fetch(", "localStorage"] {
        assert!(!text.contains(way_out), "{way_out}");
    }
}

#[test]
fn what_must_be_readable_without_a_script_is_static() {
    let scratch = tempfile::tempdir().unwrap();
    let (run, verdict) = example::refill(scratch.path(), "Alex", "Alice");
    let text = page::page(&View::new(&run, &verdict));
    let (static_part, _) = text.split_once("<script type=\"application/json\"").unwrap();
    for told in [
        "key 7 read v1 (Alex), 115 ms after v2 (Alice) was acknowledged",
        "SELECT replica 7 -&gt; v1",
        "STALE: v2 was acknowledged at t=4ms",
        "stale for 115 ms",
        "read-your-writes",
        "quarrel run cache-aside --cluster native --fault replica-lag=200ms",
        "the replica stood still",
        "Latency of operations",
        "How likely is a read to be stale?",
        "The plots as a table",
        "time since the write",
    ] {
        assert!(static_part.contains(told), "{told}");
    }
}

#[test]
fn every_file_of_a_run_is_written() {
    let scratch = tempfile::tempdir().unwrap();
    let (run, verdict) = example::refill(scratch.path(), "Alex", "Alice");
    fs::create_dir_all(&run.folder.path).unwrap();
    write_files(&run, &verdict).unwrap();
    let timeline = fs::read_to_string(run.folder.file("anomalies/1/timeline.txt")).unwrap();
    insta::assert_snapshot!(timeline);
    let trace = fs::File::open(run.folder.file("trace.json.gz")).unwrap();
    let mut json = String::new();
    flate2::read::GzDecoder::new(trace).read_to_string(&mut json).unwrap();
    let trace: serde_json::Value = serde_json::from_str(&json).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let named = |name: &str| events.iter().filter(|event| event["name"] == name).count();
    assert_eq!(named("read 7 → v1 STALE"), 1);
    assert_eq!(named("replica-lag=200ms"), 1);
    assert_eq!(named("replica lag [ms]"), 1);
    let tracks: BTreeSet<_> = (events.iter())
        .filter(|event| event["name"] == "thread_name")
        .map(|event| (event["pid"].as_u64(), event["tid"].as_u64()))
        .collect();
    for event in events.iter().filter(|event| event["ph"] == "X") {
        let track = (event["pid"].as_u64(), event["tid"].as_u64());
        assert!(tracks.contains(&track), "a track without a name: {event}");
        assert!(event["dur"].as_f64().unwrap() >= 0.0, "{event}");
    }
    for file in [
        "verdict.json",
        "summary.md",
        "report.html",
        "junit.xml",
        "metrics.txt",
        "anomalies/1/zoom.svg",
        "plots/latency.svg",
        "plots/throughput.svg",
        "plots/staleness.svg",
        "plots/hit-rate.svg",
        "plots/replica-lag.svg",
        "plots/pbs.svg",
        "plots/staleness-histogram.svg",
    ] {
        let text = fs::read_to_string(run.folder.file(file)).unwrap();
        assert!(!text.is_empty(), "{file}");
    }
}

#[test]
fn the_picture_of_an_anomaly_shows_every_store_and_the_way() {
    let scratch = tempfile::tempdir().unwrap();
    let (run, verdict) = example::refill(scratch.path(), "Alex", "Alice");
    let evidence = quarrel_harness::judge::CauseEvidence::new(&run.history).unwrap();
    let drawn = quarrel_harness::report::zoom(&run, &evidence, &verdict.anomalies[0], 1).unwrap();
    let (svg, standing) = (drawn.lying, drawn.standing);
    for told in ["Writer A", "Reader B", "Reader C", "Cache", "Replica", "Primary", "strip old"] {
        assert!(svg.contains(told) && standing.contains(told), "{told}");
    }
    assert!(svg.contains("v1 old"), "{svg}");
    // Up from the replica, on to the store, and through the cache.
    assert_eq!(svg.matches("class=\"way\"").count(), 3);
}

#[test]
fn a_page_brings_the_servers_logs_on_the_runs_clock() {
    let scratch = tempfile::tempdir().unwrap();
    let (mut run, verdict) = example::refill(scratch.path(), "Alex", "Alice");
    run.folder.path = scratch.path().to_owned();
    fs::create_dir(scratch.path().join("logs")).unwrap();
    fs::write(
        run.folder.file("logs/replica.log"),
        format!("2026-03-01 09:00:00.250 CET [1] LOG:  recovery paused {EVIL}\n"),
    )
    .unwrap();
    fs::write(run.folder.file("env.json"), r#"{"clock_zero": "2026-03-01T08:00:00Z"}"#).unwrap();
    let text = page::page(&View::new(&run, &verdict));
    assert!(text.contains("Log of the replica"));
    assert!(text.contains("    0.250 s  2026-03-01 09:00:00.250 CET [1] LOG:  recovery paused"));
    assert!(text.contains("\"at\":250000000"), "the script has it too");
    assert!(!text.contains("<script>window"));
}

#[test]
fn plots_and_timeline_say_what_the_run_was_doing() {
    let scratch = tempfile::tempdir().unwrap();
    let (mut run, verdict) = example::refill(scratch.path(), "Alex", "Alice");
    run.folder.path = scratch.path().to_owned();
    // Of a run that was killed nobody knows.
    let text = page::page(&View::new(&run, &verdict));
    assert!(text.contains("\"phases\":[]") && !text.contains("class=\"phase"));
    let phases = r#"{"storm": 2000000, "heal": 100000000, "final": 120000000}"#;
    fs::write(run.folder.file("phases.json"), phases).unwrap();
    let view = View::new(&run, &verdict);
    let ends: Vec<_> = view.phases.iter().map(|phase| (phase.name, phase.to)).collect();
    let ms = |ms| quarrel_checkers::Time::from_millis(ms);
    let expected = [("load", ms(2)), ("storm", ms(100)), ("heal", ms(120)), ("final", view.end)];
    assert_eq!(ends, expected);
    let text = page::page(&view);
    assert!(text.contains(r#"{"name":"storm","from":2000,"to":100000}"#), "the script has them");
    write_files(&run, &verdict).unwrap();
    for plot in ["latency", "throughput", "staleness", "hit-rate", "replica-lag"] {
        let svg = fs::read_to_string(run.folder.file(&format!("plots/{plot}.svg"))).unwrap();
        assert_eq!(svg.matches("class=\"turn\"").count(), 3, "{plot}");
        assert!(svg.contains(">storm</text>") && svg.contains(">load</text>"), "{plot}: {svg}");
    }
}

/// How bright a colour is, by the definition of WCAG 2.
fn luminance(colour: &str) -> f64 {
    let channel = |at: usize| {
        let share = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
        if share <= 0.04045 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
}

#[test]
fn every_colour_of_text_can_be_read_on_paper_by_day_and_by_night() {
    let mut themes = 0;
    for block in page::style().split('{').filter(|block| block.contains("--ink:")) {
        let colours: BTreeMap<&str, &str> = (block.split('}').next().unwrap().split(';'))
            .filter_map(|rule| rule.trim().strip_prefix("--")?.split_once(": "))
            .collect();
        let paper = luminance(colours["paper"]);
        themes += 1;
        // Frames of faults are no text: WCAG asks 3 of what must be told apart.
        let fault = luminance(colours["fault"]);
        assert!((fault.max(paper) + 0.05) / (fault.min(paper) + 0.05) >= 3.0, "--fault");
        for name in
            ["ink", "dim", "read", "write", "stale", "failed", "primary", "replica", "cache"]
        {
            let text = luminance(colours[name]);
            let contrast = (text.max(paper) + 0.05) / (text.min(paper) + 0.05);
            assert!(
                contrast >= 4.5,
                "--{name}: {} on {}: {contrast:.2}",
                colours[name],
                colours["paper"]
            );
        }
    }
    assert_eq!(themes, 4, "the page and its pictures, light and dark");
}
