use std::{path::Path, time::Duration};

use quarrel_checkers::{Class, Guarantee, Validity};
use quarrel_harness::{
    report::{
        Ink, Width,
        ci::{Breach, Policy, Ruling, annotation, junit, open_metrics, place, step_summary},
        explain::{TopicKind, entries},
        summary,
    },
    results::{LoadedRun, RunOutcome, VerdictFile},
};

use crate::example;

fn nowhere() -> &'static Path {
    Path::new("results")
}

#[test]
fn junit_has_a_case_per_strategy_and_fault() {
    let (run, violated) = example::refill(nowhere(), "Alex", "Alice");
    let (_, held) = example::quiet(nowhere(), 120);
    let (_, vacuous) = example::quiet(nowhere(), 5);
    let told = summary(&run, &violated, Ink::plain(), Width::Free);
    let time = Duration::from_millis(1500);
    let xml = junit(&[(&violated, &told, time), (&held, "", time), (&vacuous, "vacuous", time)]);
    insta::assert_snapshot!(xml);
}

#[test]
fn github_gets_a_summary_and_an_annotation() {
    let (run, verdict) = example::refill(nowhere(), "Alex", "Alice");
    insta::assert_snapshot!("step_summary", step_summary(&run, &verdict));
    insta::assert_snapshot!(
        "annotation",
        annotation(&run, &verdict, Some("src/cache.rs")).unwrap()
    );
    let (run, verdict) = example::quiet(nowhere(), 120);
    assert_eq!(annotation(&run, &verdict, None), None);
}

#[test]
fn an_annotation_is_one_line_whatever_it_says() {
    let (run, verdict) = example::refill(nowhere(), "Alex", "Alice");
    let line = annotation(&run, &verdict, Some("a,b:c\n::error::x")).unwrap();
    assert!(line.starts_with("::error file=a%2Cb%3Ac%0A%3A%3Aerror%3A%3Ax,title="), "{line}");
    assert_eq!(line.lines().count(), 1);
}

/// GitHub shows an annotation only beside a file of the checkout that it ran in.
#[test]
fn an_annotation_stands_beside_a_file_of_the_project() {
    let (mut run, verdict) = example::refill(nowhere(), "Alex", "Alice");
    let scratch = tempfile::tempdir().unwrap();
    let workspace = scratch.path().join("checkout");
    let here = workspace.join("deep");
    std::fs::create_dir_all(&here).unwrap();
    let place_of = |run: &LoadedRun| place(&workspace, &here, &run.settings);
    // A strategy of quarrel's own has no source in it, nor do files outside.
    std::fs::write(scratch.path().join("quarrel.toml"), "").unwrap();
    assert_eq!(place_of(&run), None);
    let line = annotation(&run, &verdict, None).unwrap();
    assert!(line.starts_with("::error title="), "{line}");
    for (file, found) in [
        ("quarrel.toml", "quarrel.toml"),
        ("workloads/src/strategies/cache_aside.rs", "workloads/src/strategies/cache_aside.rs"),
        ("deep/app.toml", "deep/app.toml"),
    ] {
        let path = workspace.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
        run.settings.app = file.ends_with("app.toml").then(|| "app.toml".to_owned());
        assert_eq!(place_of(&run).as_deref(), Some(found));
    }
}

#[test]
fn numbers_are_open_metrics() {
    let verdict = refill();
    insta::assert_snapshot!(open_metrics(&verdict));
}

/// What is said of a run, each breach as it is told.
fn told(policy: &Policy, verdict: &VerdictFile) -> Vec<String> {
    match policy.ruling(&verdict.case().unwrap(), verdict) {
        Ruling::Beyond(breaches) => breaches.iter().map(ToString::to_string).collect(),
        other => vec![other.to_string()],
    }
}

/// A small run as if enough had been at stake in it.
fn refill() -> VerdictFile {
    let (_, mut verdict) = example::refill(nowhere(), "Alex", "Alice");
    assert!(verdict.nothing_at_stake.take().is_some());
    verdict
}

/// The things that a run did and its policy does not accept.
fn breaches(policy: &Policy, verdict: &VerdictFile) -> Vec<Breach> {
    match policy.ruling(&verdict.case().unwrap(), verdict) {
        Ruling::Beyond(breaches) => breaches,
        _ => Vec::new(),
    }
}

fn accepting(verdict: &VerdictFile) -> Policy {
    let mut policy = Policy::default();
    for breach in breaches(&policy, verdict) {
        policy.accept(&verdict.case().unwrap(), &breach);
    }
    policy
}

/// That all that was seen is accepted says nothing of what could not be seen.
#[test]
fn what_is_accepted_needs_evidence_that_nothing_else_happened() {
    let (_, idle) = example::refill(nowhere(), "Alex", "Alice");
    let policy = accepting(&idle);
    assert_eq!(told(&policy, &idle), ["vacuous"]);
    let mut cut = refill();
    cut.truncated = true;
    assert_eq!(told(&policy, &cut), ["undecided"]);
    assert_eq!(told(&policy, &refill()), ["accepted"]);
}

