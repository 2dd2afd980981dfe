use std::fmt::Write as _;

use quarrel_run::results::VerdictFile;

/// A run's numbers as OpenMetrics text, which GitLab shows as a metrics report
/// and Prometheus reads.
#[must_use]
pub fn open_metrics(verdict: &VerdictFile) -> String {
    let metrics = &verdict.metrics;
    let label = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let labels = format!(
        "strategy=\"{}\",faults=\"{}\",cluster=\"{}\"",
        label(&verdict.strategy),
        label(&verdict.faults.join(" ")),
        label(&verdict.cluster)
    );
    let seconds = |duration: std::time::Duration| duration.as_secs_f64();
    let values = [
        ("quarrel_reads", metrics.reads as f64),
        ("quarrel_reads_at_risk", metrics.reads_at_risk as f64),
        ("quarrel_stale_reads", metrics.stale_reads as f64),
        ("quarrel_worst_staleness_seconds", seconds(metrics.worst_staleness)),
        ("quarrel_staleness_p50_seconds", seconds(metrics.staleness.p50)),
        ("quarrel_staleness_p99_seconds", seconds(metrics.staleness.p99)),
        ("quarrel_session_violations", metrics.sessions.total() as f64),
        ("quarrel_lost_updates", metrics.lost_updates as f64),
        ("quarrel_exit_code", f64::from(verdict.outcome.exit_code())),
    ];
    let mut text = String::new();
    for (name, value) in values {
        // Writing to a string never fails.
        let _ = writeln!(text, "# TYPE {name} gauge\n{name}{{{labels}}} {value}");
    }
    text.push_str("# EOF\n");
    text
}
