use super::{Topic, TopicKind, entries};
use crate::report::terminal::{Ink, Sheet, Width, shorten, text_columns};

/// One entry as a person reads it on a terminal.
#[must_use]
pub fn entry_text(entry: &Topic, ink: Ink, width: Width) -> String {
    let mut sheet = Sheet::new(width, ink);
    let plain = anstyle::Style::new();
    let lead = format!("{} ({}): ", entry.name, entry.kind);
    sheet.item((ink.strong, &lead), (plain, entry.summary), 2);
    sheet.line("");
    sheet.item((plain, "  "), (plain, entry.text), 2);
    if !entry.timeline.is_empty() {
        sheet.line("");
        for line in entry.timeline.lines() {
            told(&mut sheet, line);
        }
    }
    if !entry.cures.is_empty() {
        sheet.line("");
        sheet.line("  What helps:");
        for cure in entry.cures {
            sheet.item((ink.mark, "    - "), (plain, cure), 6);
        }
    }
    if !entry.source.is_empty() {
        sheet.line("");
        sheet.item((ink.faint, "  Source: "), (ink.faint, entry.source), 10);
    }
    sheet.text
}

/// A line of a timeline; what a reader should notice goes below it if it does
/// not fit beside it.
fn told(sheet: &mut Sheet, line: &str) {
    let fits = sheet.room(4).is_none_or(|room| text_columns(line) <= room);
    let noted = line.rfind("  ").filter(|at| !fits && line[..*at].contains("->"));
    let (left, note) = noted.map_or((line, ""), |at| line.split_at(at));
    sheet.line(&format!("    {}", shorten(left.trim_end(), sheet.room(4))));
    if !note.is_empty() {
        sheet.line(&format!("               {}", shorten(note.trim_start(), sheet.room(15))));
    }
}

/// Every name with its meaning in a line.
#[must_use]
pub fn list_text(ink: Ink, width: Width) -> String {
    let mut sheet = Sheet::new(width, ink);
    let plain = anstyle::Style::new();
    for (kind, title) in [
        (TopicKind::Anomaly, "Anomalies: what clients and probes saw"),
        (TopicKind::Cause, "Causes: how a cache and a database come apart"),
        (TopicKind::Guarantee, "Guarantees, strongest first"),
        (TopicKind::Level, "Levels of isolation of transactions, weakest first"),
        (TopicKind::Word, "Words"),
    ] {
        if !sheet.text.is_empty() {
            sheet.line("");
        }
        sheet.item((ink.strong, title), (plain, ""), 0);
        for entry in entries().filter(|entry| entry.kind == kind) {
            let lead = format!("  {:<24} ", entry.name);
            sheet.item((ink.mark, &lead), (plain, entry.summary), 27);
        }
    }
    sheet.text
}
