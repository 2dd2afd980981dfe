use std::fmt::Write as _;

use anstyle::Style;
use comfy_table::{Cell, Color, ContentArrangement, Table, presets};
use quarrel_checkers::Guarantee;
use quarrel_run::results::{CellOutcome, MatrixCell, MatrixFile};

use super::{Ink, Width, terminal::Sheet};

/// Where the cells of a Markdown table lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellLinks {
    /// Nowhere: for tables that are pasted somewhere else.
    Nowhere,
    /// To the race that shows the break: for a file in the matrix's folder.
    Races,
}

/// Columns that a cell takes: a number of steps with the longest cause, and
/// room around it.
const CELL: usize = 26;

/// The matrix as tables, side by side as many columns as fit.
#[must_use]
pub fn matrix_text(matrix: &MatrixFile, width: Width) -> String {
    let head = matrix.strategies.iter().map(String::len).max().unwrap_or(0).max(8) + 2;
    let fitting = width.beside(head).map_or(usize::MAX, |rest| (rest / CELL).max(1));
    let mut text = String::new();
    for faults in matrix.faults.chunks(fitting) {
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY);
        table.set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(std::iter::once("strategy").chain(faults.iter().map(String::as_str)));
        for strategy in &matrix.strategies {
            let cells = faults.iter().map(|fault| matrix.cell(strategy, fault)).map(coloured);
            table.add_row(std::iter::once(Cell::new(strategy)).chain(cells));
        }
        let _ = writeln!(text, "{table}");
    }
    let mut legend = Sheet::new(width, Ink::plain());
    for line in matrix_legend(matrix).lines() {
        legend.item((Style::new(), ""), (Style::new(), line), 0);
    }
    text + &legend.text
}

fn coloured(cell: Option<&MatrixCell>) -> Cell {
    let Some(found) = cell else { return Cell::new("(not reached)") };
    let (guarantee, detail) = matrix_words(found);
    let text = if detail.is_empty() { guarantee } else { format!("{guarantee}\n{detail}") };
    Cell::new(text).fg(match (found.outcome, found.strongest) {
        (CellOutcome::Held, _) => Color::Green,
        (CellOutcome::Broken, Some(Guarantee::None)) => Color::Red,
        (CellOutcome::Broken, _) => Color::Yellow,
        _ => Color::DarkGrey,
    })
}

/// The matrix as a Markdown table.
#[must_use]
pub fn matrix_markdown(matrix: &MatrixFile, links: CellLinks) -> String {
    let mut text = format!("| strategy | {} |\n|---|", matrix.faults.join(" | "));
    text.push_str(&"---|".repeat(matrix.faults.len()));
    text.push('\n');
    for strategy in &matrix.strategies {
        let cells = matrix.faults.iter().map(|fault| markdown(matrix.cell(strategy, fault), links));
        let _ = writeln!(text, "| {strategy} | {} |", cells.collect::<Vec<_>>().join(" | "));
    }
    text
}

/// What one cell of the Markdown table says, without its link.
#[must_use]
pub fn matrix_cell(matrix: &MatrixFile, strategy: &str, fault: &str) -> String {
    markdown(matrix.cell(strategy, fault), CellLinks::Nowhere)
}

fn markdown(cell: Option<&MatrixCell>, links: CellLinks) -> String {
    let Some(cell) = cell else { return "(not reached)".to_owned() };
    let (guarantee, detail) = matrix_words(cell);
    let race = cell.shortest().and_then(|broken| broken.race.as_ref());
    match (detail.is_empty(), links, race) {
        (true, ..) => guarantee,
        (false, CellLinks::Races, Some(race)) => format!("{guarantee}, [{detail}]({race})"),
        (false, ..) => format!("{guarantee}, {detail}"),
    }
}

/// The file `matrix.md`: what it is, the table, what is worth saying of single
/// cells.
#[must_use]
pub fn matrix_page(matrix: &MatrixFile) -> String {
    let mut text = format!(
        "# Strategies × faults\n\nMade by `{}` on {}. {}\n\n",
        matrix.command, matrix.began, matrix.within
    );
    text.push_str(&matrix_markdown(matrix, CellLinks::Races));
    let _ = write!(text, "\n{}", matrix_legend(matrix));
    let notes: Vec<_> =
        matrix.cells.iter().filter_map(|cell| Some((cell, cell.note.as_ref()?))).collect();
    if !notes.is_empty() {
        text.push_str("\n## Notes\n\n");
    }
    for (cell, note) in notes {
        let _ = writeln!(text, "* {} under {}: {note}", cell.strategy, cell.fault);
    }
    text
}

