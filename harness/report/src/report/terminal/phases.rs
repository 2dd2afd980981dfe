use anstyle::Style;
use quarrel_checkers::{PhaseMetrics, millis, thousands};

use super::{sheet::Sheet, width::columns};

/// What clients saw while which fault was on; nothing of a run without faults.
pub(super) fn by_phase(sheet: &mut Sheet, phases: &[PhaseMetrics]) {
    let seen: Vec<&PhaseMetrics> = phases.iter().filter(|phase| phase.reads > 0).collect();
    if seen.is_empty() {
        return;
    }
    sheet.line("");
    sheet.line("by fault:");
    let widest = seen.iter().map(|phase| columns(&phase.name)).max().unwrap_or(0).min(40);
    for phase in seen {
        let gap = " ".repeat(widest.saturating_sub(columns(&phase.name)) + 2);
        let lead = format!("  {}{gap}", phase.name);
        let style = if phase.stale_reads == 0 { sheet.ink.good } else { sheet.ink.bad };
        sheet.item((style, &lead), (Style::new(), &told(phase)), 4);
    }
}

fn told(phase: &PhaseMetrics) -> String {
    let reads = thousands(phase.reads);
    if phase.stale_reads == 0 {
        return format!("0 of {reads} reads stale");
    }
    format!(
        "{} of {reads} reads stale ({} of {} hits, {} of {} misses); worst {}",
        thousands(phase.stale_reads),
        thousands(phase.stale_hits),
        thousands(phase.hits),
        thousands(phase.stale_misses),
        thousands(phase.reads - phase.hits),
        millis(phase.staleness.max),
    )
}
