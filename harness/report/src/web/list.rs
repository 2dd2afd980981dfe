use std::{cmp::Reverse, collections::BTreeSet, sync::Arc};

use axum::extract::{Query, State};
use maud::{Markup, html};
use quarrel_checkers::{gravity, thousands};
use quarrel_run::results::IndexLine;
use serde::Deserialize;

use super::{
    layout::{Answer, layout, outcome_class, outcome_glyph},
    shelf::{Entry, Shelf},
};
use crate::report::page::scroller;

/// Rows on a page.
const PAGE: usize = 100;

/// What the address asks for. An empty field asks for everything.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Filter {
    pub(super) strategy: String,
    pub(super) fault: String,
    pub(super) outcome: String,
    pub(super) cluster: String,
    pub(super) workload: String,
    /// A commit, or its beginning.
    pub(super) commit: String,
    pub(super) sort: Sort,
    pub(super) page: usize,
}

/// By what a list is put in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Sort {
    /// The newest first.
    #[default]
    When,
    /// What is wrong first.
    Outcome,
    /// By cause, what is new of each first.
    Cause,
    /// By strategy, workload, faults and cluster.
    Case,
    /// The stalest first.
    Stale,
}

impl Sort {
    const fn name(self) -> &'static str {
        match self {
            Self::When => "when",
            Self::Outcome => "outcome",
            Self::Cause => "cause",
            Self::Case => "case",
            Self::Stale => "stale",
        }
    }

    /// Of what is the same, the newest stays first.
    fn put_in_order(self, entries: &mut [&Entry]) {
        // What somebody has to look at stands before what only is.
        let grave = |entry: &Entry| {
            let word = entry.line().outcome.as_str();
            let code = match word {
                "held" => 0,
                "violated" => 1,
                "undecided" | "killed" => 2,
                "vacuous" | "running" => 3,
                "environment" | "failed" => 4,
                // A word of another version: somebody should look.
                _ => 70,
            };
            (gravity(code), word.to_owned())
        };
        match self {
            Self::When => {}
            Self::Outcome => entries.sort_by_cached_key(|entry| grave(entry)),
            Self::Cause => entries.sort_by_cached_key(|entry| {
                let cause = entry.line().cause.clone();
                (cause.is_empty(), cause, !entry.is_new)
            }),
            Self::Case => entries.sort_by_cached_key(|entry| entry.case()),
            Self::Stale => entries.sort_by_key(|entry| Reverse(entry.line().stale_reads)),
        }
    }
}

impl Filter {
    /// Whether a run is asked for.
    pub(super) fn takes(&self, line: &IndexLine) -> bool {
        let is = |asked: &str, value: &str| asked.is_empty() || asked == value;
        is(&self.strategy, &line.strategy)
            && is(&self.outcome, &line.outcome)
            && is(&self.cluster, &line.cluster)
            && is(&self.workload, &line.workload)
            && line.commit.starts_with(&self.commit)
            && is(&self.fault, &fault_name(line))
    }

    fn address(&self, page: usize) -> String {
        let sort = match self.sort {
            Sort::When => String::new(),
            sort => sort.name().to_owned(),
        };
        let fields = [
            ("strategy", &self.strategy),
            ("fault", &self.fault),
            ("outcome", &self.outcome),
            ("cluster", &self.cluster),
            ("workload", &self.workload),
            ("commit", &self.commit),
            ("sort", &sort),
        ];
        let mut address = format!("/?page={page}");
        for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
            address += &format!("&{name}={}", encode(value));
        }
        address
    }
}

/// Faults by name, without their arguments: `replica-lag + redis-cut`.
pub(super) fn fault_name(line: &IndexLine) -> String {
    match line.faults.as_slice() {
        [] => "none".to_owned(),
        faults => {
            let names: Vec<_> =
                faults.iter().map(|fault| fault.split('=').next().unwrap_or(fault)).collect();
            names.join(" + ")
        }
    }
}

/// A commit as people write it.
pub(super) fn short(commit: &str) -> &str {
    commit.get(..10).unwrap_or(commit)
}

/// Percent-encodes what may not stand in a query.
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            other => encoded += &format!("%{other:02X}"),
        }
    }
    encoded
}