#[test]
fn nothing_is_accepted_that_no_policy_names() {
    let verdict = refill();
    assert_eq!(
        told(&Policy::default(), &verdict),
        ["50.000 % of the reads at risk were stale, the worst by 115 ms (policy: 0.000 %, 0 ms)"]
    );
}

#[test]
fn what_was_accepted_once_stays_accepted_and_no_more() {
    let verdict = refill();
    let policy = accepting(&verdict);
    assert_eq!(told(&policy, &verdict), ["accepted"]);
    let again: Policy = policy.to_toml().parse().unwrap();
    assert_eq!(again.to_toml(), policy.to_toml());
    let mut worse = verdict.clone();
    worse.metrics.worst_staleness += Duration::from_millis(5);
    assert_eq!(breaches(&again, &worse).len(), 1);
    let mut often = verdict;
    often.metrics.stale_reads = often.metrics.reads_at_risk;
    assert_eq!(breaches(&again, &often).len(), 1);
}

/// A yes to one fault is none to another, nor to another option, workload or
/// cluster.
#[test]
fn what_is_accepted_of_one_case_is_not_accepted_of_another() {
    let verdict = refill();
    let policy = accepting(&verdict);
    let changes: [fn(&mut VerdictFile); 5] = [
        |verdict| verdict.faults = Vec::new(),
        |verdict| verdict.faults.push("redis-cut".to_owned()),
        |verdict| verdict.workload = "pairs".to_owned(),
        |verdict| verdict.cluster = "docker".to_owned(),
        |verdict| verdict.options = Some([("fill".to_owned(), "primary".to_owned())].into()),
    ];
    for change in changes {
        let mut other = verdict.clone();
        change(&mut other);
        assert_eq!(breaches(&policy, &other).len(), 1, "{:?}", other.case());
    }
}

/// A run that lost writes, whose stores never agreed again, and that was
/// stale.
fn lossy() -> VerdictFile {
    let mut verdict = refill();
    verdict.metrics.lost_updates = 222;
    verdict.metrics.phantom_reads = 1;
    verdict.metrics.convergence.keys_compared = 3;
    for rung in &mut verdict.ladder {
        if rung.guarantee == Guarantee::Eventual {
            rung.validity = Validity::Invalid;
            rung.reason = "the stores differ on 3 keys".to_owned();
        }
    }
    verdict
}

#[test]
fn what_is_worse_than_staleness_is_asked_for_by_itself_the_worst_first() {
    let verdict = lossy();
    let case = verdict.case().unwrap();
    let mut policy = Policy::default();
    let names = |policy: &Policy| -> Vec<String> {
        breaches(policy, &verdict).iter().map(|breach| breach.name().to_owned()).collect()
    };
    assert_eq!(names(&policy), ["lost-write", "never-heals", "phantom-read", "stale-read"]);
    let stale = breaches(&policy, &verdict).pop().unwrap();
    policy.accept(&case, &stale);
    assert_eq!(names(&policy), ["lost-write", "never-heals", "phantom-read"]);
    let lost = breaches(&policy, &verdict).remove(0);
    assert!(lost.seen.starts_with("lost-write: 222 acknowledged writes are gone"), "{}", lost.seen);
    policy.accept(&case, &lost);
    assert_eq!(names(&policy), ["never-heals", "phantom-read"]);
}

#[test]
fn bounds_on_staleness_accept_nothing_worse() {
    let loose = |allow: &str| -> Policy {
        let case = "[[case]]\nstrategy = \"cache-aside\"\nfaults = [\"replica-lag\"]\n\
                    cluster = \"native\"\noptions = { ttl = \"3s\" }\n\
                    stale_max = \"9s\"\nstale_rate = 1\n";
        format!("{case}allow = [{allow}]\n").parse().unwrap()
    };
    let mut verdict = refill();
    verdict.options = Some([("ttl".to_owned(), "3s".to_owned())].into());
    assert_eq!(told(&loose(""), &verdict), ["accepted"]);
    // Every class but those that say that a read was stale.
    for entry in entries().filter(|entry| entry.kind == TopicKind::Anomaly) {
        let class = serde_json::from_value(entry.name.into()).unwrap();
        if let Class::StaleRead
        | Class::ReadYourWrites
        | Class::NonMonotonicRead
        | Class::GSingleRealtime = class
        {
            continue;
        }
        let mut worse = verdict.clone();
        worse.anomalies[0].class = class;
        worse.anomalies.truncate(1);
        let found = breaches(&loose(""), &worse);
        let name = if class == Class::Divergence { "never-heals" } else { entry.name };
        assert_eq!(found.len(), 1, "{name}: {found:?}");
        assert_eq!(found[0].name(), name);
        assert_eq!(told(&loose(&format!("\"{name}\"")), &worse), ["accepted"]);
    }
}

