mod chosen;
mod explored;
mod stormed;

use std::{num::NonZero, path::PathBuf};

use clap::{Args, Command};
use jiff::Timestamp;
use quarrel_checkers::{Evidence, Guarantee, RunOutcome, Stake, Validity, gravest_exit};

use crate::output::{eprintln, print, println};

pub(super) use self::{
    chosen::{Column, Row, Way, columns, rows},
    explored::{MAX_STATES, clients},
};
use super::{
    Failure,
    choose::{Choice, ExternalArgs},
    partition::{Found, Part, PartitionArgs, share},
    run::duration,
    words::as_given,
};
use quarrel_report::report::{CellLinks, Width, matrix_markdown, matrix_page, matrix_text};
use quarrel_run::{
    judge::Expectation,
    results::{
        CellOutcome, MATRIX_FILE, MATRIX_SCHEMA, MatrixCell, MatrixFile, RunFolder, write_json,
        write_text,
    },
};
use quarrel_strategy::{cluster::ClusterKind, strategy::Catalogue};

#[derive(Args, Clone, Debug)]
pub(super) struct MatrixArgs {
    /// Where: sim explores every interleaving of a few operations; docker, native, external or auto storm each cell
    #[arg(long, default_value = "sim", value_name = "KIND", value_parser = |t: &str| t.parse::<Choice>())]
    cluster: Choice,
    #[command(flatten)]
    external: ExternalArgs,
    /// A row: a strategy, or one with options, as cache-aside,fill=primary; may be repeated [default: every strategy]
    #[arg(long = "strategy", value_name = "STRATEGY")]
    strategies: Vec<String>,
    /// A column: a fault, `none`, or several at once, as replica-lag+client-crash; may be repeated [default: none and the main ones]
    #[arg(long = "fault", value_name = "FAULT")]
    faults: Vec<String>,
    /// The most time for a cell [default: 60s for a search, 5s for a storm]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    time: Option<std::time::Duration>,
    /// The most states that a search keeps before the rest is sampled
    #[arg(long, default_value_t = MAX_STATES, value_name = "N", value_parser = |t: &str| t.parse::<NonZero<usize>>())]
    max_states: NonZero<usize>,
    /// Decides every draw
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    seed: u64,
    /// The guarantee that every cell is held to: exit code 1 if one is weaker [default: none]
    #[arg(long, value_name = "GUARANTEE", value_parser = |t: &str| t.parse::<Expectation>())]
    expect: Option<Expectation>,
    #[command(flatten)]
    split: PartitionArgs,
    /// Where results are kept
    #[arg(long, default_value = "results", value_name = "FOLDER", env = "QUARREL_RESULTS")]
    results: PathBuf,
    /// What to print: text, markdown or json
    #[arg(long, default_value = "text", value_name = "FORMAT", value_parser = ["text", "markdown", "json"])]
    format: String,
}

/// The subcommand.
pub(super) fn command() -> Command {
    MatrixArgs::augment_args(Command::new("matrix"))
}

pub(super) fn matrix(args: &MatrixArgs, catalogue: &Catalogue) -> Result<u8, Failure> {
    let simulated = args.cluster == Choice::Kind(ClusterKind::Sim);
    let way = if simulated { Way::Explored } else { Way::Stormed };
    let rows = rows(&args.strategies, catalogue)?;
    let columns = columns(&args.faults, way)?;
    let plan = plan(args, &rows, &columns, way);
    let now = Timestamp::now();
    let mut matrix = MatrixFile {
        schema: MATRIX_SCHEMA,
        quarrel: env!("CARGO_PKG_VERSION").to_owned(),
        name: String::new(),
        began: now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        command: as_given(),
        cluster: String::new(),
        simulated,
        within: String::new(),
        strategies: rows.iter().map(|row| row.label.clone()).collect(),
        faults: columns.iter().map(|column| column.label.clone()).collect(),
        cells: Vec::new(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::environment)?;
    let folder = RunFolder::create(&args.results, "matrix", now)?;
    matrix.name.clone_from(&folder.name);
    let interrupted = match way {
        Way::Explored => explored::fill(args, &plan, &folder, &runtime, &mut matrix)?,
        Way::Stormed => stormed::fill(args, catalogue, &plan, &folder, &runtime, &mut matrix)?,
    };
    keep(&folder, &matrix)?;
    show(&args.format, &matrix)?;
    eprintln!("written: {}", folder.path.display());
    if let Some(partition) = args.split.partition.filter(|_| !interrupted) {
        let expect = args.expect.map(|expect| expect.to_string());
        let found = Found::Matrix { folder: folder.name, expect };
        Part::leave(partition, found, &args.results)?;
    }
    let judged = outcome(args.expect, &matrix.cells).exit_code();
    // A cell that broke is broken, whoever ended the rest.
    Ok(gravest_exit([judged].into_iter().chain(interrupted.then_some(130))))
}

/// The cells that fall to this machine, row by row.
fn plan<'a>(
    args: &MatrixArgs,
    rows: &'a [Row<'a>],
    columns: &'a [Column],
    way: Way,
) -> Vec<(&'a Row<'a>, &'a Column)> {
    let cells: Vec<_> =
        rows.iter().flat_map(|row| columns.iter().map(move |column| (row, column))).collect();
    let costs: Vec<u64> = cells.iter().map(|(_, column)| column.cost(way)).collect();
    share(args.split.partition, &costs).into_iter().map(|at| cells[at]).collect()
}

/// Writes a matrix into its folder, beside its witnesses.
pub(super) fn keep(folder: &RunFolder, matrix: &MatrixFile) -> Result<(), Failure> {
    write_text(&folder.file("matrix.md"), &matrix_page(matrix))?;
    Ok(write_json(&folder.file(MATRIX_FILE), matrix)?)
}

