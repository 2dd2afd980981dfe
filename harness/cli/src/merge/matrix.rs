use std::path::Path;

use jiff::Timestamp;
use quarrel_checkers::RunOutcome;
use quarrel_report::report::{Width, matrix_text};
use quarrel_run::{
    judge::Expectation,
    results::{FormError, MatrixFile, RunFolder, read_matrix},
};
use serde_json::json;

use super::{Found, Joined, Share, differs, tree};
use crate::{
    Failure,
    matrix::{keep, outcome},
};

/// One matrix of the cells of all shares, with their witnesses and runs.
pub(super) fn join(command: &str, shares: &[Share], results: &Path) -> Result<Joined, Failure> {
    let mut whole: Option<(MatrixFile, Option<Expectation>)> = None;
    let mut sources = Vec::new();
    for share in shares {
        let Found::Matrix { folder, expect } = &share.part.found else {
            return Err(differs(command, share, "kind"));
        };
        let source = share.beside(folder)?;
        let matrix = read_matrix(&source)?;
        let expect = expect.as_deref().map(str::parse::<Expectation>).transpose();
        let expect = expect.map_err(|error| {
            Failure::from(FormError::at(&share.folder, 1, 1, error.to_string()))
        })?;
        sources.push(source);
        match &mut whole {
            None => whole = Some((matrix, expect)),
            Some((whole, _)) => {
                take_up(whole, matrix).map_err(|what| differs(command, share, what))?
            }
        }
    }
    let (mut whole, expect) = whole.expect("a command is known by a share of it");
    in_order(&mut whole);
    let folder = RunFolder::create(results, "matrix", Timestamp::now())?;
    whole.name.clone_from(&folder.name);
    command.clone_into(&mut whole.command);
    for source in sources {
        for below in ["races", "runs"] {
            let below_source = source.join(below);
            if below_source.is_dir() {
                tree::copy(&below_source, &folder.path.join(below))?;
            }
        }
    }
    keep(&folder, &whole)?;
    let outcome: RunOutcome = outcome(expect, &whole.cells);
    let written = format!("written: {}", folder.path.display());
    Ok(Joined {
        code: outcome.exit_code(),
        text: format!("{}\n{written}", matrix_text(&whole, Width::of_terminal())),
        json: json!({"kind": "matrix", "folder": folder.path, "outcome": outcome.to_string()}),
    })
}

/// Adds the cells of a share; what is not the same in both, if something is not.
fn take_up(whole: &mut MatrixFile, share: MatrixFile) -> Result<(), &'static str> {
    let same = [
        (whole.strategies == share.strategies, "list of strategies"),
        (whole.faults == share.faults, "list of faults"),
        (whole.within == share.within, "bound"),
        (whole.cluster == share.cluster, "kind of cluster"),
        (whole.quarrel == share.quarrel && whole.schema == share.schema, "version of quarrel"),
    ];
    if let Some((_, what)) = same.iter().find(|(is_same, _)| !is_same) {
        return Err(what);
    }
    if share.cells.iter().any(|cell| whole.cell(&cell.strategy, &cell.fault).is_some()) {
        return Err("way of splitting");
    }
    whole.cells.extend(share.cells);
    whole.began = whole.began.clone().min(share.began);
    Ok(())
}

/// Cells stand row by row, whoever filled them.
fn in_order(matrix: &mut MatrixFile) {
    let place = |labels: &[String], label: &str| labels.iter().position(|known| known == label);
    let mut cells = std::mem::take(&mut matrix.cells);
    cells.sort_by_key(|cell| {
        (place(&matrix.strategies, &cell.strategy), place(&matrix.faults, &cell.fault))
    });
    matrix.cells = cells;
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarrel_run::results::{CellOutcome, MATRIX_SCHEMA, MatrixCell};

    fn share(cells: &[(&str, &str)]) -> MatrixFile {
        let cell = |(strategy, fault): &(&str, &str)| {
            MatrixCell::without(strategy, fault, CellOutcome::Undecided, String::new())
        };
        MatrixFile {
            schema: MATRIX_SCHEMA,
            quarrel: "1".to_owned(),
            name: String::new(),
            began: String::new(),
            command: String::new(),
            cluster: "sim".to_owned(),
            simulated: true,
            within: String::new(),
            strategies: vec!["b".to_owned(), "a".to_owned()],
            faults: vec!["none".to_owned(), "lag".to_owned()],
            cells: cells.iter().map(cell).collect(),
        }
    }

    #[test]
    fn cells_stand_in_the_order_of_rows_and_columns() {
        let mut whole = share(&[("a", "lag"), ("b", "lag")]);
        take_up(&mut whole, share(&[("a", "none"), ("b", "none")])).unwrap();
        in_order(&mut whole);
        let order: Vec<_> =
            whole.cells.iter().map(|cell| (cell.strategy.as_str(), cell.fault.as_str())).collect();
        assert_eq!(order, [("b", "none"), ("b", "lag"), ("a", "none"), ("a", "lag")]);
    }

    #[test]
    fn shares_of_two_wholes_are_not_joined() {
        let mut whole = share(&[("a", "lag")]);
        assert_eq!(take_up(&mut whole, share(&[("a", "lag")])), Err("way of splitting"));
        let other = MatrixFile { cluster: "native".to_owned(), ..share(&[]) };
        assert_eq!(take_up(&mut whole, other), Err("kind of cluster"));
    }
}