#[test]
fn what_showed_nothing_or_is_open_is_not_accepted() {
    let (_, vacuous) = example::quiet(nowhere(), 5);
    assert_eq!(told(&Policy::default(), &vacuous), ["vacuous"]);
    let (_, mut open) = example::quiet(nowhere(), 120);
    assert_eq!(told(&Policy::default(), &open), ["accepted"]);
    open.outcome = RunOutcome::Undecided;
    let rulings = [&open, &vacuous]
        .map(|verdict| Policy::default().ruling(&verdict.case().unwrap(), verdict));
    assert_eq!(Ruling::exit_code_of(&rulings), 2);
    assert_eq!(Ruling::exit_code_of(&rulings[1..]), 3);
    assert_eq!(Ruling::exit_code_of(&[Ruling::Accepted]), 0);
    assert_eq!(Ruling::exit_code_of(&[]), 3, "nothing judged is never a pass");
    let beyond = Ruling::Beyond(Vec::new());
    assert_eq!(Ruling::exit_code_of(&[rulings[0].clone(), beyond]), 1);
}

#[test]
fn what_people_wrote_into_a_policy_stays() {
    let text = "# agreed with payments, INC-1234\n\n[[case]]\nstrategy = \"cache-aside\" # ours\n\
                faults = [\"replica-lag\"]\ncluster = \"native\"\n\
                stale_max = \"1ms\" # until Q3\nreason = \"for now\"\n\n# the end\n";
    let mut verdict = refill();
    verdict.options = Some([].into());
    let before: Policy = text.parse().unwrap();
    let mut policy = before.clone();
    let case = verdict.case().unwrap();
    for breach in breaches(&before, &verdict) {
        policy.accept(&case, &breach);
        policy.give_reason(&case, "a second sale");
    }
    assert_eq!(told(&policy, &verdict), ["accepted"]);
    insta::assert_snapshot!("policy_difference", policy.difference(&before));
    verdict.faults.clear();
    policy.accept(&verdict.case().unwrap(), &breaches(&policy, &verdict)[0]);
    insta::assert_snapshot!("policy", policy.to_toml());
    let inline = "case = [{ strategy = \"x\", cluster = \"sim\" }] # short\n";
    let mut policy: Policy = inline.parse().unwrap();
    let case = policy.cases().next().unwrap();
    policy.give_reason(&case, "why not");
    assert!(policy.to_toml().contains("reason = \"why not\""), "{}", policy.to_toml());
}

#[test]
fn what_is_denied_must_not_happen_at_all() {
    let verdict = refill();
    let mut policy = accepting(&verdict);
    policy = policy
        .to_toml()
        .replace("cluster =", "deny = [\"replica-lag-refill\"]\ncluster =")
        .parse()
        .unwrap();
    let found = breaches(&policy, &verdict);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].accepted, "never");
    policy.accept(&verdict.case().unwrap(), &found[0]);
    assert_eq!(told(&policy, &verdict), ["accepted"]);
}

#[test]
fn a_class_that_is_called_otherwise_now_stays_allowed() {
    let case = "[[case]]\nstrategy = \"x\"\ncluster = \"sim\"\n";
    for name in ["g2", "g2-realtime", "g2-item", "lost-write"] {
        assert!(format!("{case}allow = [\"{name}\"]").parse::<Policy>().is_ok(), "{name}");
    }
    let both = format!("{case}allow = [\"g2\"]\ndeny = [\"g2-item\"]");
    let refused = both.parse::<Policy>().unwrap_err().to_string();
    assert!(refused.contains("g2-item is allowed and denied"), "{refused}");
}

#[test]
fn a_policy_that_names_nothing_real_is_refused() {
    let refused = |text: &str| text.parse::<Policy>().unwrap_err().to_string();
    let complain = |more: &str| {
        refused(&format!("# a\n[[case]]\nstrategy = \"x\"\ncluster = \"sim\"\n{more}\n"))
    };
    let denies = complain("deny = [\"stale-reed\"]");
    assert!(denies.starts_with("policy.toml, line 2, "), "{denies}");
    assert!(denies.contains("nothing is called `stale-reed`"), "{denies}");
    let word = complain("deny = [\"refill\"]");
    assert!(word.contains("`refill` is neither an anomaly nor a cause"), "{word}");
    let allows = complain("allow = [\"replica-lag-refill\"]");
    assert!(allows.contains("nothing that is denied by itself"), "{allows}");
    let both = complain("allow = [\"lost-write\"]\ndeny = [\"lost-write\"]");
    assert!(both.contains("lost-write is allowed and denied"), "{both}");
    let bound = complain("stale_max = \"soon\"");
    assert!(bound.contains("is not a duration such as 50ms"), "{bound}");
    let fault = complain("faults = [\"redis-cutt\"]");
    assert!(fault.contains("redis-cutt"), "{fault}");
    let twice = complain("[[case]]\nstrategy = \"x\"\ncluster = \"sim\"");
    assert!(twice.contains("x × no fault on sim stands here twice"), "{twice}");
    assert!(
        complain("stale_min = 1").contains("unknown key `stale_min`; did you mean `stale_max`?")
    );
    let old = refused("[strategy.x]\nstale_max = \"1s\"");
    assert!(old.contains("line 1, column 1: [strategy.NAME] accepted the same"), "{old}");
}