pub(super) fn show(format: &str, matrix: &MatrixFile) -> Result<(), Failure> {
    match format {
        "json" => {
            println!("{}", serde_json::to_string_pretty(matrix).map_err(Failure::bug)?);
        }
        "markdown" => print!("{}", matrix_markdown(matrix, CellLinks::Nowhere)),
        _ => print!("{}", matrix_text(matrix, Width::of_terminal())),
    }
    Ok(())
}

/// What all cells come to. A cell that the cluster cannot carry says nothing,
/// and where nothing was judged, nothing was shown.
pub(super) fn outcome(expect: Option<Expectation>, cells: &[MatrixCell]) -> RunOutcome {
    let least = expect.map(|expected| expected.guarantee);
    RunOutcome::of_all(cells.iter().filter_map(|cell| of_cell(least, cell)))
}

fn of_cell(least: Option<Guarantee>, cell: &MatrixCell) -> Option<RunOutcome> {
    let validity = match cell.outcome {
        CellOutcome::Refused => return None,
        CellOutcome::Failed => return Some(RunOutcome::Environment),
        CellOutcome::Vacuous => return Some(RunOutcome::Vacuous),
        CellOutcome::Undecided => Validity::Unknown,
        CellOutcome::Held | CellOutcome::Broken => match (least, cell.strongest) {
            // Storms that were given no bound do not tell whether they kept one.
            (Some(least), Some(strongest)) if strongest > least => match is_open(cell, least) {
                true => Validity::Unknown,
                false => Validity::Invalid,
            },
            // What was only sampled may break after all.
            (Some(_), _) if cell.below_steps().is_some() => Validity::Unknown,
            _ => Validity::Valid,
        },
    };
    let stormed =
        cell.evidence.as_ref().map(|evidence| (Stake::ReadsAtRisk, evidence.reads_at_risk));
    let explored = cell.searched.as_ref().map(|searched| (Stake::Executions, searched.at_stake));
    // A break is something that was judged, whatever else was at stake.
    let broken = cell.shortest().map(|_| (Stake::Executions, 1));
    let evidence = [stormed, explored, broken]
        .into_iter()
        .flatten()
        .find_map(|(of, count)| Evidence::counted(of, count));
    Some(RunOutcome::of(validity, evidence))
}

/// Whether a guarantee was looked at and could not be told.
fn is_open(cell: &MatrixCell, guarantee: Guarantee) -> bool {
    cell.rung(guarantee).is_some_and(|rung| rung.validity == Validity::Unknown)
}

/// What may stand in the name of a file, for a label of a row or a column.
fn file_name(label: &str) -> String {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.');
    label.chars().map(|c| if fine(c) { c } else { '-' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarrel_run::results::{CellRung, CellSearch};

    fn cell(outcome: CellOutcome, strongest: Option<Guarantee>) -> MatrixCell {
        MatrixCell {
            strongest,
            note: None,
            searched: Some(CellSearch { interleavings: 9, at_stake: 7, states: 8 }),
            ..MatrixCell::without("cache-aside", "none", outcome, String::new())
        }
    }

    #[test]
    fn the_exit_code_names_the_gravest_cell() {
        let code = |expect, cells: &[MatrixCell]| outcome(expect, cells).exit_code();
        let held = || cell(CellOutcome::Held, Some(Guarantee::Linearizable));
        let broken = || cell(CellOutcome::Broken, Some(Guarantee::Eventual));
        let failed = || cell(CellOutcome::Failed, None);
        let expect = Some("sequential".parse::<Expectation>().unwrap());
        assert_eq!(code(None, &[held(), broken()]), 0);
        assert_eq!(code(expect, &[held()]), 0);
        assert_eq!(code(expect, &[held(), broken()]), 1);
        assert_eq!(code(expect, &[failed(), broken()]), 1);
        assert_eq!(code(None, &[held(), cell(CellOutcome::Undecided, None)]), 2);
        assert_eq!(code(None, &[held(), cell(CellOutcome::Vacuous, None)]), 3);
        assert_eq!(code(None, &[failed(), cell(CellOutcome::Undecided, None)]), 4);
        assert_eq!(code(None, &[held(), cell(CellOutcome::Refused, None)]), 0);
        assert_eq!(code(None, &[cell(CellOutcome::Refused, None)]), 3);
        assert_eq!(code(None, &[]), 3);
    }

    #[test]
    fn a_cell_that_was_called_held_without_evidence_shows_nothing() {
        let searched = Some(CellSearch { interleavings: 9, at_stake: 0, states: 8 });
        let idle =
            MatrixCell { searched, ..cell(CellOutcome::Held, Some(Guarantee::Linearizable)) };
        assert_eq!(outcome(None, &[idle]), RunOutcome::Vacuous);
    }

    #[test]
    fn what_was_only_sampled_is_no_proof_of_what_was_expected() {
        let rung = CellRung {
            guarantee: Guarantee::Linearizable,
            validity: Validity::Valid,
            below_steps: Some(9),
            broken: None,
        };
        let sampled = MatrixCell {
            rungs: vec![rung],
            ..cell(CellOutcome::Held, Some(Guarantee::Linearizable))
        };
        let expect = Some("sequential".parse::<Expectation>().unwrap());
        assert_eq!(outcome(expect, std::slice::from_ref(&sampled)), RunOutcome::Undecided);
        assert!(outcome(None, &[sampled]).is_held());
    }

    #[test]
    fn labels_become_names_of_files() {
        assert_eq!(file_name("cache-aside,fill=primary"), "cache-aside-fill-primary");
        assert_eq!(file_name("../x"), "..-x");
    }
}
