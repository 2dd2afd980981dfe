use std::{collections::BTreeMap, time::Duration};

use maud::{Markup, PreEscaped, html};
use quarrel_checkers::{F, Guarantee, Key, Rung, Site, Validity, millis, thousands};
use quarrel_run::results::{RunFolder, RunOutcome, VerdictFile};

use super::scroller::{scroller, verbatim};
use crate::report::{
    again::again,
    command_line, explain,
    logs::{Log, logs},
    rows::OperationEnd,
    summary,
    terminal::{Ink, Width, is_unasked},
    view::View,
};

/// Keys in the table; the worst first.
const KEYS: usize = 100;
/// Stretches of time in the strip of a key.
const HEAT: usize = 120;

pub(super) fn faults_in_words(verdict: &VerdictFile) -> String {
    match verdict.faults.as_slice() {
        [] => "without faults".to_owned(),
        faults => format!("under {}", faults.join(" and ")),
    }
}

/// The numbers, the ladder of guarantees, and what the terminal said.
pub(super) fn verdict(view: &View<'_>) -> Markup {
    let verdict = view.verdict;
    let metrics = &verdict.metrics;
    let said = summary(view.run, verdict, Ink::plain(), Width::Free);
    // The table below has the ladder.
    let said = said.split("\n\nguarantees ").next().unwrap_or(&said);
    let fact = |name: &str, value: String| html! { div { dt { (name) } dd { (value) } } };
    let hits = match metrics.reads {
        0 => "–".to_owned(),
        reads => format!("{:.0} %", metrics.hits as f64 / reads as f64 * 100.0),
    };
    html! {
        section id="verdict" {
            h2 { "Verdict" }
            dl.facts {
                (fact("reads", thousands(metrics.reads)))
                (fact("at risk", thousands(metrics.reads_at_risk)))
                (fact("stale", thousands(metrics.stale_reads)))
                @if metrics.stale_reads > 0 {
                    (fact("worst staleness", millis(metrics.worst_staleness)))
                    (fact("its median / 99 %", format!("{} / {}", millis(metrics.staleness.p50), millis(metrics.staleness.p99))))
                }
                (fact("most versions behind", metrics.max_versions_behind.map_or("–".to_owned(), |n| n.to_string())))
                (fact("writes", thousands(metrics.writes)))
                (fact("unknown writes", thousands(metrics.indeterminate_writes)))
                (fact("cache hits", hits))
                (fact("lost writes", thousands(metrics.lost_updates)))
            }
            h3 style="margin-top:16px" { "Guarantees" }
            (scroller("guarantees", &html! { table {
                thead { tr { th scope="col" { "guarantee" } th scope="col" { "held" } th scope="col" { "because" } th scope="col" { "what it asks" } } }
                tbody {
                    @for rung in verdict.ladder.iter().filter(|rung| rung.guarantee != Guarantee::None) {
                        tr {
                            td { (rung.guarantee) @if rung.guarantee == verdict.expected { " (asked for)" } }
                            (mark(verdict, rung))
                            td { (rung.reason) }
                            td.sub { (explain::guarantee(rung.guarantee).summary) }
                        }
                    }
                }
            } }))
            details { summary { "As the terminal told it" } (verbatim("as the terminal told it", said.trim_end())) }
        }
    }
}

fn mark(verdict: &VerdictFile, rung: &Rung) -> Markup {
    match rung.validity {
        // Where nothing was at stake nothing was shown to hold.
        Validity::Valid if verdict.outcome == RunOutcome::Vacuous => {
            html! { td.sub { "– not contradicted" } }
        }
        Validity::Valid => html! { td.good { "✓ yes" } },
        Validity::Unknown if is_unasked(verdict, rung) => html! { td.sub { "– not asked" } },
        Validity::Unknown => html! { td.warn { "? open" } },
        Validity::Invalid => html! { td.bad { "✗ no" } },
    }
}

#[derive(Default)]
struct KeyRow {
    reads: u64,
    writes: u64,
    stale: u64,
    hits: u64,
    worst: Duration,
    heat: Vec<(u32, u32)>,
}

