use std::{collections::BTreeMap, path::Path};

use quarrel_checkers::gravest_exit;
use quarrel_report::report::Ink;
use serde_json::json;

use super::{Found, Joined, Share, differs, tree};
use crate::{Failure, partition::PartRun};

/// The runs of a profile in their order, taken into one results folder.
pub(super) fn join(command: &str, shares: &[Share], results: &Path) -> Result<Joined, Failure> {
    let mut runs: BTreeMap<usize, &PartRun> = BTreeMap::new();
    let mut count = None;
    for share in shares {
        let Found::Runs { all, runs: found } = &share.part.found else {
            return Err(differs(command, share, "kind"));
        };
        if *count.get_or_insert(*all) != *all {
            return Err(differs(command, share, "number of runs"));
        }
        for run in found {
            if run.number >= *all || runs.insert(run.number, run).is_some() {
                return Err(differs(command, share, "way of splitting"));
            }
            if let Some(name) = &run.run {
                tree::take_run(&share.beside(name)?, results)?;
            }
        }
    }
    let left_out = count.unwrap_or(0) - runs.len();
    let open = (left_out > 0).then_some(2);
    let code = gravest_exit(runs.values().map(|run| run.exit_code).chain(open));
    Ok(Joined {
        code,
        text: text(runs.values().copied(), left_out),
        json: json!({
            "kind": "runs",
            "runs": runs.values().collect::<Vec<_>>(),
            "not_run": left_out,
        }),
    })
}

fn text<'a>(runs: impl Iterator<Item = &'a PartRun>, left_out: usize) -> String {
    let ink = Ink::colours();
    let mut lines = Vec::new();
    for run in runs {
        let style = match run.exit_code {
            0 => ink.good,
            1 => ink.bad,
            _ => ink.warn,
        };
        lines.push(format!("  {style}{:<11}{style:#} {}", run.outcome, run.command));
        if !run.reason.is_empty() {
            lines.push(format!("              {}", run.reason));
        }
    }
    if left_out > 0 {
        lines.push(format!("  {left_out} runs were not begun, or their shares are not there"));
    }
    lines.join("\n")
}
