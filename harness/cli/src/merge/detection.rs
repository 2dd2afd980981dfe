use std::path::Path;

use jiff::Timestamp;
use quarrel_run::{
    detection::Table,
    results::{FileError, FormError, RunFolder, text_inside},
};
use serde_json::json;

use super::{Found, Joined, Share, differs, tree};
use crate::{
    Failure,
    bench::code_of,
    detection::{TABLE_FILE, keep},
};

/// One table of the pairs of all shares, with the runs that were kept.
pub(super) fn join(command: &str, shares: &[Share], results: &Path) -> Result<Joined, Failure> {
    let mut whole: Option<(Table, &Vec<String>)> = None;
    for share in shares {
        let Found::Detection { folder, order } = &share.part.found else {
            return Err(differs(command, share, "kind"));
        };
        let table = read(&share.beside(folder)?)?;
        let kept = table.rows.iter().flat_map(|row| &row.trials).filter_map(|t| t.kept.as_ref());
        for name in kept {
            tree::take_run(&share.beside(name)?, results)?;
        }
        match &mut whole {
            None => whole = Some((table, order)),
            Some((whole, known)) => {
                // A share without a pair never came to a cluster.
                if whole.cluster.is_empty() {
                    whole.cluster.clone_from(&table.cluster);
                }
                let same = [
                    (*known == order, "list of pairs"),
                    (table.rows.is_empty() || whole.cluster == table.cluster, "kind of cluster"),
                    (whole.seeds == table.seeds && whole.time_ms == table.time_ms, "measure"),
                ];
                if let Some((_, what)) = same.iter().find(|(is_same, _)| !is_same) {
                    return Err(differs(command, share, what));
                }
                whole.began = whole.began.clone().min(table.began);
                whole.rows.extend(table.rows);
            }
        }
    }
    let (mut whole, order) = whole.expect("a command is known by a share of it");
    whole.rows.sort_by_key(|row| order.iter().position(|run| *run == row.pair.run));
    command.clone_into(&mut whole.command);
    let folder = RunFolder::create(results, "detection", Timestamp::now())?;
    keep(&folder, &whole)?;
    Ok(Joined {
        code: code_of(&whole),
        text: format!("{}\nwritten: {}", whole.text(), folder.path.display()),
        json: json!({"kind": "detection", "folder": folder.path}),
    })
}

fn read(folder: &Path) -> Result<Table, Failure> {
    let path = folder.join(TABLE_FILE);
    let text = text_inside(folder, TABLE_FILE).map_err(FileError::io(&path))?;
    Ok(serde_json::from_str(&text).map_err(|error| FormError::json(&path, 1, &error))?)
}