/// Every run that the filter takes, newest first.
pub(super) async fn page(State(shelf): State<Arc<Shelf>>, Query(filter): Query<Filter>) -> Answer {
    let entries = shelf.entries().await;
    let mut shown: Vec<&Entry> =
        entries.iter().filter(|entry| filter.takes(entry.line())).collect();
    filter.sort.put_in_order(&mut shown);
    let pages = shown.len().div_ceil(PAGE).max(1);
    let at = filter.page.min(pages - 1);
    let body = html! {
        section {
            (form(&entries, &filter))
            p.hint id="count" { (shown.len()) " of " (entries.len()) " runs" }
            @if entries.is_empty() {
                p { "There are no runs yet. " code { "quarrel run cache-aside --fault replica-lag" } " makes one." }
            }
            (scroller("runs", &html! { table {
                thead { tr {
                    (heading(&filter, Sort::When, "began")) th scope="col" { "run" }
                    (heading(&filter, Sort::Outcome, "outcome")) (heading(&filter, Sort::Cause, "cause"))
                    th scope="col" { "strongest" } (heading(&filter, Sort::Case, "strategy"))
                    th scope="col" { "workload" } th scope="col" { "faults" } th scope="col" { "cluster" }
                    (heading(&filter, Sort::Stale, "stale")) th.number scope="col" { "at risk" } th scope="col" { "commit" }
                } }
                tbody { @for entry in shown.iter().skip(at * PAGE).take(PAGE) { (row(entry)) } }
            } }))
            @if pages > 1 {
                p.pages {
                    @if at > 0 { a href=(filter.address(at - 1)) rel="prev" { "newer" } }
                    span { "page " (at + 1) " of " (pages) }
                    @if at + 1 < pages { a href=(filter.address(at + 1)) rel="next" { "older" } }
                }
            }
        }
    };
    Ok(layout("Runs", &body))
}

/// A heading by which the list can be put in order.
fn heading(filter: &Filter, sort: Sort, name: &str) -> Markup {
    let sorted = (filter.sort == sort).then_some(match sort {
        Sort::When | Sort::Stale => "descending",
        Sort::Outcome | Sort::Cause | Sort::Case => "ascending",
    });
    let address = Filter { sort, ..filter.clone() }.address(0);
    html! { th scope="col" aria-sort=[sorted] { a href=(address) { (name) } } }
}

fn row(entry: &Entry) -> Markup {
    let line = entry.line();
    html! {
        tr {
            td.when { (began(&entry.folder.name)) }
            td.name {
                a href={ "/run/" (entry.folder.name) } { (entry.folder.name) }
                @if let Some(matrix) = &entry.matrix {
                    span.sub { "of " a href={ "/matrix?of=" (encode(matrix)) } { (matrix) } }
                }
            }
            td class=(outcome_class(&line.outcome)) { (outcome_glyph(&line.outcome)) (line.outcome) }
            td {
                (line.cause)
                @if entry.is_new { " " span.new title="no earlier run of this case had this cause" { "new" } }
                @if let Some(reason) = entry.state.reason() { span.sub { (reason) } }
            }
            td { (line.strongest) }
            td { (line.strategy) }
            td { (line.workload) }
            td { (line.faults.join(" ")) }
            td { (line.cluster) }
            @if entry.state.is_judged() {
                td.number { (thousands(line.stale_reads)) }
                td.number { (thousands(line.reads_at_risk)) }
            } @else { td.number { "–" } td.number { "–" } }
            td.name { @if !line.commit.is_empty() {
                a href={ "/?commit=" (short(&line.commit)) } title=(line.commit) { (short(&line.commit)) }
            } }
        }
    }
}

/// When a run began, as its folder's name tells: `2026-03-01 08:00:00`.
pub(super) fn began(name: &str) -> String {
    let told = name.split('-').next().and_then(|time| {
        let time = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", time).ok()?;
        Some(time.strftime("%Y-%m-%d %H:%M:%S").to_string())
    });
    told.unwrap_or_default()
}

fn form(entries: &[Entry], filter: &Filter) -> Markup {
    let values = |of: fn(&IndexLine) -> String| -> BTreeSet<String> {
        entries.iter().map(|entry| of(entry.line())).filter(|value| !value.is_empty()).collect()
    };
    html! {
        form.filters method="get" action="/" {
            (choice("strategy", &filter.strategy, &values(|line| line.strategy.clone())))
            (choice("fault", &filter.fault, &values(fault_name)))
            (choice("outcome", &filter.outcome, &values(|line| line.outcome.clone())))
            (choice("cluster", &filter.cluster, &values(|line| line.cluster.clone())))
            (choice("workload", &filter.workload, &values(|line| line.workload.clone())))
            (choice("commit", short(&filter.commit), &values(|line| short(&line.commit).to_owned())))
            @if filter.sort != Sort::When { input type="hidden" name="sort" value=(filter.sort.name()); }
            button { "filter" }
            a href="/" { "all" }
        }
    }
}

/// A field with the values that occur.
pub(super) fn choice(name: &str, chosen: &str, values: &BTreeSet<String>) -> Markup {
    html! {
        label { (name)
            select name=(name) {
                option value="" { "any" }
                @for value in values { option value=(value) selected[value == chosen] { (value) } }
            }
        }
    }
}