/// A strip of time and the numbers of each key.
pub(super) fn keys(view: &View<'_>) -> Markup {
    let mut keys: BTreeMap<Key, KeyRow> = BTreeMap::new();
    let span = view.end.as_nanos().max(1) as f64;
    for row in view.rows.iter().filter(|row| row.ending == OperationEnd::Ok) {
        for (key, _) in row.halves() {
            let entry = keys.entry(key).or_default();
            entry.heat.resize(HEAT, (0, 0));
            if row.f != F::Read {
                entry.writes += 1;
                continue;
            }
            entry.reads += 1;
            entry.hits += u64::from(row.source == Some(Site::Cache));
            let at = ((row.start.as_nanos() as f64 / span * HEAT as f64) as usize).min(HEAT - 1);
            entry.heat[at].0 += 1;
            // Of a transaction the first key is the one that was read stale.
            if let Some(stale) = row.stale.filter(|_| row.key == Some(key)) {
                entry.stale += 1;
                entry.worst = entry.worst.max(stale);
                entry.heat[at].1 += 1;
            }
        }
    }
    let mut sorted: Vec<_> = keys.into_iter().collect();
    sorted.sort_by_key(|(key, row)| (std::cmp::Reverse(row.stale), *key));
    let count = sorted.len();
    html! {
        section id="keys" {
            h2 { "Keys" }
            @if count == 0 { p { "No operation had a key." } } @else {
            p.hint { "Each strip is the run from left to right: pale where the key was read, the redder the more of its reads were stale." }
            (scroller("keys", &html! { table {
                thead { tr {
                    th.number scope="col" { "key" } th scope="col" style="width:45%" { "over the run" }
                    th.number scope="col" { "reads" } th.number scope="col" { "stale" }
                    th.number scope="col" { "worst" } th.number scope="col" { "hits" } th.number scope="col" { "writes" }
                } }
                tbody { @for (key, row) in sorted.iter().take(KEYS) { tr {
                    td.number { (key) }
                    td { (heat(*key, row)) }
                    td.number { (thousands(row.reads)) }
                    td.number { (thousands(row.stale)) }
                    td.number { @if row.stale > 0 { (millis(row.worst)) } }
                    td.number { (row.hits * 100 / row.reads.max(1)) " %" }
                    td.number { (thousands(row.writes)) }
                } } }
            } }))
            @if count > KEYS { p.hint { "and " (count - KEYS) " more keys with no more stale reads than these" } }
            }
        }
    }
}

fn heat(key: Key, row: &KeyRow) -> Markup {
    let mut cells = String::new();
    for (at, (reads, stale)) in row.heat.iter().enumerate().filter(|(_, (reads, _))| *reads > 0) {
        let (class, opacity) = match stale {
            0 => (" class=\"calm\"", 1.0),
            stale => ("", 0.25 + 0.75 * f64::from(*stale) / f64::from(*reads)),
        };
        cells +=
            &format!("<rect{class} x=\"{at}\" width=\"1\" height=\"1\" opacity=\"{opacity:.2}\"/>");
    }
    let label = format!("key {key}: {} of {} reads stale", row.stale, row.reads);
    html! {
        svg.heat viewBox={ "0 0 " (HEAT) " 1" } preserveAspectRatio="none" role="img" aria-label=(label) {
            (PreEscaped(cells))
        }
    }
}

/// How to run it again, what it was, what struck it, and what the servers
/// said.
pub(super) fn run(view: &View<'_>) -> Markup {
    let settings = &view.run.settings;
    let toml = toml::to_string_pretty(settings).unwrap_or_default();
    let env = view.run.folder.text(RunFolder::ENVIRONMENT).unwrap_or_default();
    html! {
        section id="run" {
            h2 { "Run" }
            p { "Run again: " code { (again(view.run)) } }
            p { "Re-check: " code { (command_line(["quarrel", "check", &view.run.folder.called()])) } " · began " (settings.began) " · quarrel " (view.verdict.quarrel) " · run " code { (view.verdict.run) } }
            @if !view.run.receipts.is_empty() { (receipts(view)) }
            details { summary { "Configuration" } (verbatim("configuration", &toml)) }
            @if !env.is_empty() { details { summary { "Versions" } (verbatim("versions", &env)) } }
            @for log in logs(view) { (server_log(&log)) }
        }
    }
}

/// A server's log, each line with its time on the run's clock.
fn server_log(log: &Log) -> Markup {
    let mut text = String::new();
    for line in &log.lines {
        if line.after_gap {
            text += "…\n";
        }
        let at = line.at.map_or(String::new(), |at| format!("{:.3} s", at as f64 / 1e9));
        text += &format!("{at:>11}  {}\n", line.text);
    }
    html! {
        details {
            summary { "Log of the " (log.name.trim_end_matches(".log")) @if log.left_out > 0 { span.sub { " without " (log.left_out) " lines far from its ends and from every anomaly" } } }
            @if log.lines.is_empty() { p.hint { "It said nothing." } } @else { pre.log tabindex="0" role="group" aria-label={ "log of the " (log.name.trim_end_matches(".log")) } { code { (text) } } }
        }
    }
}

fn receipts(view: &View<'_>) -> Markup {
    let time = |time: Option<quarrel_checkers::Time>| {
        time.map(|time| format!("{:.3} s", time.as_nanos() as f64 / 1e9))
    };
    html! {
        h3 { "Faults" }
        (scroller("faults", &html! { table {
            thead { tr {
                th scope="col" { "fault" } th.number scope="col" { "injected" } th.number scope="col" { "observed" }
                th.number scope="col" { "healed" } th scope="col" { "evidence" }
            } }
            tbody { @for receipt in &view.run.receipts { tr {
                td { (receipt.fault) }
                td.number { (time(Some(receipt.injected)).unwrap_or_default()) }
                @match time(receipt.observed) { Some(time) => td.number { (time) }, None => td.warn { "never" } }
                td.number { (time(receipt.healed).unwrap_or_else(|| "never".to_owned())) }
                td {
                    @if let Some(evidence) = &receipt.evidence { (evidence) }
                    @for error in &receipt.errors { " " span.stale-text { (error) } }
                }
            } } }
        } }))
    }
}