/// What a cell says: the guarantee or the want of one, and what broke the
/// stronger ones.
#[must_use]
pub fn matrix_words(cell: &MatrixCell) -> (String, String) {
    let guarantee = match (cell.outcome, cell.strongest) {
        (CellOutcome::Held | CellOutcome::Broken, Some(strongest)) => strongest.to_string(),
        (CellOutcome::Vacuous, _) => "vacuous".to_owned(),
        (CellOutcome::Refused, _) => "not possible".to_owned(),
        (CellOutcome::Failed, _) => "failed".to_owned(),
        _ => "undecided".to_owned(),
    };
    let guarantee = match cell.below_steps() {
        Some(steps) => format!("{guarantee} <{steps}"),
        None => guarantee,
    };
    let broken = cell.shortest().map(|broken| match broken.steps {
        Some(steps) => format!("{steps}: {}", broken.cause),
        None => broken.cause.to_string(),
    });
    let evidence = cell
        .evidence
        .as_ref()
        .map(|evidence| format!("{} of {} stale", evidence.stale_reads, evidence.reads_at_risk));
    let detail: Vec<_> = broken.into_iter().chain(evidence).collect();
    (guarantee, detail.join(", "))
}

/// What a cell says, and within what it was looked for.
#[must_use]
pub fn matrix_legend(matrix: &MatrixFile) -> String {
    let how = if matrix.simulated {
        "the strongest guarantee that no interleaving within the bound breaks; then the steps of \
         the shortest break of a stronger one, and its cause. `<N`: everything with fewer than N \
         steps was searched, and a sample of the rest. Simulated stores."
    } else {
        "the strongest guarantee that held; then the cause of the worst anomaly, and how many of \
         the reads at risk were stale. A storm that broke nothing proves less than a search."
    };
    format!("A cell: {how}\nWithin: {}\n", matrix.within)
}

#[cfg(test)]
mod tests {
    use quarrel_checkers::{Cause, Validity};

    use super::*;
    use quarrel_run::results::{CellBreak, CellRung, MATRIX_SCHEMA};

    fn rung(guarantee: Guarantee, steps: Option<usize>) -> CellRung {
        CellRung {
            guarantee,
            validity: if steps.is_some() { Validity::Invalid } else { Validity::Valid },
            below_steps: None,
            broken: steps.map(|steps| CellBreak {
                what: "!stale".to_owned(),
                cause: Cause::ReplicaLagRefill,
                steps: Some(steps),
                race: Some(format!("races/{guarantee}.race")),
            }),
        }
    }

    fn example() -> MatrixFile {
        let broken = MatrixCell {
            strategy: "cache-aside".to_owned(),
            fault: "replica-lag".to_owned(),
            outcome: CellOutcome::Broken,
            strongest: Some(Guarantee::Eventual),
            rungs: vec![
                rung(Guarantee::Linearizable, Some(5)),
                rung(Guarantee::Bounded, Some(5)),
                rung(Guarantee::Eventual, None),
            ],
            evidence: None,
            searched: None,
            note: None,
        };
        let mut held = MatrixCell {
            outcome: CellOutcome::Held,
            strongest: Some(Guarantee::Linearizable),
            fault: "none".to_owned(),
            rungs: vec![rung(Guarantee::Linearizable, None)],
            ..broken.clone()
        };
        held.rungs[0].below_steps = Some(9);
        let note = "it needs tracking, which is not simulated".to_owned();
        let refused = MatrixCell::without("client-tracking", "none", CellOutcome::Refused, note);
        MatrixFile {
            schema: MATRIX_SCHEMA,
            quarrel: "0.1.0".to_owned(),
            name: "20261125T200000Z-matrix-0001".to_owned(),
            began: "2026-11-25T20:00:00Z".to_owned(),
            command: "quarrel matrix".to_owned(),
            cluster: "sim".to_owned(),
            simulated: true,
            within: "2 writers, 2 readers".to_owned(),
            strategies: vec!["cache-aside".to_owned(), "client-tracking".to_owned()],
            faults: vec!["none".to_owned(), "replica-lag".to_owned()],
            cells: vec![held, broken, refused],
        }
    }

    #[test]
    fn a_cell_of_a_page_leads_to_its_race() {
        insta::assert_snapshot!(matrix_markdown(&example(), CellLinks::Races), @r"
        | strategy | none | replica-lag |
        |---|---|---|
        | cache-aside | linearizable <9 | eventual, [5: replica-lag-refill](races/bounded.race) |
        | client-tracking | not possible | (not reached) |
        ");
    }

    #[test]
    fn a_narrow_terminal_gets_several_tables() {
        let wide = matrix_text(&example(), Width::Columns(120));
        let narrow = matrix_text(&example(), Width::Columns(45));
        let tables = |text: &str| text.matches(" strategy  ").count();
        assert_eq!((tables(&wide), tables(&narrow)), (1, 2), "{wide}\n{narrow}");
        assert!(narrow.lines().all(|line| line.chars().count() <= 45), "{narrow}");
    }

    #[test]
    fn a_matrix_survives_being_written_down() {
        let text = serde_json::to_string(&example()).unwrap();
        assert_eq!(serde_json::from_str::<MatrixFile>(&text).unwrap(), example());
    }

    #[test]
    fn what_is_not_decided_is_told_apart_and_explained() {
        let page = matrix_page(&example());
        assert!(page.contains("* client-tracking under none: it needs tracking"), "{page}");
    }
}
